/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "analysis/scene.h"

#define RULE "unlocked-mutation"
#define PID 100
#define BLOCK 4097

enum { FIRST = 101, SECOND = 102 };

static struct trace_builder *process(uint32_t *allocated)
{
    struct trace_builder *b = scene_process(PID);
    builder_thread(b, FIRST, "first", T0);
    builder_thread(b, SECOND, "second", T0);
    *allocated = scene_stack(b, PC_HANDLE, PC_MAIN);
    const struct event_watched e = {.header = {EVENT_MAGIC, EVENT_WATCHED, sizeof(e), T0},
                                    .start = 0x7f0000001000,
                                    .id = BLOCK,
                                    .size = 64,
                                    .stack = *allocated,
                                    .tid = FIRST,
                                    .kind = WATCH_BLOCK};
    builder_log_raw(b, &e, sizeof(e));
    return b;
}

static void conflict(struct trace_builder *b, uint32_t stack, uint16_t flags, uint32_t locks)
{
    const struct event_conflict e = {.header = {EVENT_MAGIC, EVENT_CONFLICT, sizeof(e), T0 + SEC / 2},
                                     .address = 0x7f0000001010,
                                     .first_value = 5,
                                     .second_value = 6,
                                     .third_value = 7,
                                     .watched = BLOCK,
                                     .offset = 16,
                                     .first_tid = FIRST,
                                     .first_stack = stack,
                                     .first_locks = locks,
                                     .second_tid = SECOND,
                                     .second_stack = stack,
                                     .third_stack = flags & CONFLICT_LOST ? stack : 0,
                                     .first_kind = CONFLICT_READS | 8 << 8,
                                     .second_kind = CONFLICT_WRITES | 8 << 8,
                                     .flags = flags};
    builder_log_raw(b, &e, sizeof(e));
}

static struct scene finish(struct trace_builder *b)
{
    builder_end(b, T0 + SEC, 0);
    return scene_run(NULL, b, NULL);
}

static void lost_update_is_confirmed(void **state)
{
    (void)state;
    uint32_t allocated;
    struct trace_builder *b = process(&allocated);
    uint32_t stack = scene_stack(b, PC_PARSE, PC_MAIN);
    for (int i = 0; i < 3; i++)
        conflict(b, stack, CONFLICT_LOST | CONFLICT_CHANGED, 0);
    conflict(b, stack, CONFLICT_CHANGED, 0);
    conflict(b, scene_stack(b, PC_RENDER, PC_MAIN), CONFLICT_READ, 0);
    struct scene scene = finish(b);
    const struct finding *f = scene_finding(&scene, RULE);
    assert_int_equal(scene.report->finding_count, 1);
    assert_int_equal(f->severity, SEVERITY_ERROR);
    assert_int_equal(f->count, 5);
    assert_non_null(strstr(f->title, "a block of handle_request"));
    assert_non_null(strstr(f->title, "parse"));
    assert_string_equal(scene_evidence(f, "confidence")->string, "confirmed");
    assert_int_equal(scene_evidence(f, "updates_lost")->u64, 3);
    assert_int_equal(scene_evidence(f, "read_while_written")->u64, 1);
    assert_int_equal(scene_evidence(f, "offset")->u64, 16);
    assert_string_equal(scene_evidence(f, "locks_first")->string, "none");
    assert_string_equal(scene_evidence(f, "value_that_overwrote_it")->string, "7");
    assert_int_equal(f->stack_count, 4);
    assert_string_equal(f->stacks[3].role, "allocated");
    scene_end(&scene);
}

static void written_at_once_is_likely(void **state)
{
    (void)state;
    uint32_t allocated;
    struct trace_builder *b = process(&allocated);
    conflict(b, scene_stack(b, PC_PARSE, PC_MAIN), CONFLICT_CHANGED, 0);
    conflict(b, scene_stack(b, PC_RENDER, PC_MAIN), CONFLICT_CHANGED, 0);
    struct scene scene = finish(b);
    assert_int_equal(scene.report->finding_count, 2);
    assert_int_equal(scene.report->findings[0].severity, SEVERITY_WARNING);
    assert_string_equal(scene_evidence(&scene.report->findings[0], "confidence")->string, "likely");
    scene_end(&scene);
}

