/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Name servers that are asked without a connection, over real sockets. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "capture/conversation.h"
#include "capture/fdtable.h"
#include "capture/nameserver.h"
#include "recording.h"

static struct fd_entry entries[1024];

static int setup(void **state)
{
    (void)state;
    fd_table = entries;
    fd_table_size = 1024;
    recording_begin(4 << 20);
    recorder.pid = (uint32_t)getpid();
    recorder.settings.wire = 1;
    recorder.settings.connections = 300;
    conversations_init();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    recording_close(recording_end());
    return 0;
}

static struct sockaddr_in at(const char *address, uint16_t port)
{
    return (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = inet_addr(address)};
}

static uint32_t ask(int fd, struct sockaddr_in to)
{
    return nameserver_asked(fd, (struct sockaddr *)&to, sizeof(to));
}

static void who_is_asked(void **state)
{
    (void)state;
    int fd = socket(AF_INET, SOCK_DGRAM, 0), stream = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons(53)};
    assert_int_equal(nameserver_asked(fd, NULL, 0), 0);
    assert_int_equal(ask(fd, at("127.0.0.1", 5353)), 0);
    assert_int_equal(ask(stream, at("127.0.0.1", 53)), 0);
    assert_int_equal(ask(-1, at("127.0.0.1", 53)), 0);
    uint32_t first = ask(fd, at("127.0.0.1", 53)), second = ask(fd, at("127.0.0.2", 53));
    uint32_t third = nameserver_asked(fd, (struct sockaddr *)&six, sizeof(six));
    assert_true(first && second && third && first != second && second != third);
    assert_int_equal(ask(fd, at("127.0.0.1", 53)), first);
    assert_int_equal(fd_entry_at(fd)->conversation, first);
    assert_true(fd_flags(fd) & FD_ASKS);
    nameserver_asked(fd, (struct sockaddr *)&six, 5); /* cut */
    close(stream);
    close(fd);
    fd_closed(fd);
    assert_false(conversation_unanswered(first, 0, 0)); /* they have ended */
    assert_false(conversation_unanswered(second, 0, 0));
}

/* Sockets that come and go give back what they had. */
static void no_room_is_lost(void **state)
{
    (void)state;
    for (int i = 0; i < 2000; i++) {
        int fd = socket(AF_INET, SOCK_DGRAM, 0);
        assert_int_not_equal(ask(fd, at("127.0.0.1", 53)), 0);
        assert_int_not_equal(ask(fd, at("127.0.0.2", 53)), 0);
        close(fd);
        fd_closed(fd);
    }
}

/* More servers than are followed: the others are not, and nothing breaks. */
static void too_many(void **state)
{
    char text[32];
    uint32_t followed = 0;
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    (void)state;
    for (int i = 0; i < 400; i++) {
        snprintf(text, sizeof(text), "127.1.%d.%d", i / 250, 1 + i % 250);
        followed += ask(fd, at(text, 53)) != 0;
    }
    assert_in_range(followed, 128, 256);
    close(fd);
    fd_closed(fd);
    no_room_is_lost(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(who_is_asked, setup, teardown),
        cmocka_unit_test_setup_teardown(no_room_is_lost, setup, teardown),
        cmocka_unit_test_setup_teardown(too_many, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
