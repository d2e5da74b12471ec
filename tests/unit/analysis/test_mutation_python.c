/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "analysis/scene.h"

#define RULE "unlocked-mutation"
#define PID 100
enum { CACHE = 2, SET = 3, GET = 4, THREADS = 5 };

struct built {
    struct trace_builder *b;
    uint32_t born, set, get, lock, held, other_held;
};

/* A process with worker threads 101 …, and a cache that its main thread made. */
static struct built build(void)
{
    struct built s = {scene_process(PID), 0, 0, 0, 0, 0, 0};
    builder_process(s.b, "/usr/bin/python3.11", "python3", "python3 server.py");
    for (uint32_t i = 1; i <= THREADS; i++)
        builder_thread(s.b, PID + i, "worker", T0);
    s.born = scene_stack(s.b, PC_VIEW_POST);
    s.set = scene_stack(s.b, PC_VIEW_GET);
    s.get = scene_stack(s.b, PC_VIEW_POST);
    s.lock = builder_lock(s.b, LOCK_A, "semaphore");
    s.held = locks_held(s.b, PC_VIEW_GET, 0, s.lock);
    s.other_held = locks_held(s.b, PC_VIEW_GET, 0, builder_lock(s.b, LOCK_B, "semaphore"));
    objects_object(s.b, CACHE, s.born, OBJECT_BORN, "cachetools", "TTLCache");
    objects_method(s.b, SET, "TTLCache.__setitem__", METHOD_MUTATES);
    objects_method(s.b, GET, "TTLCache.__contains__", 0);
    return s;
}

/* All threads in turns, each `us` long, one after the other; `locks`: held by all but the first thread, which holds
   first_locks. */
static void turns(const struct built *s, uint32_t object, uint64_t from, unsigned count, uint64_t us, uint32_t locks,
                  uint32_t first_locks)
{
    for (unsigned i = 0; i < count; i++) {
        uint32_t tid = PID + 1 + i % THREADS;
        struct event_mutate *e = objects_mutate(s->b, tid, T0 + from + i * 100 * US, us * US, object, SET, s->set,
                                                MUTATE_WRITE | MUTATE_WINDOW);
        e->locks = tid == PID + 1 ? first_locks : locks;
        e->window = 1;
    }
}

static struct scene run(struct built *s)
{
    builder_end(s->b, T0 + 10 * SEC, 0);
    return scene_run(NULL, s->b, NULL);
}

static void several_threads_without_a_lock(void **state)
{
    (void)state;
    struct built s = build();
    turns(&s, CACHE, SEC, 100, 20, 0, 0);
    struct scene scene = run(&s);
    const struct finding *f = scene_finding(&scene, RULE);
    assert_int_equal(f->severity, SEVERITY_ERROR);
    assert_string_equal(f->title, "cachetools.TTLCache of views.py:61 is changed by 5 threads with no lock in common");
    assert_int_equal(f->count, 100);
    assert_string_equal(f->operation, "TTLCache.__setitem__");
    assert_string_equal(scene_evidence(f, "confidence")->string, "hazard");
    assert_string_equal(scene_evidence(f, "locks")->string, "no lock");
    assert_int_equal(scene_evidence(f, "threads")->u64, 5);
    assert_int_equal(scene_evidence(f, "changes")->u64, 100);
    assert_int_equal(f->stack_count, 3);
    assert_non_null(strstr(f->stacks[0].role, "TTLCache.__setitem__ with no lock"));
    assert_string_equal(f->stacks[0].stack->frames[0].function, "View.get");
    assert_string_equal(f->stacks[2].role, "the object was made");
    assert_non_null(strstr(f->remedy, "lock=threading.Lock()"));
    /* Shared from the second operation on; its thread comes again with the seventh. */
    assert_int_equal(f->first_real_ns - BUILDER_START_REAL, SEC + 6 * 100 * US);
    scene_end(&scene);
}

static void a_common_lock_is_innocent(void **state)
{
    (void)state;
    struct built s = build();
    turns(&s, CACHE, SEC, 100, 20, s.held, s.held);
    objects_mutate(s.b, PID, T0 + 9 * SEC, 20 * US, CACHE, SET, s.born, MUTATE_WRITE); /* main looks at the end */
    struct scene scene = run(&s);
    assert_int_equal(scene.report->finding_count, 0);
    scene_end(&scene);
}

