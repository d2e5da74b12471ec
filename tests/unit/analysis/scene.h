/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Scenes for tests of the analysis: synthetic recordings whose addresses have fixed meanings, and the report on them.
 *
 * This header replaces src/analysis/symbols.c at link time: a test that includes it gets its frames from PLACES below
 * instead of from ELF files. Include it in one source file of a test program only.
 */
#ifndef CPROBE_TEST_SCENE_H
#define CPROBE_TEST_SCENE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "analysis/analysis.h"
#include "trace/trace_builder.h"
#include "trace/trace_locks.h"
#include "trace/trace_objects.h"
#include "trace/trace_talk.h"
#include "wire/wire.h"

#define US UINT64_C(1000)
#define MS UINT64_C(1000000)
#define SEC UINT64_C(1000000000)
#define T0 BUILDER_START
#define LENGTH(...) (sizeof((uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t))

#define UNUSED __attribute__((unused))

/* Calls of calls.def. */
enum {
    C_CONNECT = 1,
    C_SEND = 4,
    C_RECV = 5,
    C_CLOSE = 12,
    C_READ = 20,
    C_WRITE = 21,
    C_POLL = 40,
    C_SELECT = 42,
    C_EPOLL = 44,
    C_SLEEP = 53,
    C_GETADDRINFO = 60,
    C_OPEN = 70,
    C_FSYNC = 74,
    C_FLOCK = 76,
    C_WAITPID = 91,
    C_FORK = 100,
    C_MUTEX = 110,
    C_COND = 114,
    C_SEM = 122,
    C_JOIN = 125,
};

/* Addresses. Each lies in a module of its own kind, 0x1000 bytes long. */
enum {
    PC_LIBEV = 0x1000000,
    PC_PYTHON_SELECT = 0x1001000, /* the interpreter, where select.epoll waits */
    PC_PYTHON_POLL = 0x1001100,   /* where select.poll waits */
    PC_PYTHON_GIL = 0x1001200,
    PC_MARIADB = 0x1002000,
    PC_MYSQL_C = 0x1003000,
    PC_MEMCACHED_C = 0x1004000,
    PC_EPOLL_LOOP = 0x1005000, /* functions of /usr/bin/program */
    PC_HANDLE = 0x1005100,
    PC_CONNECT_UPSTREAM = 0x1005200,
    PC_PARSE = 0x1005300,
    PC_RENDER = 0x1005400,
    PC_LOOP_AGAIN = 0x1005500, /* the same function as PC_EPOLL_LOOP, a second call */
    PC_MAIN = 0x1005600,
    PC_POSTGRES = 0x1006000,
    PC_UNKNOWN_LIB = 0x1007000,
    PC_LIBC = 0x1008000,
    PC_LIBSSL = 0x1009000,
    PC_JVM = 0x100a000,
    PC_JVM_SLEEP = 0x100a100,
    PC_JVM_MONITOR = 0x100a200,
    PC_NODE = 0x100b000,
    PC_NODE_SPAWN_SYNC = 0x100b100,
    PC_NODE_UV_SPAWN = 0x100b200,
    PC_LIBFFI = 0x100c000,
    PC_JIT = 0x100f000, /* code made at run time: in no module */
    /* Python frames: no module */
    PC_VIEW_GET = 0x2000000,
    PC_VIEW_POST = 0x2000100,
    PC_DB_EXECUTE = 0x2000200, /* MySQLdb.cursors, installed */
    PC_GEVENT_HUB = 0x2000300,
    PC_ASYNCIO = 0x2000400,
    PC_SELECTORS = 0x2000500,
    PC_COMMUNICATE = 0x2000600,
    PC_REQUESTS = 0x2000700,
    PC_EXECUTE_CHILD = 0x2000800,
    PC_KOMBU_LOOP = 0x2000900,
    PC_KOMBU_TRANSPORT = 0x2000a00,
    PC_CELERY_TRACE = 0x2000b00,   /* calls the task's function */
    PC_CELERY_BACKEND = 0x2000c00, /* stores the task's result */
    PC_SQLALCHEMY = 0x2000d00,
    PC_TASK = 0x2000e00,
    PC_MISSING = 0x2000f00, /* a cache loads what it lacks */
};

