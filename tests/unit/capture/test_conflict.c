/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What conflict_find says of accesses at one word: what is stated, and what looks like it and is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "capture/conflict.h"

enum { A = 101, B = 102, C = 103 };

static struct trap_word word;

/* add $1,rax: what lies between a load and a store of one counter */
static const uint8_t add_one[] = {0x48, 0x83, 0xc0, 0x01};

static void begin(void)
{
    memset(&word, 0, sizeof(word));
    word.length = 8;
    word.reads = true;
}

/* An access that was noted at `word.count` milliseconds. */
static struct trap_access *note(uint32_t tid, enum insn_access access, uint64_t value)
{
    struct trap_access *a = &word.accesses[word.count++];
    a->time_ns = word.count * 1000000;
    a->tid = tid;
    a->access = (uint8_t)access;
    a->value = a->memory = value;
    a->size = 8;
    a->flags = TRAP_EXACT;
    a->data = 0;
    a->end = (uintptr_t)add_one;
    a->begin = (uintptr_t)add_one + sizeof(add_one);
    a->stack = 1;
    a->ready = 1;
    return a;
}

static struct trap_access *hold(struct trap_access *a, uint64_t ms)
{
    a->until_ns = a->time_ns + ms * 1000000;
    return a;
}

/* CONFLICT_* of what is found; -1: nothing */
static int found(void)
{
    struct conflict c;
    return conflict_find(&word, &c) ? c.flags : -1;
}

static void update_is_lost(void **state)
{
    (void)state;
    begin();
    struct trap_access *load = hold(note(A, INSN_READ, 5), 2), *other = note(B, INSN_WRITE, 6);
    struct trap_access *store = note(A, INSN_WRITE, 7);
    struct conflict c;
    assert_true(conflict_find(&word, &c));
    assert_int_equal(c.flags, CONFLICT_LOST | CONFLICT_CHANGED);
    assert_ptr_equal(c.first, load);
    assert_ptr_equal(c.second, other);
    assert_ptr_equal(c.third, store);
    store->data = 3; /* another register: what was stored does not come from the load */
    assert_int_equal(found(), CONFLICT_CHANGED);
    store->flags |= TRAP_LINKED; /* but it is a node that leads there */
    assert_int_equal(found(), CONFLICT_LOST | CONFLICT_CHANGED);
}

static void nothing_is_lost(void **state)
{
    (void)state;
    /* it looks again before it stores */
    begin();
    hold(note(A, INSN_READ, 5), 2);
    note(B, INSN_WRITE, 6);
    note(A, INSN_READ, 6);
    note(A, INSN_WRITE, 7);
    assert_int_equal(found(), CONFLICT_READ);
    /* the other one comes after the store */
    begin();
    hold(note(A, INSN_READ, 5), 2);
    note(A, INSN_WRITE, 6);
    note(B, INSN_WRITE, 7);
    assert_int_not_equal(found() & CONFLICT_LOST, CONFLICT_LOST);
    /* the other one stores the same */
    begin();
    hold(note(A, INSN_READ, 5), 2);
    note(B, INSN_WRITE, 7);
    note(A, INSN_WRITE, 7);
    assert_int_equal(found(), CONFLICT_READ);
    /* the other one's store had been made, and replaced, before the load: it is not there any more when it is noted */
    begin();
    hold(note(A, INSN_READ, 5), 2);
    note(B, INSN_WRITE, 6)->memory = 5;
    note(A, INSN_WRITE, 7);
    assert_int_equal(found(), CONFLICT_READ);
}

static void written_at_once(void **state)
{
    (void)state;
    begin();
    hold(note(A, INSN_MODIFY, 5), 2);
    note(B, INSN_MODIFY, 6);
    assert_int_equal(found(), CONFLICT_CHANGED);
    /* the same value: nothing is changed by it */
    begin();
    hold(note(A, INSN_WRITE, 1), 2);
    note(B, INSN_WRITE, 1);
    assert_int_equal(found(), -1);
    /* after the hold: there may have been an unlock in between */
    begin();
    hold(note(A, INSN_WRITE, 5), 0);
    note(B, INSN_WRITE, 6);
    assert_int_equal(found(), -1);
}

