/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "wire/recorded.h"

#include "wire/fields.h"
#include "wire/parser.h"

#define PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
#define SETTINGS "\0\0\0\x04\0\0\0\0\0"
#define ACK "\0\0\0\x04\x01\0\0\0\0"
/* Frames with fewer than 256 bytes, on streams below 256. */
#define FRAME(type, flags, stream, payload) \
    frame((char[300]){0}, (type), (flags), (stream), (payload), sizeof(payload) - 1)
#define HEADERS(flags, stream, block) FRAME(1, (flags), (stream), (block))
#define DATA(flags, stream, payload) FRAME(0, (flags), (stream), (payload))
#define END_STREAM 0x01
#define END_HEADERS 0x04

static struct said said;

struct bytes {
    const char *bytes;
    size_t length;
};

static struct bytes frame(char *out, int type, int flags, int stream, const char *payload, size_t length)
{
    const uint8_t header[] = {0, 0, (uint8_t)length, (uint8_t)type, (uint8_t)flags, 0, 0, 0, (uint8_t)stream};
    memcpy(out, header, sizeof(header));
    memcpy(out + sizeof(header), payload, length);
    return (struct bytes){out, length + sizeof(header)};
}

static void say(enum wire_side from, struct bytes b)
{
    said_chunk(&said, from, b.bytes, b.length);
}

static void begin(void)
{
    conversation_start(&said, WIRE_UNKNOWN);
    client(&said, PREFACE SETTINGS);
    server(&said, SETTINGS ACK);
    client(&said, ACK);
}

/* RFC 7541, appendix C.3 and C.5: without Huffman coding. */
#define C31 "\x82\x86\x84\x41\x0fwww.example.com"
#define C32 "\x82\x86\x84\xbe\x58\x08no-cache"
#define C33                    \
    "\x82\x87\x85\xbf\x40\x0a" \
    "custom-key\x0c"           \
    "custom-value"
/* C.4 and C.6: with it. */
#define C41 "\x82\x86\x84\x41\x8c\xf1\xe3\xc2\xe5\xf2\x3a\x6b\xa0\xab\x90\xf4\xff"
#define C42 "\x82\x86\x84\xbe\x58\x86\xa8\xeb\x10\x64\x9c\xbf"
#define C61                                                                                                            \
    "\x48\x82\x64\x02\x58\x85\xae\xc3\x77\x1a\x4b\x61\x96\xd0\x7a\xbe\x94\x10\x54\xd4\x44\xa8\x20\x05\x95\x04\x0b\x81" \
    "\x66\xe0\x82\xa6\x2d\x1b\xff\x6e\x91\x9d\x29\xad\x17\x18\x63\xc7\x8f\x0b\x97\xc8\xe9\xae\x82\xae\x43\xd3"
#define C62 "\x48\x83\x64\x0e\xff\xc1\xc0\xbf"
#define C63                                                                                                            \
    "\x88\xc1\x61\x96\xd0\x7a\xbe\x94\x10\x54\xd4\x44\xa8\x20\x05\x95\x04\x0b\x81\x66\xe0\x84\xa6\x2d\x1b\xff\xc0\x5a" \
    "\x83\x9b\xd9\xab\x77\xad\x94\xe7\x82\x1d\xd7\xf2\xe6\xc7\xb3\x35\xdf\xdf\xcd\x5b\x39\x60\xd5\xaf\x27\x08\x7f\x36" \
    "\x72\xc1\xab\x27\x0f\xb5\x29\x1f\x95\x87\x31\x60\x65\xc0\x03\xed\x4e\xe5\xb1\x06\x3d\x50\x07"

