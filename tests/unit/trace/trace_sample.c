/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "trace_sample.h"

#include <errno.h>

#define LOOP 43
#define WORKER 44

enum { CONNECT = 1, RECV = 5, POLL = 40, EPOLL_WAIT = 44, NANOSLEEP = 52, GETADDRINFO = 60, MUTEX_LOCK = 110 };

struct sample_ids {
    uint32_t loop, database, name, file;
    uint32_t query_stack, sleep_stack;
};

static const uint8_t build_id[20] = {0xde, 0xad, 0xbe, 0xef, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20};

static void sample_define(struct trace_builder *b, struct sample_ids *ids)
{
    static const uint8_t linetable[] = {0x80, 0x00, 0xd8, 0x04, 0x10};
    builder_module(b, 0x400000, 0x500000, 0x400000, 0, "/usr/bin/program", build_id, sizeof(build_id));
    builder_module(b, 0x7f0000000000, 0x7f0000100000, 0x7f0000000000, 1, "/usr/lib/libdriver.so.1", NULL, 0);
    builder_unload(b, 0x7f0000000000, 3);
    ids->loop = builder_waitset(b, 0x401234, 1);
    ids->database = builder_endpoint(b, ENDPOINT_INET, ROLE_CLIENT, "127.0.0.1:3306");
    ids->name = builder_endpoint(b, ENDPOINT_NAME, ROLE_NONE, "db.internal");
    ids->file = builder_endpoint(b, ENDPOINT_FILE, ROLE_NONE, "/var/log/odd\nname\xff");
    uint32_t view = builder_code(b, "View.get", "/srv/app/views.py", 30, 0x030b, linetable, sizeof(linetable));
    uint32_t module = builder_code(b, "<module>", "/srv/app/main.py", 1, 0x030b, NULL, 0);

    uint64_t native[] = {0x7f0000000123, 0x400100, 0x400200};
    uint64_t python[] = {PY_FRAME(0, view, 14), PY_FRAME(1, module, 2)};
    ids->query_stack = builder_stack(b, STACK_COMPLETE, 1, native, 3, python, 2);
    ids->sleep_stack = builder_stack(b, STACK_TRUNCATED, 1, native + 1, 2, NULL, 0);
}

static void sample_loop(struct trace_builder *b, const struct sample_ids *ids)
{
    for (uint64_t i = 0; i < 3; i++) {
        uint64_t turn = BUILDER_START + (100 + 200 * i) * SAMPLE_MS;
        builder_wait(b, LOOP, turn - 50 * SAMPLE_MS, 50 * SAMPLE_MS, EPOLL_WAIT, ids->loop, 0,
                     WAIT_WAITSET | WAIT_NO_STACK)
            ->fds = 7;
        struct event_wait *query = builder_wait(b, LOOP, turn + 10 * SAMPLE_MS, 120 * SAMPLE_MS, POLL, ids->database,
                                                ids->query_stack, WAIT_GIL_HELD);
        query->fd = 9;
        query->fds = 1;
        query->result = 1;
        struct event_turn *long_turn = builder_turn(b, LOOP, turn, 150 * SAMPLE_MS, ids->loop);
        long_turn->blocked_ns = 120 * SAMPLE_MS;
        long_turn->cpu_ns = 4 * SAMPLE_MS;
        long_turn->waits = 1;
    }
    builder_count(b, LOOP, BUILDER_START, SAMPLE_MS / 10, 250, RECV, ids->database, 0)->bytes = 25000;
    builder_turns(b, LOOP, 2 * SAMPLE_MS, 40, ids->loop);
    builder_site(b, LOOP, ids->loop)->max_fds = 7;
    builder_cpu(b, LOOP, BUILDER_START + 140 * SAMPLE_MS, BUILDER_START + 100 * SAMPLE_MS, 3 * SAMPLE_MS,
                ids->sleep_stack);
}