static const struct {
    uint64_t pc;
    struct frame frame;
} PLACES[] = {
    {PC_LIBEV, {FRAME_NATIVE, "epoll_poll", "libev.so.4", NULL, 0, false, true}},
    {PC_PYTHON_SELECT, {FRAME_NATIVE, "0x1234", "python3.11", NULL, 0, false, true}},
    {PC_PYTHON_POLL, {FRAME_NATIVE, "0x2345", "python3.11", NULL, 0, false, true}},
    {PC_PYTHON_GIL, {FRAME_NATIVE, "PyEval_RestoreThread", "python3.11", NULL, 0, false, true}},
    {PC_MARIADB, {FRAME_NATIVE, "0x1a2b3", "libmariadb.so.3", NULL, 0, false, false}},
    {PC_MYSQL_C, {FRAME_NATIVE, "0x99", "_mysql.cpython-311-x86_64-linux-gnu.so", NULL, 0, false, false}},
    {PC_MEMCACHED_C, {FRAME_NATIVE, "memcached_mget", "libmemcached.so.11", NULL, 0, false, false}},
    {PC_EPOLL_LOOP, {FRAME_NATIVE, "serve", "program", "/src/server.c", 90, false, false}},
    {PC_HANDLE, {FRAME_NATIVE, "handle_request", "program", "/src/server.c", 42, false, false}},
    {PC_CONNECT_UPSTREAM, {FRAME_NATIVE, "connect_upstream", "program", "/src/server.c", 17, false, false}},
    {PC_PARSE, {FRAME_NATIVE, "parse", "program", "/src/parse.c", 5, false, false}},
    {PC_RENDER, {FRAME_NATIVE, "render", "program", "/src/render.c", 6, false, false}},
    {PC_LOOP_AGAIN, {FRAME_NATIVE, "serve", "program", "/src/server.c", 95, false, false}},
    {PC_MAIN, {FRAME_NATIVE, "main", "program", "/src/server.c", 120, false, false}},
    {PC_POSTGRES, {FRAME_NATIVE, "WaitEventSetWait", "postgres", NULL, 0, false, false}},
    {PC_UNKNOWN_LIB, {FRAME_NATIVE, "fetch_all", "libfetch.so.1", NULL, 0, false, false}},
    {PC_LIBC, {FRAME_NATIVE, "poll", "libc.so.6", NULL, 0, false, true}},
    {PC_LIBSSL, {FRAME_NATIVE, "SSL_read", "libssl.so.3", NULL, 0, false, false}},
    {PC_LIBFFI, {FRAME_NATIVE, "ffi_call", "libffi.so.8", NULL, 0, false, false}},
    {PC_JVM, {FRAME_NATIVE, "Monitor::wait(long)", "libjvm.so", NULL, 0, false, true}},
    {PC_JVM_SLEEP, {FRAME_NATIVE, "JVM_Sleep", "libjvm.so", NULL, 0, false, true}},
    {PC_JVM_MONITOR, {FRAME_NATIVE, "JVM_MonitorWait", "libjvm.so", NULL, 0, false, true}},
    {PC_NODE, {FRAME_NATIVE, "uv__io_poll", "node", NULL, 0, false, false}},
    {PC_NODE_SPAWN_SYNC,
     {FRAME_NATIVE, "node::SyncProcessRunner::Spawn(v8::FunctionCallbackInfo<v8::Value> const&)", "node", NULL, 0,
      false, false}},
    {PC_NODE_UV_SPAWN, {FRAME_NATIVE, "uv_spawn", "node", NULL, 0, false, false}},
    {PC_JIT, {FRAME_NATIVE, "0x7f00", "[anonymous]", NULL, 0, false, true}},
    {PC_VIEW_GET, {FRAME_PYTHON, "View.get", "app.views", "/srv/app/views.py", 33, false, false}},
    {PC_VIEW_POST, {FRAME_PYTHON, "View.post", "app.views", "/srv/app/views.py", 61, false, false}},
    {PC_DB_EXECUTE,
     {FRAME_PYTHON, "Cursor.execute", "MySQLdb.cursors", "/usr/lib/python3/dist-packages/MySQLdb/cursors.py", 206,
      false, false}},
    {PC_GEVENT_HUB,
     {FRAME_PYTHON, "Hub.run", "gevent.hub", "/usr/lib/python3/dist-packages/gevent/hub.py", 647, false, true}},
    {PC_ASYNCIO,
     {FRAME_PYTHON, "BaseEventLoop._run_once", "asyncio.base_events", "/usr/lib/python3.11/asyncio/base_events.py", 1,
      false, true}},
    {PC_SELECTORS,
     {FRAME_PYTHON, "EpollSelector.select", "selectors", "/usr/lib/python3.11/selectors.py", 468, false, true}},
    {PC_COMMUNICATE,
     {FRAME_PYTHON, "Popen._communicate", "subprocess", "/usr/lib/python3.11/subprocess.py", 2021, false, true}},
    {PC_EXECUTE_CHILD,
     {FRAME_PYTHON, "Popen._execute_child", "subprocess", "/usr/lib/python3.11/subprocess.py", 1900, false, true}},
    {PC_KOMBU_LOOP,
     {FRAME_PYTHON, "Hub.create_loop", "kombu.asynchronous.hub",
      "/usr/lib/python3/dist-packages/kombu/asynchronous/hub.py", 308, false, false}},
    {PC_KOMBU_TRANSPORT,
     {FRAME_PYTHON, "Channel._brpop_read", "kombu.transport.redis",
      "/usr/lib/python3/dist-packages/kombu/transport/redis.py", 980, false, false}},
    {PC_CELERY_TRACE,
     {FRAME_PYTHON, "build_tracer.<locals>.trace_task", "celery.app.trace",
      "/usr/lib/python3/dist-packages/celery/app/trace.py", 451, false, false}},
    {PC_CELERY_BACKEND,
     {FRAME_PYTHON, "DatabaseBackend._store_result", "celery.backends.database",
      "/usr/lib/python3/dist-packages/celery/backends/database/__init__.py", 125, false, false}},
    {PC_SQLALCHEMY,
     {FRAME_PYTHON, "Pool.connect", "sqlalchemy.pool.base", "/usr/lib/python3/dist-packages/sqlalchemy/pool/base.py",
      325, false, false}},
    {PC_TASK, {FRAME_PYTHON, "charge", "shop.tasks", "/srv/shop/tasks.py", 12, false, false}},
    {PC_MISSING, {FRAME_PYTHON, "Loading.__missing__", "shop.cache", "/srv/shop/cache.py", 9, false, false}},
    {PC_REQUESTS,
     {FRAME_PYTHON, "Session.send", "requests.sessions", "/usr/lib/python3/dist-packages/requests/sessions.py", 701,
      false, false}},
};

