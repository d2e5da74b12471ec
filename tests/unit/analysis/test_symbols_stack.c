/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Interleaving, written as text: "poll:libc.so.6" is a native frame, "+f" a Python frame with PY_ENTRY, "f" one
 * without. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "analysis/symbols_class.h"
#include "analysis/symbols_stack.h"

#define FRAMES_MAX 32

struct scene {
    struct frame frames[FRAMES_MAX];
    struct symbols_native native[FRAMES_MAX];
    const struct symbols_native *pointers[FRAMES_MAX];
    struct symbols_python python[FRAMES_MAX];
    char text[1024];
};

static struct symbols_stack_input scene_read(struct scene *s, const char *native, const char *python, uint16_t flags)
{
    struct symbols_stack_input in = {.native = s->pointers, .python = s->python, .flags = flags, .program = "server"};
    char *save = NULL;
    snprintf(s->text, sizeof(s->text), "%s", native);
    for (char *word = strtok_r(s->text, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
        size_t i = in.native_count++;
        char *module = strchr(word, ':');
        *module++ = 0;
        s->frames[i] = (struct frame){.kind = FRAME_NATIVE, .function = word, .module = module};
        s->native[i] =
            (struct symbols_native){symbols_class_module(module), symbols_class_eval(word), 1, &s->frames[i]};
        s->pointers[i] = &s->native[i];
    }
    char *rest = s->text + strlen(native) + 1;
    snprintf(rest, sizeof(s->text) - (size_t)(rest - s->text), "%s", python);
    for (char *word = strtok_r(rest, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
        bool entry = *word == '+';
        s->python[in.python_count++] =
            (struct symbols_python){{.kind = FRAME_PYTHON, .function = word + entry, .module = "py"}, entry};
    }
    return in;
}

/* Compares the built stack with "frame frame … |" (complete) or "… ~" (not). */
static void expect(const char *native, const char *python, uint16_t flags, const char *expected)
{
    struct scene scene;
    struct symbols_stack_input in = scene_read(&scene, native, python, flags);
    struct frame out[FRAMES_MAX * 2];
    bool complete;
    assert_true(symbols_stack_room(&in) <= FRAMES_MAX * 2);
    size_t count = symbols_stack_build(&in, out, &complete);
    assert_true(count <= symbols_stack_room(&in));
    char text[1024];
    int used = 0;
    for (size_t i = 0; i < count; i++)
        used += snprintf(text + used, sizeof(text) - (size_t)used, "%s ", out[i].function);
    snprintf(text + used, sizeof(text) - (size_t)used, "%s", complete ? "|" : "~");
    assert_string_equal(text, expected);
}

#define PY ":python3.11 "
#define EVAL "_PyEval_EvalFrameDefault:python3.11 "
#define START "__libc_start_main:libc.so.6 0x1:python3.11"

static void python_takes_the_place_of_the_interpreter(void **state)
{
    (void)state;
    expect("recv:libc.so.6 query:libmariadb.so.3 " EVAL "0x5" PY EVAL "_PyFunction_Vectorcall" PY EVAL START,
           "inner middle +outer +app +main", STACK_COMPLETE,
           "recv query inner middle outer app main __libc_start_main |");
}

static void native_frames_between_python_stay_in_place(void **state)
{
    (void)state;
    expect("work:_mysql.so " EVAL "PyObject_Call" PY "callback:driver.so 0x3" PY EVAL START, "+on_row +main",
           STACK_COMPLETE, "work on_row callback main __libc_start_main |");
}

static void telling_builtin_functions_are_kept_innermost(void **state)
{
    (void)state;
    expect("pysleep:python3.11 time_sleep:python3.11 cfunction_vectorcall_O:python3.11 " EVAL "time_sleep:python3.11",
           "+main", STACK_COMPLETE, "pysleep time_sleep main |");
    expect("take:libpython3.8.so.1.0 PyEval_RestoreThread:libpython3.8.so.1.0 0x12:libpython3.8.so.1.0 " EVAL, "+main",
           STACK_COMPLETE, "take PyEval_RestoreThread main |");
}

static void greenlet_ends_where_it_was_started(void **state)
{
    (void)state;
    expect("recv:libmariadb.so.3 " EVAL "run:_gevent_cgreenlet.so 0x7" PY "start:_greenlet.cpython-311.so " EVAL
           "other:driver.so " EVAL START,
           "view +handle", STACK_COMPLETE, "recv view handle run |");
    expect("recv:libmariadb.so.3 " EVAL "start:_greenlet.cpython-311.so other:driver.so", "+handle", 0,
           "recv handle |");
}

static void greenlet_switch_below_python_is_not_the_end(void **state)
{
    (void)state;
    expect("switch:_greenlet.so " EVAL START, "+main", STACK_COMPLETE, "switch main __libc_start_main |");
}

static void missing_eval_frames_leave_it_incomplete(void **state)
{
    (void)state;
    expect("recv:driver.so " EVAL, "+inner middle +outer", STACK_COMPLETE, "recv inner middle outer ~");
    expect("recv:driver.so", "+inner +outer", 0, "recv inner outer ~");
}

static void surplus_eval_frames_leave_it_incomplete(void **state)
{
    (void)state;
    expect("recv:driver.so " EVAL EVAL START, "+inner", STACK_COMPLETE, "recv inner __libc_start_main ~");
}

static void interpreter_without_symbols_gets_all_python_at_once(void **state)
{
    (void)state;
    expect("recv:driver.so 0x1" PY "0x2" PY START, "+inner +outer", STACK_COMPLETE,
           "recv inner outer __libc_start_main |");
    expect("recv:driver.so 0x1:server 0x2:server __libc_start_main:libc.so.6", "+inner +outer", STACK_COMPLETE,
           "recv inner outer 0x1 0x2 __libc_start_main |");
}

static void lost_python_keeps_native_frames_only(void **state)
{
    (void)state;
    expect("recv:driver.so " EVAL START, "+inner", STACK_COMPLETE | STACK_PYTHON_LOST,
           "recv _PyEval_EvalFrameDefault __libc_start_main 0x1 |");
}

static void native_program_is_left_alone(void **state)
{
    (void)state;
    expect("hook:libcprobe.so read_it:server main:server", "", STACK_COMPLETE, "read_it main |");
    expect("read_it:server", "", 0, "read_it ~");
    expect("read_it:server", "", STACK_COMPLETE | STACK_TRUNCATED, "read_it ~");
    expect("", "", STACK_COMPLETE, "|");
}

static void modules_are_classified_by_name(void **state)
{
    (void)state;
    const char *const system[] = {
        "/lib/x86_64-linux-gnu/libc.so.6",
        "/lib/libc-2.31.so",
        "/lib64/ld-linux-x86-64.so.2",
        "/lib/libpthread-2.31.so",
        "/usr/lib/libstdc++.so.6",
        "/usr/lib/libev.so.4",
        "/usr/lib/libuv.so.1",
        "/usr/lib/libevent-2.1.so.7",
        "/lib/libnss_dns.so.2",
        "[vdso]",
        "linux-vdso.so.1",
        "",
        "/usr/bin/python3.11",
        "/usr/lib/libpython3.9.so.1.0",
        "/usr/lib/python3/dist-packages/gevent/libev/corecext.cpython-311-x86_64-linux-gnu.so",
        "/usr/lib/python3.11/lib-dynload/_ssl.cpython-311-x86_64-linux-gnu.so"};
    const char *const user[] = {"/usr/lib/libmariadb.so.3",
                                "/usr/lib/libevil.so.1",
                                "/usr/sbin/redis-server",
                                "/usr/lib/libcurl.so.4",
                                "/srv/pythonic",
                                "/usr/lib/libmemcached.so.11",
                                "/usr/lib/libnss3.so",
                                "/usr/lib/python3/dist-packages/_mysql.so"};
    for (size_t i = 0; i < sizeof(system) / sizeof(*system); i++)
        assert_true(symbols_class_module(system[i]) & MODULE_SYSTEM);
    for (size_t i = 0; i < sizeof(user) / sizeof(*user); i++)
        assert_int_equal(symbols_class_module(user[i]), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(python_takes_the_place_of_the_interpreter),
        cmocka_unit_test(native_frames_between_python_stay_in_place),
        cmocka_unit_test(telling_builtin_functions_are_kept_innermost),
        cmocka_unit_test(greenlet_ends_where_it_was_started),
        cmocka_unit_test(greenlet_switch_below_python_is_not_the_end),
        cmocka_unit_test(missing_eval_frames_leave_it_incomplete),
        cmocka_unit_test(surplus_eval_frames_leave_it_incomplete),
        cmocka_unit_test(interpreter_without_symbols_gets_all_python_at_once),
        cmocka_unit_test(lost_python_keeps_native_frames_only),
        cmocka_unit_test(native_program_is_left_alone),
        cmocka_unit_test(modules_are_classified_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