static void examples_of_the_standard(void **state)
{
    (void)state;
    begin();
    say(WIRE_CLIENT, HEADERS(END_STREAM | END_HEADERS, 1, C41));
    say(WIRE_SERVER, HEADERS(END_STREAM | END_HEADERS, 1, C61));
    say(WIRE_CLIENT, HEADERS(END_STREAM | END_HEADERS, 3, C42));
    say(WIRE_SERVER, HEADERS(END_STREAM | END_HEADERS, 3, C62));
    say(WIRE_CLIENT, HEADERS(END_STREAM | END_HEADERS, 5, C33));
    say(WIRE_SERVER, HEADERS(END_STREAM | END_HEADERS, 5, C63));
    assert_said(&said,
                "name text=www.example.com\n"
                "request 0 GET text=/ bytes=26\n"
                "response 0 status=302 bytes=63\n"
                "request 1 GET text=/ bytes=21\n"
                "response 1 status=307 bytes=17\n"
                "request 2 GET text=/index.html bytes=38\n"
                "response 2 status=200 bytes=88\n");
}

static void strings_without_huffman(void **state)
{
    (void)state;
    begin();
    say(WIRE_CLIENT, HEADERS(END_STREAM | END_HEADERS, 1, C31));
    say(WIRE_CLIENT, HEADERS(END_STREAM | END_HEADERS, 3, C32));
    say(WIRE_CLIENT, HEADERS(END_STREAM | END_HEADERS, 5, C33));
    say(WIRE_CLIENT, HEADERS(END_STREAM | END_HEADERS, 7,
                             "\x42\x06"
                             "DELETE\x04\x0a/cards/887\x10\x08password\x07planted"));
    assert_said(&said,
                "name text=www.example.com\n"
                "request 0 GET text=/ bytes=29\n"
                "request 1 GET text=/ bytes=23\n"
                "request 2 GET text=/index.html bytes=38\n"
                "request 3 DELETE text=/cards/{} bytes=47\n");
    assert_kept_secret(&said, "planted");
}

/* Later requests refer to paths and methods by number, which changes with every insertion. */
static void paths_of_the_dynamic_table(void **state)
{
    (void)state;
    begin();
    say(WIRE_CLIENT, HEADERS(END_STREAM | END_HEADERS, 1, "\x83\x44\x0c/pkg.S/Hello"));
    say(WIRE_CLIENT, HEADERS(END_STREAM | END_HEADERS, 3, "\x83\xbe"));
    say(WIRE_CLIENT, HEADERS(END_STREAM | END_HEADERS, 5, "\x83\x44\x0a/pkg.S/Bye"));
    say(WIRE_CLIENT, HEADERS(END_STREAM | END_HEADERS, 7, "\x83\xbf"));
    say(WIRE_CLIENT, HEADERS(END_STREAM | END_HEADERS, 9, "\x42\x03PUT\xbf"));     /* Bye */
    say(WIRE_CLIENT, HEADERS(END_STREAM | END_HEADERS, 11, "\xbe\x7f\x01\x02/x")); /* name of Hello */
    /* Not known: more than what has been inserted. */
    say(WIRE_CLIENT, HEADERS(END_STREAM | END_HEADERS, 13, "\x83\xff\x01"));
    assert_said(&said,
                "request 0 POST text=/pkg.S/Hello bytes=24\n"
                "request 1 POST text=/pkg.S/Hello bytes=11\n"
                "request 2 POST text=/pkg.S/Bye bytes=22\n"
                "request 3 POST text=/pkg.S/Hello bytes=11\n"
                "request 4 PUT text=/pkg.S/Bye bytes=15\n"
                "request 5 PUT text=/x bytes=15\n"
                "request 6 POST compressed bytes=12\n");
}

/* What had to make room is not known any more, and nothing else is said in its place. */
static void a_path_that_had_to_go(void **state)
{
    (void)state;
    begin();
    said.with_first = true; /* once is enough */
    for (int i = 0; i < 20; i++) {
        char block[64];
        int n = snprintf(block, sizeof(block), "\x83\x44\x0b/path/of/%c%c", 'a' + i, 'z');
        char out[300];
        say(WIRE_CLIENT, frame(out, 1, END_STREAM | END_HEADERS, 2 * i + 1, block, (size_t)n));
    }
    said.used = 0;
    say(WIRE_CLIENT, HEADERS(END_STREAM | END_HEADERS, 41, "\x83\xbe"));       /* the youngest */
    say(WIRE_CLIENT, HEADERS(END_STREAM | END_HEADERS, 43, "\x83\xcc"));       /* 14 before */
    say(WIRE_CLIENT, HEADERS(END_STREAM | END_HEADERS, 45, "\x83\xcd"));       /* 15 before */
    say(WIRE_CLIENT, HEADERS(END_STREAM | END_HEADERS, 47, "\x83\xd1"));       /* the oldest */
    say(WIRE_CLIENT, HEADERS(END_STREAM | END_HEADERS, 49, "\x83\x11\x02/y")); /* not inserted */
    said.with_first = false;
    assert_string_equal(said.text,
                        "request 20 POST text=/path/of/tz bytes=11\n"
                        "request 21 POST text=/path/of/fz bytes=11\n"
                        "request 22 POST compressed bytes=11\n"
                        "request 23 POST compressed bytes=11\n"
                        "request 24 POST compressed bytes=14\n");
}