/* ---- symbols.h ---- */

struct symbols {
    struct stack *stacks;
    size_t count;
};

struct symbols *symbols_new(void)
{
    return calloc(1, sizeof(struct symbols));
}

void symbols_free(struct symbols *s)
{
    for (size_t i = 0; i < s->count; i++)
        free(s->stacks[i].frames);
    free(s->stacks);
    free(s);
}

const struct frame *symbols_address(struct symbols *s, struct trace *t, uint64_t pc, uint32_t generation)
{
    static const struct frame unknown = {FRAME_NATIVE, "0x0", "unknown", NULL, 0, false, false};
    (void)s, (void)t, (void)generation;
    for (size_t i = 0; i < sizeof(PLACES) / sizeof(PLACES[0]); i++) {
        if (PLACES[i].pc == pc)
            return &PLACES[i].frame;
    }
    return &unknown;
}

/* Pointers that were handed out must stay: room for all stacks of a test from the beginning. */
#define STACKS_MAX_TEST 4096

const struct stack *symbols_stack(struct symbols *s, struct trace *t, uint32_t stack_id, uint16_t call)
{
    static const struct stack empty = {NULL, 0, false};
    struct trace_stack_view view;
    (void)call;
    if (stack_id == 0 || trace_stack_find(t, stack_id, &view) < 0)
        return &empty;
    if (!s->stacks)
        s->stacks = calloc(STACKS_MAX_TEST, sizeof(*s->stacks));
    assert_true(s->count < STACKS_MAX_TEST);
    struct stack *stack = &s->stacks[s->count++];
    stack->frames = calloc(view.native_count + 1, sizeof(*stack->frames));
    stack->count = view.native_count;
    stack->complete = true;
    for (size_t i = 0; i < view.native_count; i++)
        stack->frames[i] = *symbols_address(s, t, view.native[i], 0);
    return stack;
}