static void one_thread_that_leaves_the_lock_out(void **state)
{
    (void)state;
    struct built s = build();
    turns(&s, CACHE, SEC, 100, 20, s.held, s.other_held);
    struct scene scene = run(&s);
    const struct finding *f = scene_finding(&scene, RULE);
    assert_string_not_equal(scene_evidence(f, "locks")->string, scene_evidence(f, "other_locks")->string);
    assert_string_equal(scene_evidence(f, "other_locks")->string, "lock_a in program");
    scene_end(&scene);
}

static void readers_are_innocent(void **state)
{
    (void)state;
    struct built s = build();
    for (unsigned i = 0; i < 50; i++)
        objects_mutate(s.b, PID + 1 + i % THREADS, T0 + SEC + i * MS, US, CACHE, i % THREADS ? GET : SET, s.get,
                       i % THREADS ? 0 : MUTATE_WRITE);
    struct event_overlap *e = objects_overlap(s.b, T0 + 2 * SEC, CACHE, PID + 1, SET, PID + 2, GET);
    e->stack = s.set;
    struct scene scene = run(&s);
    assert_int_equal(scene.report->finding_count, 0);
    scene_end(&scene);
}

static void two_at_once_are_confirmed(void **state)
{
    (void)state;
    struct built s = build();
    turns(&s, CACHE, 2 * SEC, 100, 20, 0, 0);
    struct event_overlap *e = objects_overlap(s.b, T0 + SEC, CACHE, PID + 1, SET, PID + 2, SET);
    e->stack = s.set;
    e->other_stack = s.get;
    e->count = 40;
    objects_drift(s.b, T0 + 3 * SEC, CACHE, 431, 57, 12, 12, 0);
    struct scene scene = run(&s);
    const struct finding *f = scene_finding(&scene, RULE);
    assert_string_equal(
        f->title, "cachetools.TTLCache of views.py:61 is changed by 5 threads with no lock in common, several at once");
    assert_int_equal(f->count, 40);
    assert_int_equal(scene_evidence(f, "overlaps")->u64, 40);
    assert_near(scene_evidence(f, "overlap_share")->ratio, 0.4, 1e-9);
    assert_non_null(strstr(scene_evidence(f, "confidence")->string, "confirmed"));
    assert_string_equal(f->stacks[0].stack->frames[0].function, "View.get");
    assert_string_equal(f->stacks[1].stack->frames[0].function, "View.post");
    assert_string_equal(scene_evidence(f, "size_counter")->string, "currsize says 431, sum of sizes 57, entries 12");
    assert_non_null(strstr(scene_evidence(f, "race_of_deletes")->string, "KeyError"));
    assert_non_null(scene_evidence(f, "race_of_sizes"));
    assert_int_equal(f->first_real_ns - BUILDER_START_REAL, SEC);
    scene_end(&scene);
}

/* An LRU cache that main filled, and others only look into. */
static void look_ups_that_reorder_are_a_warning(void **state)
{
    (void)state;
    struct built s = build();
    objects_method(s.b, GET + 1, "LRUCache.__getitem__", METHOD_MUTATES);
    objects_mutate(s.b, PID, T0, US, CACHE, SET, s.born, MUTATE_WRITE);
    for (unsigned i = 0; i < 50; i++)
        objects_mutate(s.b, PID + 1 + i % THREADS, T0 + SEC + i * MS, US, CACHE, GET + 1, s.get, MUTATE_WRITE);
    objects_overlap(s.b, T0 + SEC + 7 * MS, CACHE, PID + 1, GET + 1, PID + 2, GET + 1);
    struct scene scene = run(&s);
    const struct finding *f = scene_finding(&scene, RULE);
    assert_int_equal(f->severity, SEVERITY_WARNING);
    assert_non_null(strstr(f->title, "reordered by look-ups of 6 threads"));
    scene_end(&scene);
}