static void bodies_and_interleaving(void **state)
{
    (void)state;
    begin();
    say(WIRE_CLIENT, HEADERS(END_HEADERS, 1, "\x83\x04\x02/a"));
    say(WIRE_CLIENT, DATA(0, 1, "a part"));
    say(WIRE_CLIENT, HEADERS(END_STREAM | END_HEADERS, 3, "\x82\x04\x02/b"));
    say(WIRE_CLIENT, DATA(END_STREAM, 1, "the rest"));
    say(WIRE_SERVER, HEADERS(END_HEADERS, 3, "\x88"));
    say(WIRE_SERVER, HEADERS(END_HEADERS, 1, "\x8e"));
    say(WIRE_SERVER, DATA(0, 3, "some"));
    say(WIRE_SERVER, DATA(END_STREAM, 1, ""));
    say(WIRE_SERVER, FRAME(6, 0, 0, "\0\0\0\0\0\0\0\0"));
    say(WIRE_SERVER, DATA(END_STREAM | 0x08, 3, "\x03more\0\0\0"));
    assert_said(&said,
                "request 0 POST text=/a bytes=14\n"
                "request 1 GET text=/b bytes=14\n"
                "response 0 status=500 failed bytes=19\n"
                "response 1 status=200 bytes=40\n");
}

static void blocks_in_pieces(void **state)
{
    (void)state;
    begin();
    say(WIRE_CLIENT, HEADERS(END_STREAM | 0x08 | 0x20, 1, "\x02\0\0\0\0\x10\x82\x04\x0a/ca\0\0"));
    say(WIRE_CLIENT, FRAME(9, 0, 1, "rds"));
    say(WIRE_CLIENT, FRAME(9, 0, 1, ""));
    say(WIRE_CLIENT, FRAME(9, END_HEADERS, 1, "/1234"));
    say(WIRE_SERVER, FRAME(5, END_HEADERS, 1, "\0\0\0\x02\x82\x44\x02/p")); /* its entry counts */
    say(WIRE_SERVER, HEADERS(END_HEADERS, 1,
                             "\x48\x03"
                             "404"));
    say(WIRE_SERVER, DATA(END_STREAM, 1, "no"));
    say(WIRE_CLIENT, HEADERS(END_STREAM | END_HEADERS, 3, "\x82\x84"));
    say(WIRE_SERVER, HEADERS(END_STREAM | END_HEADERS, 3, "\xbe"));
    assert_said(&said,
                "request 0 GET text=/cards/{} bytes=58\n"
                "response 0 status=404 failed bytes=25\n"
                "request 1 GET text=/ bytes=11\n"
                "response 1 status=404 failed bytes=10\n");
}