/* Variables of the program, one in every 0x40 bytes, for locks. */
enum { LOCK_A = 0x5000000, LOCK_B = 0x5000040, LOCK_C = 0x5000080, LOCK_D = 0x50000c0, LOCKS_END = 0x5000100 };

bool symbols_variable(struct symbols *s, struct trace *t, uint64_t address, uint32_t generation, struct variable *out)
{
    static const char *const names[] = {"lock_a", "lock_b", "lock_c", "lock_d"};
    (void)s, (void)t, (void)generation;
    if (address < LOCK_A || address >= LOCKS_END)
        return false;
    *out = (struct variable){names[(address - LOCK_A) / 0x40], "program"};
    return true;
}

size_t symbols_warning_count(const struct symbols *s)
{
    (void)s;
    return 0;
}

const char *symbols_warning_at(const struct symbols *s, size_t i)
{
    (void)s, (void)i;
    return "";
}

/* ---- recordings ---- */

static const struct {
    uint64_t start;
    const char *path;
} MODULES[] = {
    {PC_LIBEV, "/usr/lib/x86_64-linux-gnu/libev.so.4"},
    {PC_PYTHON_SELECT, "/usr/bin/python3.11"},
    {PC_MARIADB, "/usr/lib/x86_64-linux-gnu/libmariadb.so.3"},
    {PC_MYSQL_C, "/usr/lib/python3/dist-packages/MySQLdb/_mysql.cpython-311-x86_64-linux-gnu.so"},
    {PC_MEMCACHED_C, "/usr/lib/x86_64-linux-gnu/libmemcached.so.11"},
    {PC_EPOLL_LOOP, "/usr/bin/program"},
    {PC_POSTGRES, "/usr/lib/postgresql/15/bin/postgres"},
    {PC_UNKNOWN_LIB, "/usr/lib/libfetch.so.1"},
    {PC_LIBC, "/usr/lib/x86_64-linux-gnu/libc.so.6"},
    {PC_LIBSSL, "/usr/lib/x86_64-linux-gnu/libssl.so.3"},
    {PC_LIBFFI, "/usr/lib/x86_64-linux-gnu/libffi.so.8"},
    {PC_JVM, "/usr/lib/jvm/java-17/lib/server/libjvm.so"},
    {PC_NODE, "/usr/bin/node"},
};

/* One process with the modules above; pid is also the tid of its main thread. */
UNUSED static struct trace_builder *scene_process(uint32_t pid)
{
    struct trace_builder *b = builder_new(pid);
    for (size_t i = 0; i < sizeof(MODULES) / sizeof(MODULES[0]); i++)
        builder_module(b, MODULES[i].start, MODULES[i].start + 0x1000, MODULES[i].start, 0, MODULES[i].path, NULL, 0);
    builder_thread(b, pid, "main", T0);
    return b;
}

#define scene_stack(b, ...) \
    builder_stack((b), STACK_COMPLETE, 0, (uint64_t[]){__VA_ARGS__}, LENGTH(__VA_ARGS__), NULL, 0)

/* A thread that waits in `call` at the waitset `pc`: from `first` to `last` (times after T0) as many turns, spread
   evenly, each with `idle_ns` in the wait. `stack`: of the waits. Returns the waitset. */
UNUSED static uint32_t scene_loop(struct trace_builder *b, uint32_t tid, uint64_t pc, uint16_t call, uint32_t stack,
                                  uint64_t first, uint64_t last, uint64_t waits, uint64_t idle_ns)
{
    uint32_t waitset = builder_waitset(b, pc, 0);
    uint64_t step = waits > 1 ? (last - first - idle_ns) / (waits - 1) : 0;
    for (uint64_t i = 0; i < waits; i++)
        builder_wait(b, tid, T0 + first + i * step, idle_ns, call, waitset, stack, WAIT_WAITSET);
    builder_turns(b, tid, step - idle_ns, waits - 1, waitset);
    builder_site(b, tid, waitset)->max_fds = 5;
    return waitset;
}

