/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "wire/conversation.h"
#include "wire/recorded.h"

static struct said said;

static int teardown(void **state)
{
    (void)state;
    conversation_start(&said, WIRE_UNKNOWN);
    return 0;
}

static void fill(uint8_t **p, uint8_t byte, size_t count)
{
    memset(*p, byte, count);
    *p += count;
}

static void put(uint8_t **p, uint64_t value, int bytes)
{
    while (bytes-- > 0)
        *(*p)++ = (uint8_t)(value >> 8 * bytes);
}

/* A ClientHello with `padding` bytes of another extension in front of the name's; cut into records of `record` bytes.
 */
static size_t hello_build(uint8_t *out, const char *name, size_t padding, size_t record)
{
    static uint8_t hello[20000];
    uint8_t *p = hello;
    size_t length = strlen(name), extensions = 4 + padding + (length ? 9 + length : 0) + 4;
    size_t body = 2 + 32 + 1 + 32 + 2 + 4 + 1 + 1 + 2 + extensions;
    put(&p, 1, 1), put(&p, body, 3), put(&p, 0x0303, 2), fill(&p, 0xab, 32), put(&p, 32, 1), fill(&p, 0xcd, 32);
    put(&p, 4, 2), fill(&p, 0x13, 4), put(&p, 1, 1), put(&p, 0, 1), put(&p, extensions, 2);
    put(&p, 21, 2), put(&p, padding, 2), fill(&p, 0, padding);
    if (length) {
        put(&p, 0, 2), put(&p, length + 5, 2), put(&p, length + 3, 2), put(&p, 0, 1), put(&p, length, 2);
        memcpy(p, name, length);
        p += length;
    }
    put(&p, 23, 2), put(&p, 0, 2);
    size_t total = (size_t)(p - hello);
    uint8_t *to = out;
    for (size_t at = 0, n; at < total; at += n) {
        n = total - at < record ? total - at : record;
        put(&to, 22, 1), put(&to, 0x0301, 2), put(&to, n, 2);
        memcpy(to, hello + at, n);
        to += n;
    }
    return (size_t)(to - out);
}

static void the_server_name_is_told(void **state)
{
    (void)state;
    static uint8_t bytes[30000];
    static const size_t paddings[] = {0, 1, 200, 3000};
    for (size_t i = 0; i < ARRAY_SIZE(paddings); i++) {
        for (size_t record = 100; record <= 16384; record *= 16) {
            conversation_start(&said, WIRE_UNKNOWN);
            said_chunk(&said, WIRE_CLIENT, bytes, hello_build(bytes, "db.example.test", paddings[i], record));
            server(&said, "\x16\x03\x03\x00\x7a\x02\x00\x00\x76\x03\x03");
            client(&said, "\x17\x03\x03\x00\x20 0123456789abcdef0123456789abcdef");
            if (paddings[i] < 1000)
                assert_said(&said, "name text=db.example.test\n");
            assert_string_equal(said.text, "name text=db.example.test\n");
            assert_int_equal(said.conversation.protocol, WIRE_TLS);
        }
    }
}

/* The greeting itself is told: its random says which session it is. */
static void what_is_no_host_name_is_left_out(void **state)
{
    (void)state;
    static uint8_t bytes[30000];
    static const char *const names[] = {"", "a name", "pass\tword", "x\n"};
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        conversation_start(&said, WIRE_UNKNOWN);
        said_chunk(&said, WIRE_CLIENT, bytes, hello_build(bytes, names[i], 0, 16384));
        assert_said(&said, "name\n");
        assert_int_equal(said.conversation.protocol, WIRE_TLS);
    }
}

static void a_session_under_way_is_recognised(void **state)
{
    (void)state;
    conversation_start(&said, WIRE_UNKNOWN);
    client(&said, "\x17\x03\x03\x00\x20 0123456789abcdef0123456789abcdef");
    assert_int_equal(said.conversation.protocol, WIRE_TLS);
    conversation_start(&said, WIRE_UNKNOWN);
    server(&said, "\x15\x03\x03\x00\x02\x01\x00");
    assert_int_equal(said.conversation.protocol, WIRE_TLS);
    conversation_start(&said, WIRE_UNKNOWN);
    server(&said, "\x17\x03\x03\x00\x03SELECT");
    client(&said, "\x16\x03\x01\x00\x03\x03sleep");
    client(&said, "\x16\x03\x01\x00\x80\x0c");
    assert_int_equal(said.conversation.protocol, WIRE_UNKNOWN);
}

/* What OpenSSL, Python and node said. */
static void recorded_sessions_are_recognised(void **state)
{
    (void)state;
    static struct recorded recorded;
    for (size_t step = 1; step < 2000; step = step * 3 + 1)
        recorded_folder(&recorded, "tls", "", step);
    assert_true(recorded.conversations >= 5);
    assert_int_equal(recorded.names_told, 5); /* three of them name a server */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(the_server_name_is_told, teardown),
        cmocka_unit_test_teardown(what_is_no_host_name_is_left_out, teardown),
        cmocka_unit_test_teardown(a_session_under_way_is_recognised, teardown),
        cmocka_unit_test(recorded_sessions_are_recognised),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
