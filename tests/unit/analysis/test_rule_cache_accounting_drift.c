/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "analysis/scene.h"

#define RULE "cache-accounting-drift"
#define PID 100
enum { CACHE = 2, SET = 3 };

static struct trace_builder *build(void)
{
    struct trace_builder *b = scene_process(PID);
    builder_process(b, "/usr/bin/python3.11", "python3", "python3 server.py");
    objects_object(b, CACHE, scene_stack(b, PC_VIEW_POST), OBJECT_BORN, "cachetools", "TTLCache");
    objects_method(b, SET, "TTLCache.__setitem__", METHOD_MUTATES);
    return b;
}

static struct scene run(struct trace_builder *b)
{
    builder_end(b, T0 + 7200 * SEC, 0);
    return scene_run(NULL, b, NULL);
}

static void a_counter_that_agrees_is_innocent(void **state)
{
    (void)state;
    struct trace_builder *b = build();
    objects_drift(b, T0 + SEC, CACHE, 57, 57, 12, 12, 0);
    objects_drift(b, T0 + 2 * SEC, CACHE, 12, 12, 12, 0, DRIFT_NO_LINKS);
    objects_drift(b, T0 + 3 * SEC, CACHE, 0, 0, 12, 12, DRIFT_NO_COUNTER);
    struct scene scene = run(b);
    assert_int_equal(scene.report->finding_count, 0);
    scene_end(&scene);
}

/* Right at 1 s, 10 too large at 1801 s, 374 too large at 3601 s: 374 an hour. */
static void both_numbers_and_how_fast(void **state)
{
    (void)state;
    struct trace_builder *b = build();
    objects_drift(b, T0 + SEC, CACHE, 57, 57, 12, 12, 0);
    objects_drift(b, T0 + 1801 * SEC, CACHE, 67, 57, 12, 12, 0);
    objects_drift(b, T0 + 3601 * SEC, CACHE, 431, 57, 12, 12, 0);
    objects_overlap(b, T0 + 900 * SEC, CACHE, PID, SET, PID + 1, SET)->count = 7;
    struct scene scene = run(b);
    const struct finding *f = scene_finding(&scene, RULE);
    assert_int_equal(f->severity, SEVERITY_ERROR);
    assert_string_equal(f->title,
                        "cachetools.TTLCache of views.py:61 miscounts its size: currsize says 431, entries 12");
    assert_string_equal(scene_evidence(f, "counter")->string, "currsize 431");
    assert_string_equal(scene_evidence(f, "content")->string, "sum of sizes 57");
    assert_near(scene_evidence(f, "difference")->ratio, 374, 1e-9);
    assert_near(scene_evidence(f, "growth_per_hour")->ratio, 374, 1e-9);
    assert_int_equal(f->first_real_ns - BUILDER_START_REAL, 1801 * SEC);
    assert_int_equal(f->count, 2);
    assert_string_equal(scene_evidence(f, "overlapped")->string,
                        "TTLCache.__setitem__ began while TTLCache.__setitem__ was inside: 7 times");
    scene_end(&scene);
}

static void a_size_below_zero(void **state)
{
    (void)state;
    struct trace_builder *b = build();
    objects_drift(b, T0 + SEC, CACHE, -3, 0, 0, 0, 0);
    struct scene scene = run(b);
    const struct finding *f = scene_finding(&scene, RULE);
    assert_non_null(strstr(f->title, "currsize says -3, entries 0"));
    assert_near(scene_evidence(f, "growth_per_hour")->ratio, 0, 0);
    scene_end(&scene);
}

static void an_order_without_its_entries(void **state)
{
    (void)state;
    struct trace_builder *b = build();
    objects_drift(b, T0 + SEC, CACHE, 12, 12, 12, 14, 0);
    struct scene scene = run(b);
    const struct finding *f = scene_finding(&scene, RULE);
    assert_non_null(strstr(f->title, "has lost count of its entries: 12 of them, 14 in their order"));
    scene_end(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_counter_that_agrees_is_innocent),
        cmocka_unit_test(both_numbers_and_how_fast),
        cmocka_unit_test(a_size_below_zero),
        cmocka_unit_test(an_order_without_its_entries),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
