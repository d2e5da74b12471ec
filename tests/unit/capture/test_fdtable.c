/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The descriptor table, told what the hooks tell it. Real descriptors where it looks at them itself. */
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/un.h>

#include <cmocka.h>

#include "capture/endpoint.h"
#include "capture/fdtable.h"
#include "recording.h"

/* Numbers that no descriptor of this process has: entries made for them are only looked up. */
enum { A = 200, B, C, D, E };

static struct trace *trace_of_test;

static int setup(void **state)
{
    (void)state;
    recording_begin(4 << 20);
    for (int fd = 0; fd < 1000; fd++)
        fd_forget(fd);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    if (!trace_of_test)
        trace_of_test = recording_end();
    recording_close(trace_of_test);
    trace_of_test = NULL;
    return 0;
}

static void modes(void **state)
{
    (void)state;
    fd_opened(A, ENDPOINT_SOCKET, true);
    fd_opened(B, ENDPOINT_SOCKET, false);
    assert_false(fd_blocks(A));
    assert_true(fd_blocks(B));
    fd_set_nonblock(B, true);
    fd_set_nonblock(A, false);
    assert_true(fd_blocks(A));
    assert_false(fd_blocks(B));
    fd_opened(-1, ENDPOINT_SOCKET, true); /* a call that failed */
    assert_true(fd_blocks(-1));
    assert_true(fd_blocks(INT32_MAX));           /* beyond the table: may block for all we know */
    assert_true(fd_flags(INT32_MAX) & FD_LOWAT); /* and is not tried */
    fd_set_nonblock(INT32_MAX, true);
    fd_closed(INT32_MAX);
    fd_closed(-1);
    assert_int_equal(fd_endpoint(-1, true), 0);
    assert_int_equal(fd_endpoint(INT32_MAX, true), 0);
    assert_int_equal(fd_wait_flags(-1), 0);
}

static void duplicates_share_the_mode(void **state)
{
    (void)state;
    fd_opened(A, ENDPOINT_SOCKET, false);
    fd_opened(E, ENDPOINT_SOCKET, false); /* not one of them */
    fd_duplicated(A, B);
    fd_duplicated(B, C);
    assert_true(fd_blocks(C));
    fd_set_nonblock(B, true);
    assert_false(fd_blocks(A));
    assert_false(fd_blocks(B));
    assert_false(fd_blocks(C));
    assert_true(fd_blocks(E));
    fd_closed(A); /* the others go on */
    fd_opened(A, ENDPOINT_SOCKET, false);
    fd_set_nonblock(C, false);
    assert_true(fd_blocks(B));
    fd_set_nonblock(B, true);
    assert_true(fd_blocks(A)); /* a new one under an old number */
    fd_duplicated(A, A);       /* dup2(fd, fd) does nothing */
    assert_true(fd_blocks(A));
}

static void duplicate_takes_the_peer(void **state)
{
    (void)state;
    uint32_t peer = endpoint_intern(ENDPOINT_INET, ROLE_CLIENT, "192.0.2.1:1", 11, 0);
    fd_opened(A, ENDPOINT_SOCKET, false);
    fd_connected(A, peer);
    fd_duplicated(A, B);
    assert_int_equal(fd_endpoint(B, false), peer);
    fd_closed(A);
    assert_int_equal(fd_endpoint(B, true), peer);
}

static void range_is_forgotten(void **state)
{
    (void)state;
    uint32_t peer = endpoint_intern(ENDPOINT_INET, ROLE_CLIENT, "192.0.2.1:2", 11, 0);
    int far = (int)fd_table_size - 1;
    int fds[] = {A, B, C, far};
    for (int i = 0; i < 4; i++) {
        fd_opened(fds[i], ENDPOINT_SOCKET, true);
        fd_connected(fds[i], peer);
    }
    fd_closed_range(B, B);
    assert_false(fd_blocks(A));
    assert_true(fd_blocks(B));
    assert_false(fd_blocks(C));
    fd_closed_range(B, UINT32_MAX);
    assert_false(fd_blocks(A));
    assert_true(fd_blocks(C));
    assert_true(fd_blocks(far));
    assert_int_equal(fd_endpoint(C, false), 0); /* nothing of the old one shows through */
    fd_closed_range(5, 4);
    fd_closed_range(UINT32_MAX, UINT32_MAX);
    assert_false(fd_blocks(A));
}

