/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Recognition: what happens before a conversation is known, and when it turns out to be another one. */
#include "wire/conversation.h"
#include "wire/frame.h"
#include "wire/queue.h"

static struct said said;

static int setup(void **state)
{
    (void)state;
    conversation_start(&said, WIRE_UNKNOWN);
    return 0;
}

static enum wire_protocol spoken(void)
{
    return said.conversation.protocol;
}

static void protocols_have_names(void **state)
{
    (void)state;
    assert_string_equal(wire_protocol_name(WIRE_REDIS), "redis");
    assert_string_equal(wire_protocol_name(WIRE_UNKNOWN), "unknown");
    assert_string_equal(wire_protocol_name((enum wire_protocol)200), "unknown");
    assert_int_equal(wire_protocol_find("memcached", 9), WIRE_MEMCACHED);
    assert_int_equal(wire_protocol_find("memcache", 8), WIRE_UNKNOWN);
    assert_int_equal(wire_protocol_find("unknown", 7), WIRE_UNKNOWN);
}

/* "PING" may be anybody's; the answer tells, and then the question is understood too. */
static void what_was_held_is_said_again_in_order(void **state)
{
    (void)state;
    client(&said, "PING\r\n");
    assert_int_equal(spoken(), WIRE_UNKNOWN);
    assert_string_equal(said.text, "");
    server(&said, "+PONG\r\n");
    assert_int_equal(spoken(), WIRE_REDIS);
    assert_said(&said, "request 0 PING bytes=6\nresponse 0 bytes=7 elements=1\n");
}

/* Until the beginning of a message comes, what comes is dropped; what is no beginning with what was held may be one
 * alone. */
static void recording_may_begin_anywhere(void **state)
{
    (void)state;
    client(&said, "the rest of a value\r\n");
    client(&said, "*2\r\n$3\r\nGE");
    client(&said, "*2\r\n$3\r\nGET\r\n$1\r\na\r\n");
    server(&said, "$-1\r\n");
    assert_int_equal(spoken(), WIRE_REDIS);
    assert_string_equal(said.text, "request 0 GET key=a bytes=20 elements=1\nresponse 0 status=NIL bytes=5\n");
}

static void a_wrong_guess_is_put_right(void **state)
{
    (void)state;
    client(&said, "get foo\r\n");
    assert_int_equal(spoken(), WIRE_MEMCACHED);
    server(&said, "$3\r\nbar\r\n");
    assert_int_equal(spoken(), WIRE_REDIS);
    client(&said, "get foo\r\n");
    server(&said, "$3\r\nbar\r\n");
    assert_string_equal(said.text,
                        "request 0 GET key=foo bytes=9 elements=1\n"
                        "request 0 GET key=foo bytes=9 elements=1\n"
                        "response 0 bytes=9 elements=1\n");
}

/* Bytes that are nobody's, in a conversation that was taken for somebody's. */
static void what_is_not_understood_is_unknown_again(void **state)
{
    (void)state;
    client(&said, "get foo\r\n");
    server(&said, "\x01\x02\x03\r\n");
    assert_int_equal(spoken(), WIRE_UNKNOWN);
    assert_false(said.conversation.settled);
    client(&said, "*1\r\n$4\r\nPING\r\n");
    assert_int_equal(spoken(), WIRE_REDIS);
}

static void strangers_are_given_up(void **state)
{
    (void)state;
    uint8_t noise[64];
    int chunks = 0;
    for (size_t i = 0; i < sizeof(noise); i++)
        noise[i] = (uint8_t)(0xc1 + i % 5);
    for (; !said.conversation.settled && chunks < 100000; chunks++)
        said_feed(&said, chunks & 1 ? WIRE_SERVER : WIRE_CLIENT, noise, sizeof(noise));
    assert_int_equal(spoken(), WIRE_UNKNOWN);
    assert_in_range(chunks, 20, 1000);
    client(&said, "*1\r\n$4\r\nPING\r\n");
    assert_int_equal(spoken(), WIRE_UNKNOWN);
}

/* A server that is forever on the edge of being understood costs no more than one that is not. */
static void false_starts_are_limited(void **state)
{
    (void)state;
    int rounds = 0;
    for (; !said.conversation.settled && rounds < 1000; rounds++) {
        said_feed(&said, WIRE_CLIENT, (const uint8_t *)"get a\r\n", 7);
        said_feed(&said, WIRE_CLIENT, (const uint8_t *)"\xff\xff", 2);
    }
    assert_in_range(rounds, 1, 100);
}

static void a_gap_while_undecided_drops_what_was_held(void **state)
{
    (void)state;
    client(&said, "*1\r\n$4\r\nPI");
    said_gap(&said, WIRE_CLIENT, 10);
    client(&said, "*1\r\n$4\r\nPING\r\n");
    assert_int_equal(spoken(), WIRE_REDIS);
    assert_string_equal(said.text, "request 0 PING bytes=14\n");
}

static void an_expected_protocol_needs_no_guess(void **state)
{
    (void)state;
    wire_start(&said.conversation, false, WIRE_REDIS);
    assert_int_equal(spoken(), WIRE_REDIS);
    client(&said, "ECHO hello\r\n");
    assert_string_equal(said.text, "request 0 ECHO bytes=12 elements=1\n");
    wire_start(&said.conversation, false, (enum wire_protocol)99);
    assert_int_equal(spoken(), WIRE_UNKNOWN);
}

