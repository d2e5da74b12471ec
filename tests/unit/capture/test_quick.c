/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copies of what is known of descriptors, and the counters found by them. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "base/sys.h"
#include "capture/fdtable.h"
#include "capture/quick.h"
#include "capture/wait.h"
#include "recording.h"

enum { A = 200, B };

static struct trace *trace_of_test;

static int setup(void **state)
{
    (void)state;
    recording_begin(4 << 20);
    quick_open();
    fd_opened(A, ENDPOINT_PIPE, false);
    fd_opened(B, ENDPOINT_PIPE, false);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    quick_close();
    trace_of_test = recording_end();
    recording_close(trace_of_test);
    return 0;
}

static void send_once(int fd)
{
    quick_remember(QUICK_SEND, fd, wait_none(CALL_send, fd, 10));
}

static void copies_follow_changes(void **state)
{
    (void)state;
    volatile int beyond = QUICK_FDS; /* the compiler knows how large the table is */
    assert_int_equal(quick_word(A), 0);
    quick_enter(A);
    assert_int_equal(quick_word(A), fd_entry_at(A)->word);
    assert_int_equal(quick_word(B), 0);
    fd_set_nonblock(A, true);
    assert_int_equal(quick_word(A), 0);
    quick_enter(A);
    assert_true(fd_word_free(quick_word(A)));
    fd_talks(A, 0);
    quick_enter(A);
    assert_false(fd_word_free(quick_word(A)));
    fd_closed(A);
    assert_int_equal(quick_word(A), 0);
    quick_enter(A); /* nothing is known of it */
    assert_int_equal(quick_word(A), 0);
    assert_int_equal(quick_word(-1), 0);
    assert_int_equal(quick_word(beyond), 0);
}

static void same_kind_of_call(void **state)
{
    (void)state;
    assert_null(quick_counter(QUICK_SEND, 0));
    send_once(A);
    struct trace_counter *c = quick_counter(QUICK_SEND, quick_word(A));
    assert_non_null(c);
    assert_null(quick_counter(QUICK_RECV, quick_word(A)));
    assert_true(quick_count(QUICK_SEND, c, 5));
    assert_int_equal(c->count, 2);
    assert_int_equal(c->bytes, 15);
    send_once(B); /* the same endpoint, in the same mode */
    assert_ptr_equal(quick_counter(QUICK_SEND, quick_word(B)), c);
    fd_opened(B, ENDPOINT_EVENTFD, false);
    assert_null(quick_counter(QUICK_SEND, quick_word(B)));
    send_once(B);
    assert_ptr_not_equal(quick_counter(QUICK_SEND, quick_word(B)), c);
    assert_null(quick_counter(QUICK_SEND, quick_word(A)));
}

/* What is tried, looked at or timed takes the long way. */
static void other_kinds(void **state)
{
    (void)state;
    fd_set_lowat(A);
    send_once(A);
    assert_null(quick_counter(QUICK_SEND, quick_word(A)));
    fd_talks(B, 0);
    send_once(B);
    assert_null(quick_counter(QUICK_SEND, quick_word(B)));
}

static void not_now(void **state)
{
    (void)state;
    struct thread *t = &thread_self;
    send_once(A);
    struct trace_counter *c = quick_counter(QUICK_SEND, quick_word(A));
    t->busy = 1;
    assert_null(quick_counter(QUICK_SEND, quick_word(A)));
    t->busy = 0;
    t->composite = 1;
    assert_null(quick_counter(QUICK_SEND, quick_word(A)));
    t->composite = 0;
    t->in_vfork = 1;
    assert_null(quick_counter(QUICK_SEND, quick_word(A)));
    t->in_vfork = 0;
    assert_ptr_equal(quick_counter(QUICK_SEND, quick_word(A)), c);
    t->quick[QUICK_SEND].counter = NULL; /* the thread is another process's now */
    assert_false(quick_count(QUICK_SEND, c, 5));
    send_once(A);
    quick_close();
    assert_int_equal(quick_word(A), 0);
    assert_false(quick_count(QUICK_SEND, c, 5));
}

/* However it forks, nothing is left in the child that would lead to the parent's trace. */
static void gone_in_children(void **state)
{
    (void)state;
    int status;
    send_once(A);
    struct trace_counter *c = quick_counter(QUICK_SEND, quick_word(A));
    assert_int_equal(madvise(&recorder_gate, sizeof(recorder_gate), 18 /* MADV_WIPEONFORK */), 0);
    pid_t child = (pid_t)syscall(SYS_fork);
    if (child == 0)
        _exit(quick_word(A) || quick_counter(QUICK_SEND, quick_word(A)) || quick_count(QUICK_SEND, c, 5));
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_ptr_equal(quick_counter(QUICK_SEND, quick_word(A)), c);
}

int main(void)
{
    static char words[2000 * sizeof(struct fd_entry)] __attribute__((aligned(64)));
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(copies_follow_changes, setup, teardown),
        cmocka_unit_test_setup_teardown(same_kind_of_call, setup, teardown),
        cmocka_unit_test_setup_teardown(other_kinds, setup, teardown),
        cmocka_unit_test_setup_teardown(not_now, setup, teardown),
        cmocka_unit_test_setup_teardown(gone_in_children, setup, teardown),
    };
    fd_table = (struct fd_entry *)words;
    fd_table_size = 2000;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