static void the_word_keeps_order_itself(void **state)
{
    (void)state;
    /* a mailbox, a ticket: it reads what the first one wrote, then writes */
    begin();
    hold(note(A, INSN_WRITE, 1), 3);
    note(B, INSN_READ, 1);
    note(B, INSN_WRITE, 0);
    assert_int_equal(found(), CONFLICT_READ);
    /* a third one reads it, and may tell the second */
    begin();
    hold(note(A, INSN_WRITE, 1), 3);
    note(C, INSN_READ, 1);
    note(B, INSN_WRITE, 0);
    assert_int_not_equal(found(), CONFLICT_CHANGED);
    /* it was read before the write was noted, but has the new value */
    begin();
    note(B, INSN_READ, 1);
    hold(note(A, INSN_WRITE, 1), 3);
    note(B, INSN_WRITE, 0);
    assert_int_equal(found(), -1);
}

static void atomic_on_either_side(void **state)
{
    (void)state;
    for (int side = 0; side < 2; side++) {
        begin();
        hold(note(A, INSN_MODIFY, 5), 2);
        note(B, INSN_MODIFY, 6);
        word.accesses[side].flags |= TRAP_LOCKED;
        assert_int_equal(found(), -1);
    }
}

static void locks(void **state)
{
    (void)state;
    begin();
    struct trap_access *a = hold(note(A, INSN_WRITE, 5), 2), *b = note(B, INSN_WRITE, 6);
    a->locks[a->lock_count++] = 0x1000 << 1;
    b->locks[b->lock_count++] = 0x2000 << 1;
    assert_int_equal(found(), CONFLICT_CHANGED);
    b->locks[b->lock_count++] = 0x1000 << 1;
    assert_int_equal(found(), -1);
    a->locks[0] |= 1; /* one of the two for writing keeps them apart, both for reading do not */
    assert_int_equal(found(), -1);
    b->locks[1] |= 1;
    assert_int_equal(found(), CONFLICT_CHANGED);
    b->lock_count = TRAP_LOCKS; /* there may be more */
    assert_int_equal(found(), -1);
}

static void other_bytes_of_the_word(void **state)
{
    (void)state;
    begin();
    struct trap_access *a = hold(note(A, INSN_WRITE, 5), 2), *b = note(B, INSN_WRITE, 6);
    a->size = b->size = 4;
    b->offset = 4;
    assert_int_equal(found(), -1);
    b->offset = 2;
    assert_int_equal(found(), CONFLICT_CHANGED);
    b->flags |= TRAP_UNSURE;
    assert_int_equal(found(), -1);
}

static void use(void **state)
{
    (void)state;
    begin();
    assert_int_equal(conflict_use(&word), CONFLICT_USE_NONE);
    note(A, INSN_WRITE, 1);
    note(A, INSN_WRITE, 2);
    assert_int_equal(conflict_use(&word), CONFLICT_USE_ALONE);
    struct trap_access *a = &word.accesses[0], *b = note(B, INSN_READ, 2);
    a->locks[a->lock_count++] = b->locks[b->lock_count++] = 0x1000 << 1;
    word.accesses[1] = word.accesses[0];
    assert_int_equal(conflict_use(&word), CONFLICT_USE_LOCKED);
    b->lock_count = 0;
    assert_int_equal(conflict_use(&word), CONFLICT_USE_SHARED);
}

static void repeats_are_known(void **state)
{
    (void)state;
    struct conflict c;
    begin();
    hold(note(A, INSN_MODIFY, 5), 2);
    note(B, INSN_MODIFY, 6);
    assert_true(conflict_find(&word, &c));
    for (int i = 0; i < 4; i++)
        assert_false(conflict_known(&c));
    assert_true(conflict_known(&c));
    conflict_forked();
    assert_false(conflict_known(&c));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(update_is_lost),          cmocka_unit_test(nothing_is_lost),
        cmocka_unit_test(written_at_once),         cmocka_unit_test(the_word_keeps_order_itself),
        cmocka_unit_test(atomic_on_either_side),   cmocka_unit_test(locks),
        cmocka_unit_test(other_bytes_of_the_word), cmocka_unit_test(use),
        cmocka_unit_test(repeats_are_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
