/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which blocks are watched: those of functions that are named after what is asked for, bounded, until they are freed.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "capture/clock.h"
#include "capture/heap.h"
#include "capture/hook.h"
#include "capture/modules.h"
#include "isolated.h"
#include "recording.h"
#include "watched_at.h"

typedef void (*named)(void (*function)(void *argument), void *argument);

static named put_named, parse_named, deep_named; /* of tests/programs/watch_named.so.c */
static char *variable;
static void *library;
static struct watch_range range;

/* As the hook of malloc does. Blocks are not really allocated: their addresses are enough. */
static __attribute__((noinline)) void allocate_48(void *block)
{
    struct heap_place place = heap_place(RETURN_ADDRESS);
    if (!heap_passes(place, 48))
        heap_allocated(block, 48, place);
    __asm__ volatile("" ::: "memory");
}

static __attribute__((noinline)) void allocate_large(void *block)
{
    struct heap_place place = heap_place(RETURN_ADDRESS);
    if (!heap_passes(place, 16 << 10))
        heap_allocated(block, 16 << 10, place);
    __asm__ volatile("" ::: "memory");
}

static void cache_put(uintptr_t block)
{
    put_named(allocate_48, (void *)block);
}

static void request_parse(uintptr_t block)
{
    parse_named(allocate_48, (void *)block);
}

static bool release(uintptr_t block)
{
    return heap_watched((void *)block) && heap_leaving((void *)block, LIFECYCLE_FREED, &range);
}

/* Frames of this program are the recorder's own, so what has names is in a library. */
static void named_load(void)
{
    char path[4096];
    ssize_t length = readlink("/proc/self/exe", path, sizeof(path) - 100);
    assert_true(length > 0);
    path[length] = '\0';
    for (int i = 0; i < 3; i++)
        *strrchr(path, '/') = '\0';
    strcat(path, "/programs/watch_named.so");
    library = dlopen(path, RTLD_NOW);
    if (!library)
        fail_msg("%s", dlerror());
    put_named = (named)dlsym(library, "cache_put");
    parse_named = (named)dlsym(library, "request_parse");
    deep_named = (named)dlsym(library, "thread_pool_main");
    variable = dlsym(library, "table_bytes");
}

static void begin(const char *watch)
{
    recording_begin(4 << 20);
    recorder.pid = 1;
    named_load();
    modules_init();
    thread_init();
    recorder.settings.watch_own = !watch;
    assert_true(patterns_read(&recorder.settings.watch, watch ? watch : PATTERNS_DEFAULT));
    heap_init();
}

static void end(void)
{
    recording_close(recording_end());
}

static uintptr_t block_at(uint32_t i)
{
    return 0x10000000 + i * 64;
}

static void named_functions(void **state)
{
    (void)state;
    begin(NULL);
    cache_put(block_at(0));
    request_parse(block_at(1));
    assert_true(heap_watched((void *)block_at(0)));
    assert_false(heap_watched((void *)block_at(1)));
    assert_true(watched_at(block_at(0) + 47, &range));
    assert_true(range.start == block_at(0) && range.size == 48 && range.kind == WATCH_BLOCK && range.site);
    assert_false(watched_at(block_at(0) + 48, &range));
    assert_true(release(block_at(0)));
    assert_int_equal(range.start, block_at(0));
    assert_false(release(block_at(0)));
    assert_false(watched_at(block_at(0), &range));
    end();
}

static void a_wrapper_that_is_known_hides_nobody(void **state)
{
    (void)state;
    begin(NULL);
    for (uint32_t i = 0; i < 10000; i++)
        request_parse(block_at(i));
    cache_put(block_at(20000));
    assert_true(heap_watched((void *)block_at(20000)));
    end();
}

static void a_thread_of_that_name_does_not_count(void **state)
{
    (void)state;
    begin(NULL);
    deep_named(allocate_48, (void *)block_at(1));
    assert_false(heap_watched((void *)block_at(1)));
    end();
}

static void bounded(void **state)
{
    (void)state;
    begin(NULL);
    for (uint32_t i = 0; i < 3000; i++)
        cache_put(block_at(i));
    uint32_t count = watchlist_count();
    assert_in_range(count, 32, 64); /* of one site; some find their word taken */
    uint32_t newer = 0;
    for (uint32_t i = 0; i < 100000; i++)
        cache_put(block_at(3000 + i));
    assert_in_range(watchlist_count(), 32, 64);
    for (uint32_t i = 0; i < 103000; i++)
        newer += release(block_at(i)) && i >= 3000;
    assert_true(newer > 0); /* what was there first has made room */
    assert_int_equal(watchlist_count(), 0);
    for (uint32_t i = 0; i < HEAP_FILTER; i++)
        assert_int_equal(heap_filter[i], 0);
    end();
}