/* … but not where one of them is loading what it did not find. */
static void look_ups_that_load_are_changes(void **state)
{
    (void)state;
    struct built s = build();
    objects_method(s.b, GET + 1, "Loading.__getitem__", METHOD_MUTATES);
    objects_overlap(s.b, T0 + SEC, CACHE, PID + 1, GET + 1, PID + 2, GET + 1)->other_stack =
        scene_stack(s.b, PC_MISSING, PC_VIEW_GET);
    struct scene scene = run(&s);
    const struct finding *f = scene_finding(&scene, RULE);
    assert_int_equal(f->severity, SEVERITY_ERROR);
    assert_string_equal(scene_evidence(f, "confidence")->string, "confirmed");
    scene_end(&scene);
}

/* Recorders leave out overlaps of those who take the same lock inside; an older one may not. */
static void overlaps_under_one_lock_are_innocent(void **state)
{
    (void)state;
    struct built s = build();
    struct event_overlap *e = objects_overlap(s.b, T0 + SEC, CACHE, PID + 1, SET, PID + 2, SET);
    e->locks = e->other_locks = s.held;
    struct scene scene = run(&s);
    assert_int_equal(scene.report->finding_count, 0);
    scene_end(&scene);
}

static void two_greenlets_of_one_thread(void **state)
{
    (void)state;
    struct built s = build();
    struct event_overlap *e = objects_overlap(s.b, T0 + SEC, CACHE, PID + 1, SET, PID + 1, SET);
    e->fiber = 0x1000;
    e->other_fiber = 0x2000;
    e->stack = s.set;
    struct scene scene = run(&s);
    const struct finding *f = scene_finding(&scene, RULE);
    assert_non_null(strstr(f->title, "greenlets or tasks at once: one waits inside of TTLCache.__setitem__"));
    assert_non_null(strstr(f->remedy, "gevent.lock"));
    scene_end(&scene);
}

static void greenlets_in_turns_are_innocent(void **state)
{
    (void)state;
    struct built s = build();
    for (unsigned i = 0; i < 50; i++)
        objects_mutate(s.b, PID + 1, T0 + SEC + i * MS, US, CACHE, SET, s.set, MUTATE_WRITE)->fiber = 0x1000 * (i % 3);
    struct scene scene = run(&s);
    assert_int_equal(scene.report->finding_count, 0);
    scene_end(&scene);
}

/* One site, two objects: one finding. Another class: another one. */
static void objects_of_one_place_are_one_finding(void **state)
{
    (void)state;
    struct built s = build();
    objects_object(s.b, CACHE + 1, s.born, OBJECT_BORN, "cachetools", "TTLCache");
    objects_object(s.b, CACHE + 2, s.born, OBJECT_BORN, "cachetools", "LRUCache");
    for (uint32_t i = 0; i < 3; i++)
        turns(&s, CACHE + i, SEC, 20 + i, 20, 0, 0);
    struct scene scene = run(&s);
    assert_int_equal(scene_count(&scene, RULE), 2);
    for (size_t i = 0; i < 2; i++) {
        const struct finding *f = &scene.report->findings[i];
        bool ttl = strstr(f->title, "TTLCache") != NULL;
        assert_int_equal(scene_evidence(f, "objects")->u64, ttl ? 2 : 1);
        assert_int_equal(f->count, ttl ? 41 : 22);
    }
    scene_end(&scene);
}

/* A fork's child knows the parent's objects by number; the parent has the stack. */
static void a_child_names_what_its_parent_made(void **state)
{
    (void)state;
    struct built s = build();
    builder_end(s.b, T0 + 10 * SEC, 0);
    struct trace_builder *b = scene_process(200);
    builder_header(b)->ppid = PID;
    for (uint32_t i = 1; i <= THREADS; i++)
        builder_thread(b, 200 + i, "worker", T0);
    objects_object(b, CACHE, 0, OBJECT_BORN, "cachetools", "TTLCache");
    objects_method(b, SET, "TTLCache.__setitem__", METHOD_MUTATES);
    for (uint32_t i = 0; i < 20; i++)
        objects_mutate(b, 201 + i % 2, T0 + SEC + i * MS, US, CACHE, SET, 0, MUTATE_WRITE);
    builder_end(b, T0 + 10 * SEC, 0);
    struct scene scene = scene_run(NULL, s.b, b, NULL);
    const struct finding *f = scene_finding(&scene, RULE);
    assert_int_equal(f->process.pid, 200);
    assert_non_null(strstr(f->title, "views.py:61"));
    scene_end(&scene);
}

