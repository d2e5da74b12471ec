/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kernel/deep.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define OFFSET 24u /* of the stack pointer in its page */

static struct offcpu_stack stack;
static struct offcpu_stack_part part;
static struct deep *deep;

static int begin(void **state)
{
    (void)state;
    memset(&stack, 0, sizeof(stack));
    stack.sequence = 7;
    stack.registers[OFFCPU_RSP] = 0x7f0000000000 + OFFSET;
    stack.size = OFFCPU_STACK_BYTES - OFFSET;
    memset(stack.bytes, 'a', stack.size);
    deep = NULL;
    return 0;
}

static int end(void **state)
{
    (void)state;
    deep_free(deep);
    return 0;
}

static void part_add(uint32_t number, uint32_t sequence, uint32_t size, char content)
{
    part = (struct offcpu_stack_part){.sequence = sequence, .part = number, .size = size};
    memset(part.bytes, content, size);
    deep_add(&deep, &part);
}

static void stack_alone(void **state)
{
    (void)state;
    size_t size;
    assert_ptr_equal(deep_bytes(NULL, &stack, &size), stack.bytes);
    assert_int_equal(size, stack.size);
}

static void parts_follow_the_first(void **state)
{
    (void)state;
    size_t size;
    part_add(1, 7, OFFCPU_STACK_BYTES, 'b');
    part_add(2, 7, 100, 'c');
    const uint8_t *bytes = deep_bytes(deep, &stack, &size);
    assert_int_equal(size, stack.size + OFFCPU_STACK_BYTES + 100);
    assert_int_equal(bytes[0], 'a');
    assert_int_equal(bytes[stack.size - 1], 'a');
    assert_int_equal(bytes[stack.size], 'b');
    assert_int_equal(bytes[stack.size + OFFCPU_STACK_BYTES], 'c');
    /* They are used once. */
    assert_ptr_equal(deep_bytes(deep, &stack, &size), stack.bytes);
}

static void parts_of_another_stack(void **state)
{
    (void)state;
    size_t size;
    part_add(1, 6, OFFCPU_STACK_BYTES, 'b');
    assert_ptr_equal(deep_bytes(deep, &stack, &size), stack.bytes);
    part_add(1, 7, OFFCPU_STACK_BYTES, 'b');
    part_add(2, 8, OFFCPU_STACK_BYTES, 'x');
    deep_bytes(deep, &stack, &size);
    assert_int_equal(size, stack.size + OFFCPU_STACK_BYTES);
}

static void what_is_behind_a_gap_is_left_out(void **state)
{
    (void)state;
    size_t size;
    part_add(1, 7, 4096, 'b');
    part_add(2, 7, 4096, 'c');
    deep_bytes(deep, &stack, &size);
    assert_int_equal(size, stack.size + 4096);
    part_add(1, 7, OFFCPU_STACK_BYTES, 'b');
    part_add(3, 7, OFFCPU_STACK_BYTES, 'd');
    deep_bytes(deep, &stack, &size);
    assert_int_equal(size, stack.size + OFFCPU_STACK_BYTES);
    part_add(1, 7, OFFCPU_STACK_BYTES, 'b');
    stack.size -= 4096; /* the first one could not be read to its end */
    assert_ptr_equal(deep_bytes(deep, &stack, &size), stack.bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(stack_alone, begin, end),
        cmocka_unit_test_setup_teardown(parts_follow_the_first, begin, end),
        cmocka_unit_test_setup_teardown(parts_of_another_stack, begin, end),
        cmocka_unit_test_setup_teardown(what_is_behind_a_gap_is_left_out, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