static void sample_worker(struct trace_builder *b, const struct sample_ids *ids)
{
    builder_wait(b, WORKER, BUILDER_START + 30 * SAMPLE_MS, 5 * SAMPLE_MS, GETADDRINFO, ids->name, 0, WAIT_NESTED);
    builder_wait(b, WORKER, BUILDER_START + 36 * SAMPLE_MS, 3 * SAMPLE_MS, CONNECT, ids->database, 0, WAIT_FAILED)
        ->error = ECONNREFUSED;
    builder_wait(b, WORKER, BUILDER_START + 40 * SAMPLE_MS, SAMPLE_MS / 4, NANOSLEEP, 0, ids->sleep_stack, 0)->weight =
        4.5f;
    builder_ring_close(b, WORKER);
    builder_wait(b, WORKER, BUILDER_START + 300 * SAMPLE_MS, 9 * SAMPLE_MS, MUTEX_LOCK, 0, 0, WAIT_TIMED_OUT);
    for (uint32_t i = 0; i < 50; i++) /* more counters than a small slot has room for */
        builder_count(b, WORKER, BUILDER_START + 310 * SAMPLE_MS, SAMPLE_MS, 1, (uint16_t)(1 + i % 13), 100 + i / 13,
                      0);
}

/* What the kernel's side adds, in a trace of its own; here beside the rest, so that one file has every event. */
static void sample_kernel(struct trace_builder *b, const struct sample_ids *ids)
{
    const struct event_offcpu offcpu = {
        .header = {EVENT_MAGIC, EVENT_OFFCPU, sizeof(offcpu), BUILDER_START + 50 * SAMPLE_MS},
        .duration_ns = 12 * SAMPLE_MS,
        .runqueue_ns = SAMPLE_MS / 5,
        .weight = 1,
        .tid = WORKER,
        .stack = ids->sleep_stack,
        .slot = 1,
        .waker = LOOP,
        .fd = 9,
        .syscall = 7,
        .cause = OFFCPU_CAUSE_SYSCALL,
        .fd_kind = ENDPOINT_INET,
        .flags = OFFCPU_FLAG_WAKER_SOFTIRQ,
    };
    builder_ring_raw(b, WORKER, &offcpu, sizeof(offcpu));
    struct {
        struct event_ksym event;
        char text[16];
    } ksym = {.event = {{EVENT_MAGIC, EVENT_KSYM, sizeof(ksym), BUILDER_START + 62 * SAMPLE_MS},
                        UINT64_C(0xffffffff81234000),
                        UINT64_C(0xffffffff81234100),
                        {40, 11},
                        {51, 4}},
              .text = "do_sys_pollext4"};
    builder_log_raw(b, &ksym, sizeof(ksym));
    struct {
        struct event_symbol event;
        char text[24];
    } symbol = {.event = {{EVENT_MAGIC, EVENT_SYMBOL, sizeof(symbol), BUILDER_START + 63 * SAMPLE_MS},
                          UINT64_C(0x3a8100001000),
                          UINT64_C(0x3a8100001200),
                          1,
                          {40, 21}},
                .text = "JS:~get /srv/app.js:7"};
    builder_log_raw(b, &symbol, sizeof(symbol));
    struct {
        struct event_syscall event;
        uint32_t hist[4];
    } total = {.event = {.header = {EVENT_MAGIC, EVENT_SYSCALL, sizeof(total), BUILDER_START + 1990 * SAMPLE_MS},
                         .count = 3,
                         .total_ns = 20 * SAMPLE_MS,
                         .runqueue_ns = SAMPLE_MS,
                         .max_ns = 12 * SAMPLE_MS,
                         .tid = WORKER,
                         .slot = 1,
                         .syscall = 7,
                         .cause = OFFCPU_CAUSE_SYSCALL,
                         .hist = {64, 16}},
               .hist = {0, 1, 0, 2}};
    builder_log_raw(b, &total, sizeof(total));
    const struct event_sched sched = {
        .header = {EVENT_MAGIC, EVENT_SCHED, sizeof(sched), BUILDER_START + 1991 * SAMPLE_MS},
        .begin_ns = BUILDER_START + 91 * SAMPLE_MS,
        .oncpu_ns = 1500 * SAMPLE_MS,
        .blocked_ns = 200 * SAMPLE_MS,
        .runqueue_ns = 150 * SAMPLE_MS,
        .preempted_ns = 50 * SAMPLE_MS,
        .waits = 3,
        .preemptions = 2,
        .tid = WORKER,
        .slot = 1,
    };
    builder_log_raw(b, &sched, sizeof(sched));
    const struct event_wake wake = {
        .header = {EVENT_MAGIC, EVENT_WAKE, sizeof(wake), BUILDER_START + 62 * SAMPLE_MS},
        .wait_ns = BUILDER_START + 50 * SAMPLE_MS,
        .wait_tid = WORKER,
        .tid = LOOP,
        .stack = ids->query_stack,
        .slot = 0,
        .flags = OFFCPU_FLAG_WAKER_SOFTIRQ,
    };
    builder_ring_raw(b, LOOP, &wake, sizeof(wake));
}