static void vfork_child_changes_nothing(void **state)
{
    (void)state;
    fd_opened(A, ENDPOINT_SOCKET, true);
    fd_opened(D, ENDPOINT_WAITSET, false);
    fd_watch(D, A, true);
    thread_self.in_vfork = 1;
    fd_closed_range(3, UINT32_MAX);
    fd_opened(A, ENDPOINT_PIPE, false);
    fd_duplicated(B, A);
    fd_set_nonblock(A, false);
    fd_watch(D, A, false);
    fd_forget(A);
    fd_unnamed(A);
    thread_self.in_vfork = 0;
    assert_false(fd_blocks(A));
    assert_int_equal(fd_watched(D), 1);
}

/* ---- epoll ---- */

static void watched_are_counted(void **state)
{
    (void)state;
    fd_opened(D, ENDPOINT_WAITSET, false);
    assert_int_equal(fd_watched(D), 0);
    for (int fd = A; fd <= C; fd++) {
        fd_opened(fd, ENDPOINT_SOCKET, true);
        fd_watch(D, fd, true);
    }
    assert_int_equal(fd_watched(D), 3);
    fd_watch(D, A, false);
    assert_int_equal(fd_watched(D), 2);
    fd_closed(A); /* was taken out before */
    assert_int_equal(fd_watched(D), 2);
    fd_closed(B); /* without EPOLL_CTL_DEL */
    assert_int_equal(fd_watched(D), 1);
    fd_opened(C, ENDPOINT_SOCKET, true); /* its close was not seen */
    assert_int_equal(fd_watched(D), 0);
    assert_int_equal(fd_watched(-1), 0);
    assert_int_equal(fd_watched(INT32_MAX), 0);
}

static void watched_by_a_set_that_is_gone(void **state)
{
    (void)state;
    fd_opened(D, ENDPOINT_WAITSET, false);
    fd_opened(A, ENDPOINT_SOCKET, true);
    fd_opened(B, ENDPOINT_SOCKET, true);
    fd_watch(D, A, true);
    fd_closed(D);
    fd_opened(D, ENDPOINT_WAITSET, false); /* another one under its number */
    fd_watch(D, B, true);
    fd_closed(A);
    assert_int_equal(fd_watched(D), 1);
}

static void dup2_over_a_watched_one(void **state)
{
    (void)state;
    fd_opened(D, ENDPOINT_WAITSET, false);
    fd_opened(A, ENDPOINT_SOCKET, true);
    fd_opened(B, ENDPOINT_SOCKET, true);
    fd_watch(D, A, true);
    fd_duplicated(B, A);
    assert_int_equal(fd_watched(D), 0);
}

/* ---- descriptors that were there before: looked at once ---- */

static const struct trace_endpoint *endpoint_of(uint32_t id)
{
    if (!trace_of_test)
        trace_of_test = recording_end();
    return trace_endpoint_find(trace_of_test, id);
}

static void learns_kinds(void **state)
{
    (void)state;
    int pipes[2], fds[8], epoll = epoll_create1(0);
    assert_int_equal(pipe2(pipes, O_NONBLOCK), 0);
    fds[0] = pipes[0];
    fds[1] = pipes[1];
    fds[2] = eventfd(0, 0);
    fds[3] = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    fds[4] = open("/dev/null", O_RDWR);
    fds[5] = open("/proc/self/exe", O_RDONLY);
    fds[6] = epoll;
    fds[7] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    static const struct {
        enum endpoint_kind kind;
        bool blocks;
    } want[] = {{ENDPOINT_PIPE, false}, {ENDPOINT_PIPE, false}, {ENDPOINT_EVENTFD, true}, {ENDPOINT_TIMERFD, false},
                {ENDPOINT_TTY, true},   {ENDPOINT_FILE, true},  {ENDPOINT_WAITSET, true}, {ENDPOINT_SOCKET, false}};
    for (int i = 0; i < 8; i++) {
        assert_int_equal(fd_blocks(fds[i]), want[i].blocks);
        assert_int_equal(fd_entry_at(fds[i])->kind, want[i].kind);
    }
    uint32_t file = fd_endpoint(fds[5], true), general = fd_endpoint(fds[5], false);
    assert_int_equal(file, general); /* once it is known exactly it stays so */
    char exe[300];
    ssize_t length = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
    exe[length > 0 ? length : 0] = '\0';
    assert_string_equal(endpoint_of(file)->text, exe);
    assert_int_equal(endpoint_of(file)->kind, ENDPOINT_FILE);
    for (int i = 0; i < 8; i++)
        close(fds[i]);
    assert_true(fd_blocks(A)); /* not open: the program's call will say so */
    assert_int_equal(fd_endpoint(A, true), 0);
}