/* A reader that leaves the lock out is worth a note; a flag that is polled has none. */
static void read_is_a_note_where_there_is_a_lock(void **state)
{
    (void)state;
    uint32_t allocated;
    struct trace_builder *b = process(&allocated);
    conflict(b, scene_stack(b, PC_PARSE, PC_MAIN), CONFLICT_READ, 0);
    struct scene scene = finish(b);
    assert_int_equal(scene.report->finding_count, 0);
    scene_end(&scene);

    b = process(&allocated);
    uint32_t lock = builder_lock(b, LOCK_A, "mutex");
    uint32_t set = locks_held(b, PC_HANDLE, 0, lock);
    conflict(b, scene_stack(b, PC_PARSE, PC_MAIN), CONFLICT_READ, set);
    scene = finish(b);
    const struct finding *f = scene_finding(&scene, RULE);
    assert_int_equal(f->severity, SEVERITY_NOTE);
    assert_string_equal(scene_evidence(f, "locks_first")->string, "lock_a");
    scene_end(&scene);
}

/* The block was allocated in PC_HANDLE by one thread and freed by the other one. */
static void lifecycle(struct trace_builder *b, uint32_t first, uint32_t second, uint32_t allocated, uint16_t flags)
{
    const struct event_lifecycle e = {.header = {EVENT_MAGIC, EVENT_LIFECYCLE, sizeof(e), T0 + SEC / 2},
                                      .start = 0x7f0000001000,
                                      .first_ns = T0 + SEC / 4,
                                      .watched = BLOCK,
                                      .site = 3,
                                      .first_tid = first,
                                      .tid = second,
                                      .first_stack = allocated,
                                      .stack = scene_stack(b, PC_PARSE, PC_MAIN),
                                      .kind = LIFECYCLE_FREED,
                                      .flags = flags};
    builder_log_raw(b, &e, sizeof(e));
}

static void blocks_freed_crosswise_are_likely(void **state)
{
    (void)state;
    uint32_t allocated;
    struct trace_builder *b = process(&allocated);
    lifecycle(b, FIRST, SECOND, allocated, 0);
    lifecycle(b, SECOND, FIRST, allocated, LIFECYCLE_CROSSED);
    lifecycle(b, FIRST, SECOND, allocated, LIFECYCLE_CROSSED);
    struct scene scene = finish(b);
    const struct finding *f = scene_finding(&scene, RULE);
    assert_int_equal(scene.report->finding_count, 1);
    assert_int_equal(f->severity, SEVERITY_WARNING);
    assert_int_equal(f->count, 3);
    assert_non_null(strstr(f->title, "a block of handle_request is freed by another thread"));
    assert_non_null(strstr(f->title, "parse"));
    assert_string_equal(scene_evidence(f, "confidence")->string, "likely");
    assert_int_equal(scene_evidence(f, "lived")->u64, SEC / 4);
    assert_int_equal(f->thread.tid, FIRST);
    assert_string_equal(f->stacks[0].role, "thread 101 frees");
    assert_string_equal(f->stacks[1].role, "thread 102 allocates");
    scene_end(&scene);
}

/* Producers and consumers. */
static void blocks_freed_one_way_are_handed_over(void **state)
{
    (void)state;
    uint32_t allocated;
    struct trace_builder *b = process(&allocated);
    for (int i = 0; i < 5; i++)
        lifecycle(b, FIRST, SECOND, allocated, 0);
    struct scene scene = finish(b);
    assert_int_equal(scene.report->finding_count, 0);
    scene_end(&scene);
}

/* What a breakpoint has shown needs no second finding. */
static void conflict_tells_more_than_lives(void **state)
{
    (void)state;
    uint32_t allocated;
    struct trace_builder *b = process(&allocated);
    conflict(b, scene_stack(b, PC_PARSE, PC_MAIN), CONFLICT_CHANGED, 0);
    lifecycle(b, SECOND, FIRST, allocated, LIFECYCLE_CROSSED);
    lifecycle(b, FIRST, SECOND, allocated, LIFECYCLE_CROSSED);
    struct scene scene = finish(b);
    assert_int_equal(scene.report->finding_count, 1);
    assert_int_equal(scene_evidence(&scene.report->findings[0], "written_at_once")->u64, 1);
    scene_end(&scene);
}

static void unknown_memory(void **state)
{
    (void)state;
    struct trace_builder *b = scene_process(PID);
    conflict(b, 0, CONFLICT_LOST | CONFLICT_CHANGED, 99);
    struct scene scene = finish(b);
    const struct finding *f = scene_finding(&scene, RULE);
    assert_non_null(strstr(f->title, "memory"));
    assert_string_equal(scene_evidence(f, "locks_first")->string, "none");
    scene_end(&scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lost_update_is_confirmed),
        cmocka_unit_test(written_at_once_is_likely),
        cmocka_unit_test(read_is_a_note_where_there_is_a_lock),
        cmocka_unit_test(blocks_freed_crosswise_are_likely),
        cmocka_unit_test(blocks_freed_one_way_are_handed_over),
        cmocka_unit_test(conflict_tells_more_than_lives),
        cmocka_unit_test(unknown_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