static void grpc_statuses(void **state)
{
    (void)state;
    begin();
    say(WIRE_CLIENT, HEADERS(END_HEADERS, 1, "\x83\x04\x06/p.S/M"));
    say(WIRE_SERVER, HEADERS(END_HEADERS, 1, "\x88"));
    say(WIRE_SERVER, DATA(0, 1, "\0\0\0\0\0"));
    say(WIRE_SERVER, HEADERS(END_STREAM | END_HEADERS, 1,
                             "\x40\x0bgrpc-status\x01"
                             "0"));
    say(WIRE_CLIENT, HEADERS(END_HEADERS, 3, "\x83\x04\x06/p.S/M"));
    say(WIRE_SERVER, HEADERS(END_STREAM | END_HEADERS, 3,
                             "\x88\x7e\x02"
                             "14"));
    say(WIRE_CLIENT, HEADERS(END_HEADERS, 5, "\x83\x04\x06/p.S/M"));
    say(WIRE_SERVER, HEADERS(END_STREAM | END_HEADERS, 5, "\x88\xbf"));
    say(WIRE_CLIENT, HEADERS(END_HEADERS, 7, "\x83\x04\x06/p.S/M"));
    say(WIRE_SERVER, HEADERS(END_STREAM | END_HEADERS, 7, "\x88\xbe"));
    assert_said(&said,
                "request 0 POST text=/p.S/M bytes=18\n"
                "response 0 status=OK bytes=48\n"
                "request 1 POST text=/p.S/M bytes=18\n"
                "response 1 status=UNAVAILABLE failed bytes=14\n"
                "request 2 POST text=/p.S/M bytes=18\n"
                "response 2 status=OK bytes=11\n"
                "request 3 POST text=/p.S/M bytes=18\n"
                "response 3 status=UNAVAILABLE failed bytes=11\n");
}

static void resets_and_interim_responses(void **state)
{
    (void)state;
    begin();
    say(WIRE_CLIENT, HEADERS(END_HEADERS, 1, "\x83\x04\x02/a"));
    say(WIRE_SERVER, HEADERS(END_HEADERS, 1,
                             "\x48\x03"
                             "100"));
    say(WIRE_SERVER, FRAME(3, 0, 1, "\0\0\0\x02"));
    say(WIRE_CLIENT, HEADERS(END_HEADERS, 3, "\x83\x04\x02/b"));
    say(WIRE_SERVER, HEADERS(END_HEADERS, 3, "\x88"));
    say(WIRE_CLIENT, HEADERS(END_STREAM | END_HEADERS, 3, "\x40\x01x\x01y")); /* trailers */
    say(WIRE_CLIENT, FRAME(3, 0, 3, "\0\0\0\x08"));
    say(WIRE_SERVER, DATA(END_STREAM, 3, "too late"));
    /* Statuses that are not known are not called successes. */
    say(WIRE_CLIENT, HEADERS(END_HEADERS, 5, "\x83\x04\x02/c"));
    say(WIRE_SERVER, HEADERS(END_HEADERS | END_STREAM, 5, "\xff\x10"));
    assert_said(&said,
                "request 0 POST text=/a bytes=14\n"
                "response 0 status=INTERNAL_ERROR failed bytes=14\n"
                "request 1 POST text=/b bytes=14\n"
                "response 1 status=CANCEL failed bytes=10\n"
                "request 2 POST text=/c bytes=14\n"
                "response 2 compressed bytes=11\n");
}

static void first_bytes(void **state)
{
    (void)state;
    begin();
    said.with_first = true;
    say(WIRE_CLIENT, HEADERS(END_STREAM | END_HEADERS, 1, "\x82\x84"));
    say(WIRE_SERVER, HEADERS(END_HEADERS, 1, "\x88"));
    say(WIRE_SERVER, DATA(0, 1, "a"));
    say(WIRE_SERVER, DATA(END_STREAM, 1, "b"));
    said.with_first = false;
    assert_string_equal(said.text,
                        "request 0 GET text=/ bytes=11\n"
                        "first 0\n"
                        "response 0 status=200 bytes=30\n");
}

