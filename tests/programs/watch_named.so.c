/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Functions with names that say what they are for, each of which calls back, for tests of what is judged by names:
 * whatever they are handed goes through a wrapper. Expected: see tests/unit/capture/test_heap.c.
 */
#define FUNCTION __attribute__((noinline, noclone))
#define STAYS __asm__ volatile("" ::: "memory") /* no tail call: the frame is there */

typedef void (*callback)(void *argument);

void cache_put(callback function, void *argument);
void request_parse(callback function, void *argument);
void thread_pool_main(callback function, void *argument);

char table_bytes[4096], other_bytes[4096];

static FUNCTION void wrapper(callback function, void *argument)
{
    function(argument);
    STAYS;
}

FUNCTION void cache_put(callback function, void *argument)
{
    wrapper(function, argument);
    STAYS;
}

FUNCTION void request_parse(callback function, void *argument)
{
    wrapper(function, argument);
    STAYS;
}

static FUNCTION void step(int left, callback function, void *argument)
{
    if (left)
        step(left - 1, function, argument);
    else
        wrapper(function, argument);
    STAYS;
}

FUNCTION void thread_pool_main(callback function, void *argument)
{
    step(6, function, argument);
    STAYS;
}