/* 100 operations of 20 µs in 10 ms: a lock would be had for a fifth of the time, and nobody would wait. */
static void what_a_lock_would_cost(void **state)
{
    (void)state;
    struct built s = build();
    turns(&s, CACHE, SEC, 100, 20, 0, 0);
    struct scene scene = run(&s);
    const struct finding *f = scene_finding(&scene, RULE);
    assert_near(scene_evidence(f, "one_lock_busy")->ratio, 0.2, 0.02);
    assert_int_equal(scene_evidence(f, "one_lock_wait_p99_ns")->u64, 0);
    assert_non_null(strstr(scene_evidence(f, "one_lock")->string, "would be busy 20 % of the time"));
    const struct table *table = scene_evidence(f, "locks_replayed")->table;
    assert_int_equal(table->rows, 12);
    assert_string_equal(table->names[0], "one lock");
    assert_string_equal(table->columns[0], "rate");
    assert_near(table->cells[0], 1, 0);
    assert_near(table->cells[2], 0.2, 0.02);
    assert_true(table->cells[3 * table->column_count + 2] > 0.9); /* at ten times the rate */
    scene_end(&scene);
}

/* Operations of 1 ms that wait inside, begun every 100 µs by one after the other of many threads: a lock would be had
   all the time. */
static void waiting_inside_is_what_the_lock_is_had_for(void **state)
{
    (void)state;
    struct built s = build();
    for (uint32_t i = 0; i < 100; i++) {
        uint32_t tid = PID + 1 + i % 20;
        if (i < 20)
            builder_thread(s.b, 300 + i, "worker", T0);
        objects_mutate(s.b, 300 + tid % 20, T0 + SEC + i * 100 * US, MS, CACHE, SET, s.set,
                       MUTATE_WRITE | MUTATE_WINDOW)
            ->window = 1;
    }
    struct scene scene = run(&s);
    const struct finding *f = scene_finding(&scene, RULE);
    assert_true(scene_evidence(f, "one_lock_busy")->ratio > 0.8);
    assert_true(scene_evidence(f, "one_lock_wait_p99_ns")->u64 > 10 * MS);
    scene_end(&scene);
}

/* Three operations are too few to say what a lock would cost. */
static void too_few_operations_say_nothing(void **state)
{
    (void)state;
    struct built s = build();
    turns(&s, CACHE, SEC, 7, 20, 0, 0);
    struct scene scene = run(&s);
    const struct finding *f = scene_finding(&scene, RULE);
    for (size_t i = 0; i < f->evidence_count; i++)
        assert_string_not_equal(f->evidence[i].key, "one_lock");
    scene_end(&scene);
}

/* Numbers that nothing defines. */
static void unknown_numbers_are_survived(void **state)
{
    (void)state;
    struct built s = build();
    turns(&s, 77, SEC, 100, 20, 999, 888);
    objects_overlap(s.b, T0 + SEC, 78, 5, 55, 6, 66);
    objects_drift(s.b, T0 + SEC, 79, INT64_MIN, INT64_MAX, 0, 1, 0);
    struct scene scene = run(&s);
    assert_int_equal(scene_count(&scene, RULE), 1);
    assert_int_equal(scene_count(&scene, "cache-accounting-drift"), 1);
    scene_end(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(several_threads_without_a_lock),
        cmocka_unit_test(a_common_lock_is_innocent),
        cmocka_unit_test(one_thread_that_leaves_the_lock_out),
        cmocka_unit_test(readers_are_innocent),
        cmocka_unit_test(two_at_once_are_confirmed),
        cmocka_unit_test(look_ups_that_reorder_are_a_warning),
        cmocka_unit_test(look_ups_that_load_are_changes),
        cmocka_unit_test(overlaps_under_one_lock_are_innocent),
        cmocka_unit_test(two_greenlets_of_one_thread),
        cmocka_unit_test(greenlets_in_turns_are_innocent),
        cmocka_unit_test(objects_of_one_place_are_one_finding),
        cmocka_unit_test(a_child_names_what_its_parent_made),
        cmocka_unit_test(what_a_lock_would_cost),
        cmocka_unit_test(waiting_inside_is_what_the_lock_is_had_for),
        cmocka_unit_test(too_few_operations_say_nothing),
        cmocka_unit_test(unknown_numbers_are_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