static void gaps(void **state)
{
    (void)state;
    begin();
    say(WIRE_CLIENT, HEADERS(END_STREAM | END_HEADERS, 1, "\x82\x44\x02/a"));
    say(WIRE_SERVER, HEADERS(END_HEADERS, 1, "\x88"));
    server(&said, "\0\x10\0\0\x01\0\0\0\x01"); /* a file's content by sendfile */
    said_gap(&said, WIRE_SERVER, 4096);
    say(WIRE_CLIENT, HEADERS(END_STREAM | END_HEADERS, 3, "\x82\xbe"));
    say(WIRE_SERVER, HEADERS(END_HEADERS | END_STREAM, 3, "\x88"));
    said_gap(&said, WIRE_CLIENT, 0);
    /* Nothing is known of the table then but what comes later. */
    say(WIRE_CLIENT, HEADERS(END_STREAM | END_HEADERS, 5, "\x82\xbe"));
    say(WIRE_CLIENT, HEADERS(END_STREAM | END_HEADERS, 7, "\x82\x44\x02/b"));
    say(WIRE_CLIENT, HEADERS(END_STREAM | END_HEADERS, 9, "\x82\xbe"));
    say(WIRE_CLIENT, HEADERS(END_STREAM | END_HEADERS, 11, "\x82\xbf"));
    assert_said(&said,
                "request 0 GET text=/a bytes=14\n"
                "response 0 status=200 bytes=4115\n"
                "request 1 GET text=/a bytes=11\n"
                "response 1 status=200 bytes=10\n"
                "request 2 GET compressed lost bytes=11\n"
                "request 3 GET text=/b bytes=14\n"
                "request 4 GET text=/b bytes=11\n"
                "request 5 GET compressed bytes=11\n");
}

/* Recording began in the middle. */
static void in_the_middle(void **state)
{
    (void)state;
    conversation_start(&said, WIRE_UNKNOWN);
    server(&said, "the rest of a DATA frame");
    say(WIRE_CLIENT, HEADERS(END_STREAM | END_HEADERS, 101, "\x82\xc0\x04\x02/c"));
    say(WIRE_SERVER, HEADERS(END_STREAM | END_HEADERS, 99, "\x88"));
    say(WIRE_SERVER, HEADERS(END_STREAM | END_HEADERS, 101, "\x88"));
    assert_string_equal(said.text,
                        "request 0 GET text=/c bytes=15\n"
                        "response 0 status=200 bytes=10\n");
}

static void long_strings(void **state)
{
    char block[300] = "\x82\x44\x7f\x81\x01/", *end = block + 5;
    char out[600];
    (void)state;
    memset(end + 1, 'a', 255);
    begin();
    struct bytes b = frame(out, 1, END_STREAM | END_HEADERS, 1, block, 5 + 256);
    out[1] = 1, out[2] = 5;
    say(WIRE_CLIENT, b);
    said.with_first = true;
    assert_non_null(strstr(said.text, "request 0 GET text=/aaaa"));
    assert_non_null(strstr(said.text, " truncated bytes=270\n"));
    said.used = 0;
    say(WIRE_CLIENT, HEADERS(END_STREAM | END_HEADERS, 3, "\x82\xbe"));
    assert_string_equal(said.text, "request 1 GET compressed bytes=11\n");
    said.with_first = false;
}

static void more_streams_than_places(void **state)
{
    (void)state;
    begin();
    for (int i = 0; i < 100; i++)
        say(WIRE_CLIENT, HEADERS(END_STREAM | END_HEADERS, 2 * i + 1, "\x82\x84"));
    said.used = 0;
    say(WIRE_SERVER, HEADERS(END_STREAM | END_HEADERS, 1, "\x88"));
    say(WIRE_SERVER, HEADERS(END_STREAM | END_HEADERS, 199, "\x88"));
    say(WIRE_SERVER, HEADERS(END_STREAM | END_HEADERS, 2 * 36 + 1, "\x88"));
    assert_string_equal(said.text, "response 99 status=200 bytes=10\nresponse 36 status=200 bytes=10\n");
}