/* Streams' protocols are not looked for in datagrams. */
static void datagrams_are_no_streams(void **state)
{
    (void)state;
    said.datagrams = true;
    conversation_again(&said);
    client(&said, "*1\r\n$4\r\nPING\r\n");
    assert_int_equal(spoken(), WIRE_UNKNOWN);
    said.datagrams = false;
}

/* "\0\0" may begin a message of several protocols; here it ends one that nobody saw. */
static void the_end_of_a_message_spoils_nothing(void **state)
{
    (void)state;
    server(&said, "\0\0");
    client(&said, "*1\r\n$4\r\nPING\r\n");
    server(&said, "+PONG\r\n");
    assert_int_equal(spoken(), WIRE_REDIS);
    assert_said(&said, "request 0 PING bytes=14\nresponse 0 bytes=7 elements=1\n");
}

static void many_turns_while_undecided_are_survived(void **state)
{
    (void)state;
    for (int i = 0; i < 60; i++) {
        said_feed(&said, WIRE_CLIENT, (const uint8_t *)"*2\r\n$300000" + (i % 2 ? 1 : 0), 1);
        said_feed(&said, WIRE_SERVER, (const uint8_t *)"*", 1);
    }
    client(&said, "*1\r\n$4\r\nPING\r\n");
    server(&said, "+PONG\r\n");
    client(&said, "*1\r\n$4\r\nPING\r\n");
    assert_int_equal(spoken(), WIRE_REDIS);
}

static uint64_t length_of(const uint8_t *header, void *context)
{
    (void)context;
    return header[0] == 0xff ? 0 : 2 + (uint64_t)header[1];
}

static void frames_are_taken_from_any_parts(void **state)
{
    (void)state;
    static const uint8_t bytes[] = {1, 3, 'a', 'b', 'c', 2, 0, 3, 1, 'd', 0xff, 1};
    for (size_t step = 1; step <= sizeof(bytes); step++) {
        struct frame_head head = {0};
        struct frame frame;
        enum frame_result got = FRAME_MORE;
        int frames = 0;
        for (size_t at = 0; at < sizeof(bytes) && got != FRAME_WRONG; at += step) {
            struct frame_input in = {bytes + at, sizeof(bytes) - at < step ? sizeof(bytes) - at : step};
            while ((got = frame_take(&head, &in, 2, length_of, NULL, &frame)) == FRAME_WHOLE) {
                frames++;
                assert_int_equal(frame.bytes[0], frames);
                assert_int_equal(frame.held, frame.length);
            }
        }
        assert_int_equal(frames, 3);
        assert_int_equal(got, FRAME_WRONG);
    }
}

static uint64_t length_long(const uint8_t *header, void *context)
{
    (void)header;
    (void)context;
    return 5000;
}

static void only_the_head_of_a_long_frame_is_held(void **state)
{
    (void)state;
    static uint8_t bytes[5000];
    for (size_t step = 1; step <= sizeof(bytes); step = step * 5 + 3) {
        struct frame_head head = {0};
        struct frame frame;
        int frames = 0;
        for (size_t at = 0; at < sizeof(bytes); at += step) {
            struct frame_input in = {bytes + at, sizeof(bytes) - at < step ? sizeof(bytes) - at : step};
            while (frame_take(&head, &in, 4, length_long, NULL, &frame) == FRAME_WHOLE)
                frames++;
        }
        assert_int_equal(frames, 1);
        assert_int_equal(frame.held, WIRE_HEAD);
        assert_int_equal(frame.length, 5000);
    }
    struct frame_head head = {0};
    struct frame frame;
    struct frame_input in = {bytes, 600};
    assert_int_equal(frame_take(&head, &in, 4, length_long, NULL, &frame), FRAME_MORE);
    assert_true(frame_skip(&head, 4, 4399));
    in = (struct frame_input){bytes, 1};
    assert_int_equal(frame_take(&head, &in, 4, length_long, NULL, &frame), FRAME_WHOLE);
    assert_false(frame_skip(&head, 4, 1));
}

static void requests_beyond_the_queue_are_counted(void **state)
{
    (void)state;
    struct wire_queue q = {0};
    for (int i = 0; i < 100; i++)
        assert_int_equal(queue_push(&q), i < WIRE_PENDING ? i : WIRE_QUEUE_NONE);
    for (int i = 0; i < 40; i++) {
        assert_int_equal(queue_front(&q), i);
        assert_true(queue_pop(&q));
    }
    assert_int_equal(queue_push(&q), 100 % WIRE_PENDING); /* 60 in flight: there is room */
    for (int i = 40; i < 101; i++) {
        assert_int_equal(queue_front(&q), i < 64 || i == 100 ? i % WIRE_PENDING : WIRE_QUEUE_NONE);
        assert_true(queue_pop(&q));
    }
    assert_false(queue_pop(&q));
    assert_int_equal(q.oldest, 101);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup(name, setup)
        TEST(protocols_have_names),
        TEST(what_was_held_is_said_again_in_order),
        TEST(recording_may_begin_anywhere),
        TEST(a_wrong_guess_is_put_right),
        TEST(what_is_not_understood_is_unknown_again),
        TEST(strangers_are_given_up),
        TEST(false_starts_are_limited),
        TEST(a_gap_while_undecided_drops_what_was_held),
        TEST(an_expected_protocol_needs_no_guess),
        TEST(datagrams_are_no_streams),
        TEST(the_end_of_a_message_spoils_nothing),
        TEST(many_turns_while_undecided_are_survived),
        TEST(frames_are_taken_from_any_parts),
        TEST(only_the_head_of_a_long_frame_is_held),
        TEST(requests_beyond_the_queue_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