/* gevent over libev in thread `tid`, from `first` to `last` after T0, 101 waits with `idle_ns` each. */
UNUSED static uint32_t scene_gevent(struct trace_builder *b, uint32_t tid, uint64_t first, uint64_t last,
                                    uint64_t idle_ns)
{
    builder_process(b, "/usr/bin/python3.11", "python3", "python3 server.py");
    builder_module(b, 0x3000000, 0x3001000, 0x3000000, 0,
                   "/usr/lib/python3/dist-packages/gevent/libev/corecext.cpython-311-x86_64-linux-gnu.so", NULL, 0);
    return scene_loop(b, tid, PC_LIBEV, C_EPOLL, scene_stack(b, PC_LIBEV, PC_GEVENT_HUB), first, last, 101, idle_ns);
}

/* `count` waits of `ns` each, spread evenly from `first` to `last` after T0. */
UNUSED static void scene_waits(struct trace_builder *b, uint32_t tid, uint16_t call, uint32_t endpoint, uint32_t stack,
                               uint16_t flags, uint64_t count, uint64_t ns, uint64_t first, uint64_t last)
{
    uint64_t step = (last - first) / count;
    for (uint64_t i = 0; i < count; i++)
        builder_wait(b, tid, T0 + first + i * step, ns, call, endpoint, stack, flags);
}

/* ---- reports ---- */

struct scene {
    char directory[64];
    struct report *report;
};

/* Writes the recordings as files of one directory, frees the builders, analyses. End `...` with NULL. */
UNUSED static struct scene scene_run(const struct analysis_options *options, ...)
{
    struct scene scene = {"/tmp/cprobe-scene-XXXXXX", NULL};
    char path[128], error[256] = "";
    const char *paths[] = {scene.directory};
    struct trace_builder *b;
    unsigned number = 0;
    va_list builders;
    assert_non_null(mkdtemp(scene.directory));
    va_start(builders, options);
    while ((b = va_arg(builders, struct trace_builder *))) {
        snprintf(path, sizeof(path), "%s/%u.trace", scene.directory, number++);
        assert_int_equal(builder_write(b, path), 0);
        builder_free(b);
    }
    va_end(builders);
    int result = analysis_run(paths, 1, options, &scene.report, error, sizeof(error));
    for (unsigned i = 0; i < number; i++) {
        snprintf(path, sizeof(path), "%s/%u.trace", scene.directory, i);
        unlink(path);
    }
    rmdir(scene.directory);
    if (result != 0)
        fail_msg("analysis_run: %d, %s", result, error);
    return scene;
}

UNUSED static void scene_end(struct scene *scene)
{
    report_free(scene->report);
}

UNUSED static size_t scene_count(const struct scene *scene, const char *rule)
{
    size_t count = 0;
    for (size_t i = 0; i < scene->report->finding_count; i++)
        count += strcmp(scene->report->findings[i].rule, rule) == 0;
    return count;
}

/* The only finding of the rule. */
UNUSED static const struct finding *scene_finding(const struct scene *scene, const char *rule)
{
    assert_int_equal(scene_count(scene, rule), 1);
    for (size_t i = 0; i < scene->report->finding_count; i++) {
        if (strcmp(scene->report->findings[i].rule, rule) == 0)
            return &scene->report->findings[i];
    }
    return NULL;
}

UNUSED static const struct evidence *scene_evidence(const struct finding *finding, const char *key)
{
    for (size_t i = 0; i < finding->evidence_count; i++) {
        if (strcmp(finding->evidence[i].key, key) == 0)
            return &finding->evidence[i];
    }
    fail_msg("no evidence %s", key);
    return NULL;
}

#define assert_near(value, expected, tolerance)                                                               \
    do {                                                                                                      \
        double near_value = (double)(value), near_expected = (double)(expected);                              \
        if (near_value < near_expected * (1 - (tolerance)) || near_value > near_expected * (1 + (tolerance))) \
            fail_msg("%s is %g, expected %g", #value, near_value, near_expected);                             \
    } while (0)

#endif