/* What was said on connections. */
static void sample_requests(struct trace_builder *b, const struct sample_ids *ids)
{
    const uint64_t when = BUILDER_START + 70 * SAMPLE_MS;
    const struct event_context context = {.header = {EVENT_MAGIC, EVENT_CONTEXT, sizeof(context), when},
                                          .tid = WORKER,
                                          .slot = 1,
                                          .operation = 2,
                                          .serving = 1};
    const struct event_request request = {
        .header = {EVENT_MAGIC, EVENT_REQUEST, sizeof(request), when},
        .duration_ns = 4 * SAMPLE_MS,
        .tid = WORKER,
        .slot = 1,
        .stack = ids->sleep_stack,
        .operation = 2,
        .key = 1,
        .elements = 100000,
        .bytes = 1 << 20,
        .detail2 = 77,
        .first_part = 65535,
        .flags = REQUEST_NOTABLE | REQUEST_CURSOR,
    };
    const struct event_connect connect = {
        .header = {EVENT_MAGIC, EVENT_CONNECT, sizeof(connect), when + SAMPLE_MS},
        .duration_ns = 3 * SAMPLE_MS,
        .weight = 1,
        .tid = WORKER,
        .slot = 1,
        .endpoint = ids->database,
        .fd = 9,
        .error = ECONNREFUSED,
        .flags = CONNECT_PENDING,
    };
    builder_ring_raw(b, WORKER, &context, sizeof(context));
    builder_ring_raw(b, WORKER, &request, sizeof(request));
    builder_ring_raw(b, WORKER, &connect, sizeof(connect));
    struct {
        struct event_operation event;
        char text[8];
    } operation = {.event = {.header = {EVENT_MAGIC, EVENT_OPERATION, sizeof(operation), when},
                             .id = 2,
                             .endpoint = ids->database,
                             .protocol = 1,
                             .role = ROLE_CLIENT,
                             .verb = {40, 4}},
                   .text = "SCAN"};
    builder_log_raw(b, &operation, sizeof(operation));
    struct {
        struct event_key event;
        char text[8];
    } key = {.event = {{EVENT_MAGIC, EVENT_KEY, sizeof(key), when}, 0x1234, 1, {32, 7}}, .text = "meta::*"};
    builder_log_raw(b, &key, sizeof(key));
    struct {
        struct event_protocol event;
        char text[8];
    } protocol = {.event = {.header = {EVENT_MAGIC, EVENT_PROTOCOL, sizeof(protocol), when},
                            .endpoint = ids->database,
                            .protocol = 1,
                            .flags = PROTOCOL_TLS,
                            .name = {32, 5}},
                  .text = "cache"};
    builder_log_raw(b, &protocol, sizeof(protocol));
    struct {
        struct event_address event;
        char text[16];
    } address = {.event = {{EVENT_MAGIC, EVENT_ADDRESS, sizeof(address), when}, {24, 5}, {29, 9}},
                 .text = "cache127.0.0.1"};
    builder_log_raw(b, &address, sizeof(address));
}

