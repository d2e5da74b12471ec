/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which traces a process writes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above. */
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cli/live.h"
#include "cli/message.h"

static char error[ERROR_SIZE];

static const char *self(void)
{
    static char pid[20];
    snprintf(pid, sizeof(pid), "%d", (int)getpid());
    return pid;
}

static void mapped_trace_found(void **state)
{
    (void)state;
    char path[] = "/tmp/cprobe live XXXXXX.trace";
    int fd = mkstemps(path, 6);
    struct live live = {0};
    assert_true(fd >= 0 && ftruncate(fd, 8192) == 0);
    char *map = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    assert_ptr_not_equal(map, MAP_FAILED);
    assert_int_equal(mprotect(map, 4096, PROT_READ), 0); /* two lines of the file */
    assert_int_equal(live_find(self(), &live, error, sizeof(error)), 0);
    assert_int_equal(live.count, 1);
    assert_string_equal(live.paths[0], path);
    live_free(&live);
    munmap(map, 8192);
    close(fd);
    unlink(path);
}

static void nothing_mapped(void **state)
{
    (void)state;
    struct live live = {0};
    assert_int_equal(live_find(self(), &live, error, sizeof(error)), -ENODATA);
    assert_non_null(strstr(error, "LD_PRELOAD=libcprobe.so"));
    live_free(&live);
}

static void no_process(void **state)
{
    (void)state;
    struct live live = {0};
    assert_int_equal(live_find("4194305", &live, error, sizeof(error)), -ESRCH); /* above the kernel's PID_MAX_LIMIT */
    assert_string_equal(error, "there is no process 4194305");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(mapped_trace_found), cmocka_unit_test(nothing_mapped),
                                       cmocka_unit_test(no_process)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
