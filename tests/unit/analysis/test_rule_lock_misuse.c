/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "analysis/scene.h"

#define RULE "lock-misuse"
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
    for (enum misuse kind = MISUSE_STRANGER_UNLOCK; kind <= MISUSE_UNLOCKED_FREE; kind++) {
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_kind_has_a_title_and_a_place),
        cmocka_unit_test(waiting_for_oneself_is_another_rules),
        cmocka_unit_test(unknown_kind_is_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