static void learns_before_it_copies(void **state)
{
    (void)state;
    int fd = eventfd(0, EFD_NONBLOCK), copy = dup(fd);
    fd_duplicated(fd, copy);
    assert_false(fd_blocks(copy));
    fd_set_nonblock(fd, false);
    assert_true(fd_blocks(copy));
    close(fd);
    close(copy);
}

static uint16_t listen_on(int fd)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(in);
    assert_int_equal(bind(fd, (struct sockaddr *)&in, sizeof(in)), 0);
    assert_int_equal(listen(fd, 5), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&in, &length), 0);
    return ntohs(in.sin_port);
}

static int connect_to(uint16_t port)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&in, sizeof(in)), 0);
    return fd;
}

static void both_ends_of_a_connection(void **state)
{
    (void)state;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    fd_opened(listener, ENDPOINT_SOCKET, false);
    assert_int_equal(endpoint_intern(ENDPOINT_SOCKET, ROLE_NONE, "", 0, 0), fd_endpoint(listener, false));
    uint16_t port = listen_on(listener);
    fd_unnamed(listener);
    uint32_t listening = fd_endpoint(listener, false);
    int client = connect_to(port);
    uint32_t peer = fd_endpoint(client, false); /* inherited, as far as the table knows */
    int accepted = accept(listener, NULL, NULL);
    fd_accepted(accepted, listener, true);
    uint32_t server = fd_endpoint(accepted, true);
    assert_false(fd_blocks(accepted));
    assert_int_equal(fd_wait_flags(accepted), WAIT_SERVER_SIDE);
    assert_int_equal(fd_wait_flags(client), 0);
    int again = connect_to(port), accepted_again = accept(listener, NULL, NULL);
    fd_accepted(accepted_again, listener, false);
    assert_int_equal(fd_endpoint(accepted_again, false), server); /* clients are many: one endpoint for all */
    assert_true(fd_blocks(accepted_again));
    fd_accepted(-1, listener, false); /* accept failed */

    char address[32];
    snprintf(address, sizeof(address), "127.0.0.1:%u", port);
    assert_string_equal(endpoint_of(listening)->text, address);
    assert_int_equal(endpoint_of(listening)->role, ROLE_LISTENER);
    assert_string_equal(endpoint_of(peer)->text, address);
    assert_int_equal(endpoint_of(peer)->role, ROLE_CLIENT);
    assert_string_equal(endpoint_of(server)->text, address);
    assert_int_equal(endpoint_of(server)->role, ROLE_SERVER);
    int fds[] = {listener, client, accepted, again, accepted_again};
    for (int i = 0; i < 5; i++)
        close(fds[i]);
}

static void connected_later(void **state)
{
    (void)state;
    uint32_t peer = endpoint_intern(ENDPOINT_UNIX, ROLE_CLIENT, "/run/x", 6, 0);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    fd_opened(fd, ENDPOINT_SOCKET, false);
    assert_int_not_equal(fd_endpoint(fd, true), peer);
    fd_connected(fd, 0); /* an address of no known family */
    fd_connected(fd, peer);
    assert_int_equal(fd_endpoint(fd, true), peer);
    close(fd);
}

static void low_water_mark(void **state)
{
    (void)state;
    int fd = socket(AF_INET, SOCK_STREAM, 0), mark = 100;
    fd_opened(fd, ENDPOINT_SOCKET, false);
    assert_false(fd_flags(fd) & FD_LOWAT);
    fd_set_lowat(fd);
    assert_true(fd_flags(fd) & FD_LOWAT);
    fd_forget(fd);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &mark, sizeof(mark)), 0);
    assert_true(fd_blocks(fd));
    assert_true(fd_flags(fd) & FD_LOWAT); /* learned */
    close(fd);
}

int main(void)
{
#define test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        test(modes),
        test(duplicates_share_the_mode),
        test(duplicate_takes_the_peer),
        test(range_is_forgotten),
        test(vfork_child_changes_nothing),
        test(watched_are_counted),
        test(watched_by_a_set_that_is_gone),
        test(dup2_over_a_watched_one),
        test(learns_kinds),
        test(learns_before_it_copies),
        test(both_ends_of_a_connection),
        test(connected_later),
        test(low_water_mark),
    };
    fdtable_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
