/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "wire/recorded.h"

#include "wire/fields.h"
#include "wire/parser.h"

#define QUESTION  \
    "\x03www\x07" \
    "Example\x03" \
    "com\0\0\x01\0\x01"
#define QUERY "\x12\x34\x01\0\0\x01\0\0\0\0\0\0" QUESTION
#define ANSWER                                         \
    "\x12\x34\x81\x80\0\x01\0\x02\0\0\0\0" QUESTION    \
    "\xc0\x0c\0\x01\0\x01\0\0\0\x3c\0\x04\x7f\0\0\x01" \
    "\xc0\x0c\0\x01\0\x01\0\0\0\x3c\0\x04\x7f\0\0\x02"

static struct said said;

static void begin(bool datagrams)
{
    said.datagrams = datagrams;
    conversation_start(&said, WIRE_UNKNOWN);
}

static void datagrams(void **state)
{
    (void)state;
    begin(true);
    client(&said, QUERY);
    server(&said, ANSWER);
    client(&said, "\x12\x35\x01\x20\0\x01\0\0\0\0\0\x01\x05mails\0\0\x0f\0\x01\0\0\x29\x10\0\0\0\0\0\0\0");
    server(&said, "\x12\x35\x81\x83\0\x01\0\0\0\0\0\0\x05mails\0\0\x0f\0\x01");
    client(&said,
           "\x12\x36\x01\0\0\x01\0\0\0\0\0\0\x01"
           "a\0\xff\xfa\0\x01");
    server(&said,
           "\x12\x36\x83\x80\0\x01\0\0\0\0\0\0\x01"
           "a\0\xff\xfa\0\x01");
    assert_said(&said,
                "request 0 A key=www.example.com bytes=33 elements=1\n"
                "response 0 bytes=65 elements=2\n"
                "request 1 MX key=mails bytes=34 elements=1\n"
                "response 1 status=NXDOMAIN failed bytes=23\n"
                "request 2 TYPE65530 key=a bytes=19 elements=1\n"
                "response 2 status=TC bytes=19\n");
}

/* As resolvers do: A and AAAA at once, answered in any order; and answers to nobody's question. */
static void out_of_order(void **state)
{
    (void)state;
    begin(true);
    client(&said,
           "\0\x01\x01\0\0\x01\0\0\0\0\0\0\x01"
           "a\0\0\x01\0\x01");
    client(&said,
           "\0\x02\x01\0\0\x01\0\0\0\0\0\0\x01"
           "a\0\0\x1c\0\x01");
    client(&said,
           "\0\x01\x01\0\0\x01\0\0\0\0\0\0\x01"
           "b\0\0\x21\0\x01"); /* another thread's */
    server(&said,
           "\0\x02\x81\x82\0\x01\0\0\0\0\0\0\x01"
           "a\0\0\x1c\0\x01");
    server(&said,
           "\0\x01\x81\x80\0\x01\0\x01\0\0\0\0\x01"
           "a\0\0\x01\0\x01");
    server(&said,
           "\0\x01\x81\x80\0\x01\0\x01\0\0\0\0\x01"
           "a\0\0\x01\0\x01");
    server(&said,
           "\0\x01\x81\x80\0\x01\0\x01\0\0\0\0\x01"
           "b\0\0\x21\0\x01");
    assert_said(&said,
                "request 0 A key=a bytes=19 elements=1\n"
                "request 1 AAAA key=a bytes=19 elements=1\n"
                "request 2 SRV key=b bytes=19 elements=1\n"
                "response 1 status=SERVFAIL failed bytes=19\n"
                "response 0 bytes=19 elements=1\n"
                "response 2 bytes=19 elements=1\n");
}

static void streams(void **state)
{
    (void)state;
    begin(false);
    client(&said, "\0\x21" QUERY
                  "\0\x13\x12\x35\x01\0\0\x01\0\0\0\0\0\0\x01"
                  "a\0\0\xfc\0\x01");
    server(&said, "\0\x41" ANSWER);
    server(&said,
           "\0\x13\x12\x35\x81\x85\0\x01\0\0\0\0\0\0\x01"
           "a\0\0\xfc\0\x01");
    assert_said(&said,
                "request 0 A key=www.example.com bytes=35 elements=1\n"
                "request 1 AXFR key=a bytes=21 elements=1\n"
                "response 0 bytes=67 elements=2\n"
                "response 1 status=REFUSED failed bytes=21\n");
}

static void large_answers(void **state)
{
    uint8_t answer[4096] = {0};
    (void)state;
    begin(false);
    client(&said, "\0\x21" QUERY);
    memcpy(answer, "\x0f\xfe" ANSWER, sizeof(ANSWER) + 1);
    said_chunk(&said, WIRE_SERVER, answer, sizeof(answer));
    said.with_first = true; /* not in every fragment */
    assert_said(&said,
                "request 0 A key=www.example.com bytes=35 elements=1\n"
                "response 0 bytes=4096 elements=2\n");
    conversation_repeat(&said, 0, 0, 1);
    assert_said(&said,
                "request 0 A key=www.example.com bytes=35 elements=1\n"
                "response 0 bytes=4096 elements=2\n");
    said.with_first = false;
}