static void garbage(void **state)
{
    static const struct {
        const char *bytes;
        size_t length;
    } bad[] = {
#define BAD(literal) {literal, sizeof(literal) - 1}
        BAD("PRI * HTTP/1.1\r\n"),
        BAD("\0\0\x03\x01\x05\0\0\0\0\x82\x84\x84"),                 /* HEADERS on no stream */
        BAD("\0\0\x01\x01\x05\0\0\0\x01\x80"),                       /* entry 0 */
        BAD("\0\0\x06\x01\x05\0\0\0\x01\xff\xff\xff\xff\xff\xff"),   /* absurd number */
        BAD("\0\0\x01\x01\x05\0\0\0\x01\x44"),                       /* ends within a field */
        BAD("\0\0\x06\x01\x05\0\0\0\x01\x04\x84\xff\xff\xff\xff"),   /* EOS */
        BAD("\0\0\x01\x09\x04\0\0\0\x01\x82"),                       /* continues nothing */
        BAD("\0\0\x01\x01\x00\0\0\0\x01\x82\0\0\0\0\x01\0\0\0\x01"), /* DATA within a block */
        BAD("\0\0\x02\x01\x0c\0\0\0\x01\x05\x82"),                   /* more padding than payload */
        BAD("\0\0\x05\x08\0\0\0\0\0\0\0\0\0\0"),                     /* WINDOW_UPDATE of 5 bytes */
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        conversation_start(&said, WIRE_HTTP2);
        said_chunk(&said, WIRE_CLIENT, bad[i].bytes, bad[i].length);
        if (said.conversation.protocol == WIRE_HTTP2)
            fail_msg("was HTTP/2: %zu", i);
    }
}

static void guesses(void **state)
{
    static const struct {
        const char *bytes;
        size_t length;
        enum wire_side from;
        enum wire_guess guess;
    } cases[] = {
#define CASE(literal, side, answer) {literal, sizeof(literal) - 1, WIRE_##side, WIRE_GUESS_##answer}
        CASE(PREFACE, CLIENT, YES),
        CASE("PRI", CLIENT, MORE),
        CASE("PRIMARY KEY", CLIENT, NO),
        CASE("P", SERVER, NO),
        CASE(SETTINGS, SERVER, YES),
        CASE("\0\0\x06\x04\0\0\0\0\0\0\x03\0\0\0\x64", SERVER, YES),
        CASE("\0\0\x06\x04\0\0\0\0\0\0\x03", SERVER, MORE),
        CASE("\0\0\x02\x01\x05\0\0\0\x03\x82\x84", CLIENT, YES),
        CASE("\0", CLIENT, MORE),
        CASE("\0\0\0\x08\x04\xd2\x16\x2f", CLIENT, NO),             /* PostgreSQL: SSLRequest */
        CASE("\0\0\0\x54\0\x03\0\0user", CLIENT, NO),               /* PostgreSQL: start-up */
        CASE("\x03\0\0\0\x1b\0\0", CLIENT, NO),                     /* MySQL */
        CASE("\x07\0\0\x02\0\0\0\x02\0\0\0", SERVER, NO),           /* MySQL: OK */
        CASE("\0\x1d\x12\x34\x01\0\0\x01\0\0\0\0\0\0", CLIENT, NO), /* DNS */
        CASE("\x16\x03\x01\0\x05", CLIENT, NO),
        CASE("GET / HTTP/1.1\r\n", CLIENT, NO),
        CASE("\0\0\0\0\0\0\0\0\0\0\0\0", CLIENT, NO),
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        if (http2_parser.guess((const uint8_t *)cases[i].bytes, cases[i].length, cases[i].from) != cases[i].guess)
            fail_msg("case %zu", i);
}

/* Real clients and servers: what was understood is what was asked for. */
static void recorded_conversations(void **state)
{
    (void)state;
    assert_recorded("http2", "curl", false);
    assert_recorded("http2", "nghttp", false);
    assert_recorded("http2", "h2", false);
    assert_recorded("http2", "grpc", false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(examples_of_the_standard),
        cmocka_unit_test(strings_without_huffman),
        cmocka_unit_test(paths_of_the_dynamic_table),
        cmocka_unit_test(a_path_that_had_to_go),
        cmocka_unit_test(bodies_and_interleaving),
        cmocka_unit_test(blocks_in_pieces),
        cmocka_unit_test(grpc_statuses),
        cmocka_unit_test(resets_and_interim_responses),
        cmocka_unit_test(first_bytes),
        cmocka_unit_test(gaps),
        cmocka_unit_test(in_the_middle),
        cmocka_unit_test(long_strings),
        cmocka_unit_test(more_streams_than_places),
        cmocka_unit_test(garbage),
        cmocka_unit_test(guesses),
        cmocka_unit_test(recorded_conversations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
