/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <dlfcn.h>
#include <search.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "capture/modules.h"
#include "recording.h"

#define LIBRARY "libthread_db.so.1" /* of libc6, needed by debuggers only */

static void known_from_the_start(void **state)
{
    (void)state;
    recording_begin(4 << 20);
    modules_init();
    const struct module *own = modules_find((uintptr_t)known_from_the_start), *libc = modules_find((uintptr_t)lfind);
    assert_non_null(own);
    assert_non_null(libc);
    assert_ptr_not_equal(own, libc);
    assert_ptr_equal(modules_find((uintptr_t)lfind), libc);
    assert_true(modules_own((uintptr_t)known_from_the_start));
    assert_false(modules_own((uintptr_t)lfind));
    assert_true((uintptr_t)lfind >= libc->start && (uintptr_t)lfind < libc->end);
    assert_non_null(libc->eh_frame_hdr);
    struct trace *t = recording_end();
    const struct trace_module *m = trace_module_find(t, (uintptr_t)lfind, 0);
    assert_non_null(m);
    assert_non_null(strstr(m->path, "/libc.so.6"));
    assert_int_equal(m->build_id_size, 20);
    char exe[1024];
    ssize_t length = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
    exe[length > 0 ? length : 0] = '\0';
    m = trace_module_find(t, (uintptr_t)known_from_the_start, 0);
    assert_non_null(m);
    assert_string_equal(m->path, exe); /* the loader has no name for the program itself */
    recording_close(t);
}

static void no_object_no_module(void **state)
{
    (void)state;
    char *page = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_null(modules_find((uintptr_t)page));
    assert_null(modules_find(0));
    assert_null(modules_find(UINTPTR_MAX));
    munmap(page, 4096);
}

static void library_comes_and_goes(void **state)
{
    (void)state;
    recording_begin(4 << 20);
    uint32_t before = modules_generation();
    void *library = dlopen(LIBRARY, RTLD_LAZY);
    if (!library) {
        recording_close(recording_end());
        skip();
    }
    uintptr_t pc = (uintptr_t)dlsym(library, "td_init");
    const struct module *m = modules_find(pc);
    assert_non_null(m);
    assert_int_equal(m->loaded, before);
    modules_check(); /* a dlclose of something else */
    assert_int_equal(modules_generation(), before);
    assert_int_equal(dlclose(library), 0);
    assert_null(modules_find(pc)); /* already now: its unwind tables must not be read */
    modules_check();
    assert_int_equal(modules_generation(), before + 1);
    assert_null(modules_find(pc));
    library = dlopen(LIBRARY, RTLD_LAZY);
    uintptr_t pc_again = (uintptr_t)dlsym(library, "td_init");
    const struct module *again = modules_find(pc_again);
    assert_ptr_not_equal(again, m);
    assert_int_equal(again->loaded, before + 1);
    struct trace *t = recording_end();
    const struct trace_module *first = trace_module_find(t, pc, before);
    assert_non_null(first);
    assert_int_equal(first->unloaded, before + 1);
    const struct trace_module *second = trace_module_find(t, pc_again, before + 1);
    assert_non_null(second);
    assert_ptr_not_equal(first, second);
    recording_close(t);
    dlclose(library);
    modules_check();
}

/* Without modules_check in between, as when libc unloads a plug-in of its own: another object may have the place. */
static void place_is_taken_by_another(void **state)
{
    (void)state;
    recording_begin(4 << 20);
    void *library = dlopen(LIBRARY, RTLD_LAZY);
    if (!library) {
        recording_close(recording_end());
        skip();
    }
    uint32_t before = modules_generation();
    const struct module *m = modules_find((uintptr_t)dlsym(library, "td_init"));
    assert_int_equal(dlclose(library), 0);
    library = dlopen(LIBRARY, RTLD_LAZY);
    uintptr_t pc = (uintptr_t)dlsym(library, "td_init");
    const struct module *again = modules_find(pc);
    assert_non_null(again);
    if (again != m) /* else the loader gave both the same place and the same map */
        assert_true(again->loaded >= before);
    recording_close(recording_end());
    dlclose(library);
    modules_check();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_from_the_start),
        cmocka_unit_test(no_object_no_module),
        cmocka_unit_test(library_comes_and_goes),
        cmocka_unit_test(place_is_taken_by_another),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