/* Locks: held, ordered, misused. */
static void sample_locks(struct trace_builder *b, const struct sample_ids *ids)
{
    const uint64_t when = BUILDER_START + 80 * SAMPLE_MS;
    const struct event_hold hold = {
        .header = {EVENT_MAGIC, EVENT_HOLD, sizeof(hold), when},
        .duration_ns = 2 * SAMPLE_MS,
        .waited_ns = SAMPLE_MS,
        .weight = 1.5f,
        .tid = WORKER,
        .slot = 1,
        .stack = ids->sleep_stack,
        .lock = 9,
        .waiters = 3,
        .flags = HOLD_CONTENDED,
        .kind = LOCK_KIND_MUTEX,
    };
    const struct event_lock lock = {{EVENT_MAGIC, EVENT_LOCK, sizeof(lock), when}, 0x401234, 9, ids->sleep_stack};
    const struct event_order order = {
        .header = {EVENT_MAGIC, EVENT_ORDER, sizeof(order), when},
        .place = 0x401250,
        .from = 9,
        .to = 10,
        .stack = ids->sleep_stack,
        .tid = WORKER,
        .locks = 2,
        .flags = ORDER_TO_SHARED,
    };
    const struct event_misuse misuse = {
        .header = {EVENT_MAGIC, EVENT_MISUSE, sizeof(misuse), when},
        .lock = 9,
        .stack = ids->sleep_stack,
        .tid = WORKER,
        .other = LOOP,
        .kind = MISUSE_STRANGER_UNLOCK,
    };
    const struct event_lifecycle lifecycle = {
        .header = {EVENT_MAGIC, EVENT_LIFECYCLE, sizeof(lifecycle), when},
        .start = 0x7f0000001000,
        .first_ns = when - SAMPLE_MS,
        .watched = 4097,
        .site = 3,
        .first_tid = LOOP,
        .tid = WORKER,
        .first_stack = ids->sleep_stack,
        .stack = ids->sleep_stack,
        .first_locks = 2,
        .kind = LIFECYCLE_FREED,
    };
    const struct {
        struct event_watched event;
        char name[8];
    } watched = {.event = {.header = {EVENT_MAGIC, EVENT_WATCHED, sizeof(watched), when},
                           .start = 0x7f0000001000,
                           .id = 4097,
                           .size = 64,
                           .generation = 0,
                           .site = 3,
                           .stack = ids->sleep_stack,
                           .tid = LOOP,
                           .modules = 1,
                           .name = {64, 5},
                           .kind = WATCH_BLOCK},
                 .name = "table"};
    struct {
        struct event_lockset event;
        uint64_t places[2];
        uint32_t locks[2];
        uint8_t shared[8];
    } set = {.event = {{EVENT_MAGIC, EVENT_LOCKSET, sizeof(set), when}, 2, 1, {56, 8}, {40, 16}, {64, 2}, 0},
             .places = {0x401250, 0x401260},
             .locks = {9, 10},
             .shared = {0, 1}};
    const struct event_shared shared = {.header = {EVENT_MAGIC, EVENT_SHARED, sizeof(shared), when},
                                        .device = UINT64_C(8) << 32 | 1,
                                        .inode = 4711,
                                        .offset = 64,
                                        .id = 10};
    builder_ring_raw(b, WORKER, &hold, sizeof(hold));
    builder_log_raw(b, &lock, sizeof(lock));
    builder_log_raw(b, &shared, sizeof(shared));
    builder_log_raw(b, &set, sizeof(set));
    builder_log_raw(b, &order, sizeof(order));
    builder_log_raw(b, &misuse, sizeof(misuse));
    builder_log_raw(b, &watched, sizeof(watched));
    builder_log_raw(b, &lifecycle, sizeof(lifecycle));
}

/* A watched object: two operations on it at once, and what became of its size. */
static void sample_objects(struct trace_builder *b, const struct sample_ids *ids)
{
    const uint64_t when = BUILDER_START + 85 * SAMPLE_MS;
    struct {
        struct event_object event;
        char text[24];
    } object = {.event = {{EVENT_MAGIC, EVENT_OBJECT, sizeof(object), when},
                          0x7f0000200010,
                          2,
                          ids->sleep_stack,
                          WORKER,
                          {48, 10},
                          {58, 8},
                          OBJECT_BORN},
                .text = "cachetoolsTTLCache"};
    struct {
        struct event_method event;
        char text[24];
    } method = {.event = {{EVENT_MAGIC, EVENT_METHOD, sizeof(method), when}, 3, {32, 20}, METHOD_MUTATES, 0},
                .text = "TTLCache.__setitem__"};
    const struct event_mutate mutate = {
        .header = {EVENT_MAGIC, EVENT_MUTATE, sizeof(mutate), when},
        .duration_ns = 5 * SAMPLE_MS,
        .fiber = 0x7f0000300000,
        .tid = WORKER,
        .slot = 1,
        .stack = ids->query_stack,
        .object = 2,
        .method = 3,
        .locks = 2,
        .flags = MUTATE_WINDOW | MUTATE_RAISED | MUTATE_OVERLAPPED | MUTATE_WRITE,
        .inside = 1,
        .window = 7,
    };
    const struct event_overlap overlap = {
        .header = {EVENT_MAGIC, EVENT_OVERLAP, sizeof(overlap), when + SAMPLE_MS},
        .other_begin_ns = when,
        .fiber = 0,
        .other_fiber = 0x7f0000300000,
        .object = 2,
        .method = 3,
        .other_method = 3,
        .tid = LOOP,
        .other_tid = WORKER,
        .stack = ids->sleep_stack,
        .other_stack = ids->query_stack,
        .other_locks = 2,
        .flags = OVERLAP_OTHER_AT_END,
        .count = 12,
    };
    struct {
        struct event_drift event;
        char text[24];
    } drift = {.event = {{EVENT_MAGIC, EVENT_DRIFT, sizeof(drift), when + 10 * SAMPLE_MS},
                         -431,
                         12,
                         99,
                         2,
                         0,
                         12,
                         13,
                         {64, 8},
                         {72, 12}},
               .text = "currsizesum of sizes"};
    builder_log_raw(b, &object, sizeof(object));
    builder_log_raw(b, &method, sizeof(method));
    builder_ring_raw(b, WORKER, &mutate, sizeof(mutate));
    builder_log_raw(b, &overlap, sizeof(overlap));
    builder_log_raw(b, &drift, sizeof(drift));
}

