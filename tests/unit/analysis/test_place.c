/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "analysis/place.h"

#include "analysis/scene.h"

/* The place of a stack of these addresses, innermost first, in the process "program". */
static struct place place_at(const uint64_t *pcs, size_t count)
{
    static struct frame frames[16];
    for (size_t i = 0; i < count; i++)
        frames[i] = *symbols_address(NULL, NULL, pcs[i], 0);
    struct stack stack = {frames, count, true};
    return place_of(&stack, "program");
}

#define PLACE(...) place_at((uint64_t[]){__VA_ARGS__}, LENGTH(__VA_ARGS__))

static void origins(void **state)
{
    (void)state;
    static const struct {
        uint64_t pc;
        enum frame_origin origin;
    } cases[] = {
        {PC_LIBC, ORIGIN_SYSTEM},    {PC_LIBSSL, ORIGIN_SYSTEM},     {PC_GEVENT_HUB, ORIGIN_SYSTEM},
        {PC_MARIADB, ORIGIN_DRIVER}, {PC_DB_EXECUTE, ORIGIN_DRIVER}, {PC_REQUESTS, ORIGIN_DRIVER},
        {PC_VIEW_GET, ORIGIN_USER},  {PC_HANDLE, ORIGIN_USER},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_int_equal(frame_origin(symbols_address(NULL, NULL, cases[i].pc, 0), "program"), cases[i].origin);
}

static void driver_and_user(void **state)
{
    (void)state;
    struct place place = PLACE(PC_LIBC, PC_MARIADB, PC_MYSQL_C, PC_DB_EXECUTE, PC_VIEW_GET, PC_VIEW_POST);
    assert_string_equal(place.driver->module, "libmariadb.so.3");
    assert_string_equal(place.user->function, "View.get");
    place = PLACE(PC_LIBC, PC_HANDLE, PC_MARIADB); /* a callback into the user's code: the driver is not to blame */
    assert_null(place.driver);
    assert_string_equal(place.user->function, "handle_request");
    place = PLACE(PC_LIBC, PC_LIBFFI, PC_VIEW_GET); /* ctypes calls the C library: no driver does */
    assert_null(place.driver);
    place = PLACE(PC_LIBC, PC_MARIADB, PC_LIBFFI, PC_VIEW_GET);
    assert_string_equal(place.driver->module, "libmariadb.so.3");
    place = PLACE(PC_HANDLE, PC_VIEW_GET);
    assert_string_equal(place.user->function, "View.get"); /* Python before native */
    place = PLACE(PC_LIBC, PC_GEVENT_HUB);
    assert_true(place.hash == 0 && !place.driver && !place.user);
}

static void fingerprints(void **state)
{
    (void)state;
    uint64_t get = PLACE(PC_MARIADB, PC_MYSQL_C, PC_VIEW_GET).hash;
    assert_true(get == PLACE(PC_LIBC, PC_MARIADB, PC_MARIADB, PC_MYSQL_C, PC_DB_EXECUTE, PC_VIEW_GET, PC_HANDLE).hash);
    assert_true(get != PLACE(PC_MARIADB, PC_MYSQL_C, PC_VIEW_POST).hash);
    assert_true(get != PLACE(PC_MEMCACHED_C, PC_MYSQL_C, PC_VIEW_GET).hash);
    assert_true(PLACE(PC_VIEW_GET, PC_VIEW_POST).hash != PLACE(PC_VIEW_POST, PC_VIEW_GET).hash);
    assert_true(PLACE(PC_PARSE, PC_HANDLE, PC_EPOLL_LOOP, PC_MAIN).hash ==
                PLACE(PC_PARSE, PC_HANDLE, PC_EPOLL_LOOP, PC_RENDER).hash); /* three frames of it */
}

static void driver_names(void **state)
{
    (void)state;
    struct arena *arena = arena_new();
    assert_string_equal(driver_name(symbols_address(NULL, NULL, PC_MARIADB, 0), arena), "libmariadb.so.3");
    assert_string_equal(driver_name(symbols_address(NULL, NULL, PC_REQUESTS, 0), arena), "requests");
    arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(origins),
        cmocka_unit_test(driver_and_user),
        cmocka_unit_test(fingerprints),
        cmocka_unit_test(driver_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