static void operations(void **state)
{
    (void)state;
    said.datagrams = true;
    conversation_start(&said, WIRE_DNS);
    client(&said, "\0\x01\x20\0\0\x01\0\0\0\0\0\0\x01z\0\0\x06\0\x01");
    client(&said, "\0\x02\x28\0\0\x01\0\0\0\0\0\0\x01z\0\0\x06\0\x01");
    client(&said, "\0\x03\x78\0\0\x01\0\0\0\0\0\0\x01z\0\0\x06\0\x01");
    assert_said(&said,
                "request 0 NOTIFY key=z bytes=19 elements=1\n"
                "request 1 UPDATE key=z bytes=19 elements=1\n"
                "request 2 OPCODE15 key=z bytes=19 elements=1\n");
}

static void long_names(void **state)
{
    char query[300] = "\0\x01\x01\0\0\x01\0\0\0\0\0", expected[200];
    size_t at = 12;
    (void)state;
    begin(true);
    for (int i = 0; i < 3; i++, at += 61) {
        query[at] = 60;
        memset(query + at + 1, 'x', 60);
    }
    memcpy(query + at, "\0\0\x01\0\x01", 5);
    said_chunk(&said, WIRE_CLIENT, query, at + 5);
    snprintf(expected, sizeof(expected), "request 0 A key=%.60s.%.3s truncated bytes=%zu elements=1\n", query + 13,
             query + 74, at + 5);
    assert_said(&said, expected);
}

static void losses(void **state)
{
    (void)state;
    begin(false);
    client(&said, "\0\x21" QUERY);
    said_gap(&said, WIRE_SERVER, 0);
    server(&said, "\0\x41" ANSWER);
    assert_said(&said,
                "request 0 A key=www.example.com bytes=35 elements=1\n"
                "response 0 lost bytes=67 elements=2\n");
}

static void garbage(void **state)
{
    (void)state;
    said.datagrams = true;
    conversation_start(&said, WIRE_DNS);
    client(&said, "\x12\x34\x01");
    client(&said, "\x12\x34\x01\0\0\0\0\0\0\0\0\0");                       /* no question */
    client(&said, "\x12\x34\x01\0\0\x01\0\0\0\0\0\0\xc0\x0c\0\x01\0\x01"); /* points to itself */
    client(&said,
           "\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x3f"
           "abc\0\0\x01\0\x01"); /* longer than it is */
    client(&said, ANSWER);
    server(&said, QUERY);
    assert_said(&said, "");
    said.datagrams = false;
    conversation_start(&said, WIRE_DNS);
    client(&said,
           "\0\x03"
           "abc");
    assert_int_equal(said.conversation.protocol, WIRE_UNKNOWN);
}

static void guesses(void **state)
{
    static const struct {
        const char *bytes;
        size_t length;
        enum wire_side from;
        enum wire_guess datagram, stream;
    } cases[] = {
#define CASE(literal, side, datagram, stream) \
    {literal, sizeof(literal) - 1, WIRE_##side, WIRE_GUESS_##datagram, WIRE_GUESS_##stream}
        CASE(QUERY, CLIENT, YES, NO),
        CASE(ANSWER, SERVER, YES, NO),
        CASE(QUERY, SERVER, NO, NO),
        CASE("\0\x21" QUERY, CLIENT, NO, YES),
        CASE("\0\x41" ANSWER, SERVER, NO, YES),
        CASE("\0", CLIENT, NO, MORE),
        CASE("\0\x21\x12\x34\x01\0\0\x01\0", CLIENT, NO, MORE),
        CASE("\0\x21\x12\x34\x01\0\0\x02", CLIENT, NO, NO),
        CASE("GET / HTTP/1.1\r\n\r\n", CLIENT, NO, NO),
        CASE("\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x01"
             "a\0\xff\xfa\0\x01",
             CLIENT, NO, NO), /* no such type */
        CASE("\0\x2f\xf8\0\0\0\0\0\0\0\0\0\0\0", CLIENT, NO, NO),
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const uint8_t *bytes = (const uint8_t *)cases[i].bytes;
        if (dns_parser.guess(bytes, cases[i].length, cases[i].from) != cases[i].datagram ||
            dns_parser.on_streams->guess(bytes, cases[i].length, cases[i].from) != cases[i].stream)
            fail_msg("case %zu", i);
    }
}

/* Real clients and servers: what was understood is what was asked for. */
static void recorded_conversations(void **state)
{
    (void)state;
    assert_recorded("dns", "udp", true);
    assert_recorded("dns", "tcp", false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(datagrams),  cmocka_unit_test(out_of_order),
        cmocka_unit_test(streams),    cmocka_unit_test(large_answers),
        cmocka_unit_test(operations), cmocka_unit_test(long_names),
        cmocka_unit_test(losses),     cmocka_unit_test(garbage),
        cmocka_unit_test(guesses),    cmocka_unit_test(recorded_conversations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