static void short_lives_do_not_use_it_up(void **state)
{
    (void)state;
    uint32_t watched = 0;
    begin(NULL);
    for (uint32_t i = 0; i < 1000; i++) {
        cache_put(block_at(i % 7));
        watched += release(block_at(i % 7));
    }
    assert_true(watched >= 500); /* the first ones, whenever they come */
    end();
}

static void resized(void **state)
{
    (void)state;
    begin(NULL);
    cache_put(block_at(0));
    assert_true(release(block_at(0)));
    heap_resized(&range, (void *)block_at(9), 100);
    assert_true(watched_at(block_at(9) + 99, &range));
    assert_true(release(block_at(9)));
    end();
}

static void the_whole_heap(void **state)
{
    (void)state;
    uint32_t large = 0, small = 0;
    begin("*");
    for (uint32_t i = 0; i < 20000; i++) {
        cache_put(block_at(0));
        small += release(block_at(0));
        parse_named(allocate_large, (void *)block_at(1));
        large += release(block_at(1));
    }
    assert_true(large > 300 && large < 2100); /* one in 16, as far as the period has room */
    assert_true(small < large / 10);
    end();
}

static void nothing(void **state)
{
    (void)state;
    begin("off");
    cache_put(block_at(0));
    assert_false(heap_watched((void *)block_at(0)));
    heap_threads_begin();
    assert_int_equal(watchlist_count(), 0);
    end();
}

static void variables(void **state)
{
    (void)state;
    begin("global:table_bytes");
    cache_put(block_at(0));
    assert_false(heap_watched((void *)block_at(0)));
    assert_int_equal(watchlist_count(), 1);
    heap_threads_begin();
    assert_int_equal(watchlist_count(), 1);
    assert_true(watched_at((uintptr_t)variable + 4095, &range));
    assert_true(range.start == (uintptr_t)variable && range.size == 4096 && range.kind == WATCH_GLOBAL);
    end();
}

static void unloaded_and_loaded_again(void **state)
{
    (void)state;
    begin(NULL);
    for (uint32_t i = 0; i < 300; i++) { /* more than there are places for objects */
        cache_put(block_at(i));
        assert_true(release(block_at(i)));
        dlclose(library);
        modules_check();
        named_load();
    }
    end();
}

static void reserved_for_good(void **state)
{
    (void)state;
    begin(NULL);
    assert_true(heap_reserve((void *)block_at(0)));
    assert_false(heap_reserve((void *)block_at(0)));
    cache_put(block_at(0));
    assert_int_equal(watchlist_count(), 0);
    assert_true(heap_watched((void *)block_at(0))); /* free asks on */
    assert_false(release(block_at(0)));
    assert_true(heap_watched((void *)block_at(0)));
    end();
}

static void a_region_ends_with_its_block(void **state)
{
    (void)state;
    begin(NULL);
    cache_put(block_at(0));
    uint32_t number = watchlist_add(&(struct watch_new){.start = block_at(0), .size = 16, .kind = WATCH_REGION});
    assert_true(watchlist_get(number, &range));
    heap_watch(&range);
    assert_int_equal(watchlist_count(), 1); /* in place of the block */
    assert_true(release(block_at(0)));
    assert_int_equal(range.number, number);
    assert_false(heap_unwatch(number));
    end();
}

int main(void)
{
    clock_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(named_functions),
        cmocka_unit_test(a_wrapper_that_is_known_hides_nobody),
        cmocka_unit_test(a_thread_of_that_name_does_not_count),
        cmocka_unit_test(bounded),
        cmocka_unit_test(short_lives_do_not_use_it_up),
        cmocka_unit_test(resized),
        cmocka_unit_test(the_whole_heap),
        cmocka_unit_test(nothing),
        cmocka_unit_test(variables),
        cmocka_unit_test(unloaded_and_loaded_again),
        cmocka_unit_test(reserved_for_good),
        cmocka_unit_test(a_region_ends_with_its_block),
    };
    return isolated_run(tests, sizeof(tests) / sizeof(tests[0]));
}