static void sample_watching(struct trace_builder *b, const struct sample_ids *ids)
{
    const uint64_t when = BUILDER_START + 480 * SAMPLE_MS;
    const struct event_conflict conflict = {
        .header = {EVENT_MAGIC, EVENT_CONFLICT, sizeof(conflict), when},
        .address = 0x7f0000001010,
        .first_value = 41,
        .second_value = 42,
        .third_value = 43,
        .held_ns = 150000,
        .watched = 4097,
        .offset = 16,
        .first_tid = LOOP,
        .first_stack = ids->sleep_stack,
        .first_locks = 2,
        .second_tid = WORKER,
        .second_stack = ids->sleep_stack,
        .third_stack = ids->sleep_stack,
        .first_kind = CONFLICT_READS | 8 << 8,
        .second_kind = CONFLICT_WRITES | 8 << 8,
        .flags = CONFLICT_LOST | CONFLICT_CHANGED,
    };
    const struct event_watching watching = {
        .header = {EVENT_MAGIC, EVENT_WATCHING, sizeof(watching), when + SAMPLE_MS},
        .windows = 100,
        .words = 400,
        .traps = 70,
        .holds = 12,
        .arming_ns = 30 * SAMPLE_MS,
        .trap_ns = 20 * SAMPLE_MS,
        .threads = 4,
    };
    builder_log_raw(b, &conflict, sizeof(conflict));
    builder_log_raw(b, &watching, sizeof(watching));
}

struct trace_builder *sample_build(void)
{
    struct sample_ids ids;
    struct trace_builder *b = builder_new(42);
    builder_compact(b);
    builder_process(b, "/usr/bin/program", "program", "program --serve 127.0.0.1:8000");
    builder_header(b)->lost[TRACE_LOST_OVERWRITTEN] = 17;
    sample_define(b, &ids);

    struct trace_thread_slot *loop = builder_thread(b, LOOP, "loop", 0);
    loop->cpu_first_at_ns = BUILDER_START;
    loop->cpu_last_ns = 90 * SAMPLE_MS;
    loop->cpu_last_at_ns = BUILDER_START + 1900 * SAMPLE_MS;
    builder_thread(b, WORKER, "worker", BUILDER_START + 20 * SAMPLE_MS)->end_ns = BUILDER_START + 400 * SAMPLE_MS;
    builder_thread(b, 0, "(ended)", 0)->threads = 5;

    sample_loop(b, &ids);
    sample_worker(b, &ids);
    sample_kernel(b, &ids);
    sample_requests(b, &ids);
    sample_locks(b, &ids);
    sample_objects(b, &ids);
    sample_watching(b, &ids);
    builder_time(b, BUILDER_START + 500 * SAMPLE_MS);
    builder_fork(b, 77);
    builder_note(b, 1, "Python 3.99 is not known: native frames only");
    builder_time(b, BUILDER_START + 1999 * SAMPLE_MS);
    builder_exec(b, "/usr/bin/other");
    builder_end(b, SAMPLE_END, 3);
    return b;
}
