/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "analysis/scene.h"

#define RULE "lock-misuse"
#define C_COND_WAIT 113
#define PID 100

static struct scene run(enum misuse kind, unsigned times)
{
    struct trace_builder *b = scene_process(PID);
    uint32_t lock = builder_lock(b, LOCK_A, "mutex"), stack = scene_stack(b, PC_PARSE, PC_MAIN);
    builder_thread(b, 101, "owner", T0);
    for (unsigned i = 0; i < times; i++)
        locks_misuse(b, PID, kind, lock, stack, 101);
    builder_end(b, T0 + SEC, 0);
    return scene_run(NULL, b, NULL);
}

static void each_kind_has_a_title_and_a_place(void **state)
{
    (void)state;
    for (enum misuse kind = MISUSE_STRANGER_UNLOCK; kind <= MISUSE_NEVER_BORN; kind++) {
        if (kind == MISUSE_UNLOCKED_FREE + 1) /* no longer written */
            continue;
        struct scene scene = run(kind, 2);
        const struct finding *f = scene_finding(&scene, RULE);
        assert_int_equal(f->severity, SEVERITY_WARNING);
        assert_int_equal(f->count, 2);
        assert_non_null(strstr(f->title, "lock_a"));
        assert_string_equal(f->stacks[0].stack->frames[0].function, "parse");
        assert_string_equal(scene_evidence(f, "holder")->string, "owner (101)");
        scene_end(&scene);
    }
}

/* It is a deadlock, if it comes to that: rule lock-order-inversion. */
static void waiting_for_oneself_is_another_rules(void **state)
{
    (void)state;
    struct scene scene = run(MISUSE_SELF_DEADLOCK, 1);
    assert_int_equal(scene.report->finding_count, 0);
    scene_end(&scene);
}

static void unknown_kind_is_left_out(void **state)
{
    (void)state;
    struct scene scene = run((enum misuse)99, 1);
    assert_int_equal(scene.report->finding_count, 0);
    scene_end(&scene);
}

/* A thread that waits for a condition from T0 + 2 s to the end, signalled in vain one second before; then: */
static size_t wakeups_of(uint32_t looks, uint64_t woken_ns, bool another, uint64_t end_ns)
{
    struct trace_builder *b = scene_process(PID);
    uint32_t condition = builder_lock(b, LOCK_A, "condition");
    for (unsigned i = 0; i < 1u + another; i++) {
        struct trace_thread_slot *slot = builder_thread(b, 201 + i, "worker", T0);
        locks_wanted(slot, T0 + 2 * SEC, condition, 0, scene_stack(b, PC_HANDLE, PC_MAIN));
        slot->wanted_signal_ns = T0 + SEC;
        slot->wanted_signal_stack = scene_stack(b, PC_RENDER, PC_MAIN);
        slot->wanted_signal_tid = PID;
        slot->wanted_signals = 1;
        slot->wanted_looks = i == 0 ? looks : 2;
    }
    if (woken_ns)
        builder_wait(b, PID, T0 + SEC, woken_ns, C_COND_WAIT, condition, scene_stack(b, PC_PARSE), 0);
    builder_end(b, T0 + end_ns, 0);
    struct scene scene = scene_run(NULL, b, NULL);
    size_t count = scene_count(&scene, "lock-misuse");
    if (count > 0) {
        const struct finding *f = scene_finding(&scene, "lock-misuse");
        assert_string_equal(
            f->title,
            "A wake-up seems lost: worker waits for lock_a, which was signalled 1.00 s before and never since");
        assert_string_equal(f->stacks[0].stack->frames[0].function, "handle_request");
        assert_string_equal(f->stacks[1].stack->frames[0].function, "render");
    }
    scene_end(&scene);
    return count;
}

static void lost_wakeups(void **state)
{
    (void)state;
    assert_int_equal(wakeups_of(1, 0, false, 20 * SEC), 1);
    assert_int_equal(wakeups_of(2, 0, false, 20 * SEC), 0);        /* it has looked */
    assert_int_equal(wakeups_of(1, 500 * MS, false, 20 * SEC), 0); /* somebody was woken later */
    assert_int_equal(wakeups_of(1, 0, true, 20 * SEC), 0);         /* another one has looked, and waits as well */
    assert_int_equal(wakeups_of(1, 0, false, 3 * SEC), 0);         /* too soon to say */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lost_wakeups),
        cmocka_unit_test(each_kind_has_a_title_and_a_place),
        cmocka_unit_test(waiting_for_oneself_is_another_rules),
        cmocka_unit_test(unknown_kind_is_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
