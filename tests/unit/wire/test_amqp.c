/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "wire/recorded.h"

#include "wire/fields.h"
#include "wire/parser.h"

#define GREETING "AMQP\0\0\x09\x01"

static struct said said;

/* A frame with fewer than 65,536 bytes. */
static void say(enum wire_side from, int type, int channel, const void *payload, size_t length)
{
    static uint8_t out[70000];
    const uint8_t header[] = {(uint8_t)type, 0, (uint8_t)channel, 0, 0, (uint8_t)(length >> 8), (uint8_t)length};
    memcpy(out, header, sizeof(header));
    memcpy(out + sizeof(header), payload, length);
    out[sizeof(header) + length] = 0xce;
    said_chunk(&said, from, out, sizeof(header) + length + 1);
}
#define METHOD(from, channel, literal) say(WIRE_##from, 1, (channel), "\0" literal, sizeof(literal))
#define CONTENT(from, channel, size) \
    say(WIRE_##from, 2, (channel), "\0\x3c\0\0\0\0\0\0\0\0\0" size "\0\0", sizeof(size) - 1 + 13)
#define BODY(from, channel, literal) say(WIRE_##from, 3, (channel), literal, sizeof(literal) - 1)

static void log_in(void **state)
{
    (void)state;
    conversation_start(&said, WIRE_UNKNOWN);
    client(&said, GREETING);
    METHOD(SERVER, 0,
           "\x0a\0\x0a\0\x09\0\0\0\0\0\0\0\x05PLAIN\0\0\0\x05"
           "en_US");
    METHOD(CLIENT, 0,
           "\x0a\0\x0b\0\0\0\0\x05PLAIN\0\0\0\x0f\0guest\0s3cr3t-pw\x05"
           "en_US");
    METHOD(SERVER, 0, "\x0a\0\x1e\x07\xff\0\x02\0\0\0\x3c");
    METHOD(CLIENT, 0, "\x0a\0\x1f\x07\xff\0\x02\0\0\0\x3c");
    METHOD(CLIENT, 0, "\x0a\0\x28\x05/shop\0\0");
    METHOD(SERVER, 0, "\x0a\0\x29\0");
    METHOD(CLIENT, 1, "\x14\0\x0a\0");
    METHOD(SERVER, 1, "\x14\0\x0b\0\0\0\0");
    say(WIRE_CLIENT, 8, 0, "", 0);
    METHOD(CLIENT, 0, "\x0a\0\x32\0\xc8\0\0\0\0\0");
    METHOD(SERVER, 0, "\x0a\0\x33");
    assert_said(&said,
                "request 0 CONNECT bytes=48\n"
                "response 0 bytes=20\n"
                "name text=/shop\n"
                "request 1 CONNECTION.OPEN bytes=20\n"
                "response 1 bytes=13\n"
                "request 2 CHANNEL.OPEN bytes=13\n"
                "response 2 bytes=16\n"
                "request 3 CONNECTION.CLOSE bytes=19\n"
                "response 3 bytes=12\n");
    assert_kept_secret(&said, "s3cr3t-pw");
}

static void queues_and_exchanges(void **state)
{
    (void)state;
    conversation_start(&said, WIRE_AMQP);
    METHOD(CLIENT, 1,
           "\x32\0\x0a\0\0\x05"
           "tasks\x02\0\0\0\0");
    METHOD(SERVER, 1,
           "\x32\0\x0b\x05"
           "tasks\0\0\0\x07\0\0\0\x01");
    METHOD(CLIENT, 1, "\x28\0\x0a\0\0\x04logs\x05topic\x10\0\0\0\0"); /* no-wait */
    METHOD(CLIENT, 1, "\x32\0\x14\0\0\x05tasks\x04logs\x05logs.\0\0\0\0\0");
    METHOD(SERVER, 1, "\x32\0\x15");
    METHOD(CLIENT, 1, "\x32\0\x1e\0\0\x05tasks\0");
    METHOD(SERVER, 1, "\x32\0\x1f\0\0\0\x07");
    METHOD(CLIENT, 2,
           "\x3c\0\x14\0\0\x05tasks\x05"
           "ctag1\x02\0\0\0\0");
    METHOD(CLIENT, 1,
           "\x32\0\x0a\0\0\x0b"
           "reply-12345\x02\0\0\0\0");
    METHOD(SERVER, 1,
           "\x32\0\x0b\x05"
           "tasks\0\0\0\0\0\0\0\x01");
    METHOD(SERVER, 2,
           "\x3c\0\x15\x05"
           "ctag1");
    assert_said(&said,
                "request 0 QUEUE.DECLARE text=tasks bytes=25\n"
                "response 0 bytes=26 elements=7\n"
                "request 1 EXCHANGE.DECLARE text=logs no-reply bytes=30\n"
                "request 2 QUEUE.BIND text=tasks bytes=36\n"
                "response 2 bytes=12\n"
                "request 3 QUEUE.PURGE text=tasks sweep write bytes=21\n"
                "response 3 bytes=16 elements=7\n"
                "request 4 BASIC.CONSUME text=tasks bytes=31\n"
                "request 5 QUEUE.DECLARE text=reply-{} bytes=31\n"
                "response 5 bytes=26\n"
                "response 4 bytes=18\n");
}

static void messages(void **state)
{
    (void)state;
    conversation_start(&said, WIRE_UNKNOWN);
    METHOD(CLIENT, 1, "\x3c\0\x28\0\0\x04logs\x09user.1234\0");
    CONTENT(CLIENT, 1, "\x0a");
    BODY(CLIENT, 1, "plan");
    BODY(CLIENT, 1, "tedxxx");
    METHOD(SERVER, 2,
           "\x3c\0\x3c\x05"
           "ctag1\0\0\0\0\0\0\0\x01\0\x04logs\x09user.1234");
    CONTENT(SERVER, 2, "\x07");
    BODY(SERVER, 2, "planted");
    METHOD(CLIENT, 2, "\x3c\0\x50\0\0\0\0\0\0\0\x01\0");
    METHOD(CLIENT, 1, "\x3c\0\x28\0\0\0\x05tasks\1"); /* empty, mandatory */
    CONTENT(CLIENT, 1, "\0");
    METHOD(SERVER, 1, "\x3c\0\x32\x01\x38\x08NO_ROUTE\0\x05tasks");
    CONTENT(SERVER, 1, "\0");
    METHOD(CLIENT, 1, "\x3c\0\x46\0\0\x05tasks\0");
    METHOD(SERVER, 1, "\x3c\0\x47\0\0\0\0\0\0\0\x02\0\0\x05tasks\0\0\0\x03");
    CONTENT(SERVER, 1, "\x07");
    BODY(SERVER, 1, "planted");
    METHOD(CLIENT, 1, "\x3c\0\x46\0\0\x05tasks\0");
    METHOD(SERVER, 1, "\x3c\0\x48\0");
    METHOD(SERVER, 1,
           "\x3c\0\x1e\x05"
           "ctag1\1"); /* the queue is gone */
    assert_said(&said,
                "request 0 BASIC.PUBLISH text=logs/user.{} no-reply write bytes=78\n"
                "push BASIC.DELIVER text=logs/user.{} bytes=79\n"
                "request 1 BASIC.ACK no-reply bytes=21\n"
                "request 2 BASIC.PUBLISH text=/tasks no-reply write bytes=44\n"
                "push BASIC.RETURN text=/tasks status=312 failed bytes=52\n"
                "request 3 BASIC.GET text=tasks bytes=21\n"
                "response 3 bytes=69 elements=1\n"
                "request 4 BASIC.GET text=tasks bytes=21\n"
                "response 4 bytes=13\n"
                "push BASIC.CANCEL bytes=19\n");
    assert_kept_secret(&said, "plan");
}

#define PUBLISH(channel) (METHOD(CLIENT, channel, "\x3c\0\x28\0\0\0\x01q\0"), CONTENT(CLIENT, channel, "\0"))

static void confirms(void **state)
{
    (void)state;
    conversation_start(&said, WIRE_UNKNOWN);
    METHOD(CLIENT, 1, "\x55\0\x0a\0");
    METHOD(SERVER, 1, "\x55\0\x0b");
    PUBLISH(1);
    PUBLISH(1);
    PUBLISH(2);
    PUBLISH(1);
    PUBLISH(1);
    METHOD(SERVER, 1, "\x3c\0\x50\0\0\0\0\0\0\0\x02\0");
    METHOD(SERVER, 1, "\x3c\0\x78\0\0\0\0\0\0\0\x03\1"); /* nack up to the third */
    METHOD(SERVER, 1, "\x3c\0\x50\0\0\0\0\0\0\0\0\1");   /* all */
    METHOD(CLIENT, 1, "\x14\0\x28\0\xc8\0\0\0\0\0");
    METHOD(SERVER, 1, "\x14\0\x29");
    PUBLISH(1);
    assert_said(&said,
                "request 0 CONFIRM.SELECT bytes=13\n"
                "response 0 bytes=12\n"
                "request 1 BASIC.PUBLISH text=/q write bytes=40\n"
                "request 2 BASIC.PUBLISH text=/q write bytes=40\n"
                "request 3 BASIC.PUBLISH text=/q no-reply write bytes=40\n"
                "request 4 BASIC.PUBLISH text=/q write bytes=40\n"
                "request 5 BASIC.PUBLISH text=/q write bytes=40\n"
                "response 2 bytes=21\n"
                "response 1 status=NACK failed bytes=21\n"
                "response 4 status=NACK failed\n"
                "response 5 bytes=21\n"
                "request 6 CHANNEL.CLOSE bytes=19\n"
                "response 6 bytes=12\n"
                "request 7 BASIC.PUBLISH text=/q no-reply write bytes=40\n");
}

static void errors_close(void **state)
{
    (void)state;
    conversation_start(&said, WIRE_UNKNOWN);
    METHOD(CLIENT, 1,
           "\x32\0\x0a\0\0\x05"
           "tasks\1\0\0\0\0");
    METHOD(CLIENT, 2,
           "\x32\0\x0a\0\0\x05"
           "tasks\1\0\0\0\0");
    METHOD(SERVER, 1, "\x14\0\x28\x01\x94\x09NOT_FOUND\0\x32\0\x0a");
    METHOD(CLIENT, 1, "\x14\0\x29");
    METHOD(SERVER, 0,
           "\x0a\0\x32\x01\x40\x06"
           "FORCED\0\0\0\0");
    assert_said(&said,
                "request 0 QUEUE.DECLARE text=tasks bytes=25\n"
                "request 1 QUEUE.DECLARE text=tasks bytes=25\n"
                "response 0 status=404 failed\n"
                "push CHANNEL.CLOSE status=404 failed bytes=28\n"
                "response 1 status=320 failed\n"
                "push CONNECTION.CLOSE status=320 failed bytes=25\n");
}

static void large_bodies(void **state)
{
    static uint8_t body[60000];
    (void)state;
    conversation_start(&said, WIRE_UNKNOWN);
    METHOD(CLIENT, 1, "\x3c\0\x28\0\0\0\x01q\0");
    say(WIRE_CLIENT, 2, 1, "\0\x3c\0\0\0\0\0\0\0\1\xd4\xc0\0\0", 14); /* 120,000 */
    say(WIRE_CLIENT, 3, 1, body, sizeof(body));
    said_gap(&said, WIRE_CLIENT, 0);
    PUBLISH(1);
    METHOD(CLIENT, 1, "\x3c\0\x28\0\0\0\x01q\0");
    say(WIRE_CLIENT, 2, 1, "\0\x3c\0\0\0\0\0\0\0\1\xd4\xc0\0\0", 14);
    say(WIRE_CLIENT, 3, 1, body, sizeof(body));
    say(WIRE_CLIENT, 3, 1, body, sizeof(body));
    static const char *const expected =
        "request 0 BASIC.PUBLISH text=/q no-reply lost write bytes=40\n"
        "request 1 BASIC.PUBLISH text=/q no-reply write bytes=120056\n";
    assert_string_equal(said.text, expected);
    conversation_repeat(&said, 0, 0, 1);
    assert_string_equal(said.text, expected);
}

/* Other channels publish between the parts of a large message. */
static void contents_that_alternate(void **state)
{
    (void)state;
    conversation_start(&said, WIRE_UNKNOWN);
    METHOD(CLIENT, 1, "\x3c\0\x28\0\0\0\x01q\0");
    CONTENT(CLIENT, 1, "\x0a");
    METHOD(CLIENT, 2, "\x3c\0\x28\0\0\0\x01r\0");
    BODY(CLIENT, 1, "0123456789");
    CONTENT(CLIENT, 2, "\x01");
    BODY(CLIENT, 2, "0");
    assert_said(&said,
                "request 0 BASIC.PUBLISH text=/q no-reply write bytes=40\n"
                "request 1 BASIC.PUBLISH text=/r no-reply write bytes=49\n");
}

static void first_bytes(void **state)
{
    (void)state;
    conversation_start(&said, WIRE_UNKNOWN);
    METHOD(CLIENT, 1, "\x3c\0\x46\0\0\x05tasks\0");
    said.with_first = true;
    METHOD(SERVER, 1, "\x3c\0\x47\0\0\0\0\0\0\0\x02\0\0\x05tasks\0\0\0\x03");
    CONTENT(SERVER, 1, "\x01");
    BODY(SERVER, 1, "x");
    said.with_first = false;
    assert_string_equal(said.text,
                        "request 0 BASIC.GET text=tasks bytes=21\n"
                        "first 0\n"
                        "response 0 bytes=63 elements=1\n");
}

static void long_names(void **state)
{
    char publish[600] = "\0\x3c\0\x28\0\0", expected[400];
    (void)state;
    publish[6] = (char)200;
    memset(publish + 7, 'x', 200);
    publish[207] = (char)200;
    memset(publish + 208, 'y', 200);
    conversation_start(&said, WIRE_AMQP);
    say(WIRE_CLIENT, 1, 1, publish, 409);
    CONTENT(CLIENT, 1, "\0");
    snprintf(expected, sizeof(expected), "request 0 BASIC.PUBLISH text=%.120s no-reply truncated write bytes=439\n",
             publish + 7);
    assert_said(&said, expected);
}

static void garbage_and_guesses(void **state)
{
    static const struct {
        const char *bytes;
        size_t length;
        enum wire_side from;
        enum wire_guess guess;
    } cases[] = {
#define CASE(literal, side, answer) {literal, sizeof(literal) - 1, WIRE_##side, WIRE_GUESS_##answer}
        CASE(GREETING, CLIENT, YES),
        CASE("AMQ", CLIENT, MORE),
        CASE("AMQP\0\1\0\0", CLIENT, NO), /* 1.0 */
        CASE("\x08\0\0\0\0\0\0\xce", SERVER, YES),
        CASE("\x08\0\0\0\0\0\1\xce", SERVER, NO),
        CASE("\1\0\1\0\0\0\4\0\x14\0\x29\xce", CLIENT, YES),
        CASE("\1\0\1\0\0\0\4\0\x14\0\x29", CLIENT, MORE),
        CASE("\1\0\1\0\0\0\4\0\x14\0\x29\0", CLIENT, NO),
        CASE("\1\0\1\0\0\0\4\0\x14\0\x2b\xce", CLIENT, NO), /* no such method */
        CASE("\3\0\1\0\0\0\2hi\xce", SERVER, YES),
        CASE("\3\0\1\0\0\x10\0hi", SERVER, NO),
        CASE("\3\0\0\0\x0aSET", SERVER, NO),
        CASE("*1\r\n$4\r\nPING\r\n", CLIENT, NO),
        CASE("\x16\3\1\0\5", CLIENT, NO),
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        if (amqp_parser.guess((const uint8_t *)cases[i].bytes, cases[i].length, cases[i].from) != cases[i].guess)
            fail_msg("case %zu", i);
    static const char *const bad[] = {"\1\0\1\0\0\0\3", "\4\0\1\0\0\0\3", "\x08\0\0\0\0\0\1", "\1\0\1\xff\0\0\4",
                                      "\1\0\1\0\0\0\4\0\x14\0\x29\xcd"};
    static const size_t lengths[] = {7, 7, 7, 7, 12};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        conversation_start(&said, WIRE_AMQP);
        said_chunk(&said, WIRE_CLIENT, bad[i], lengths[i]);
        assert_int_equal(said.conversation.protocol, WIRE_UNKNOWN);
    }
}

/* Real clients and servers: what was understood is what was asked for. */
static void recorded_conversations(void **state)
{
    (void)state;
    assert_recorded("amqp", "pika", false);
    assert_recorded("amqp", "kombu", false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(log_in),
        cmocka_unit_test(queues_and_exchanges),
        cmocka_unit_test(messages),
        cmocka_unit_test(confirms),
        cmocka_unit_test(errors_close),
        cmocka_unit_test(large_bodies),
        cmocka_unit_test(first_bytes),
        cmocka_unit_test(contents_that_alternate),
        cmocka_unit_test(long_names),
        cmocka_unit_test(garbage_and_guesses),
        cmocka_unit_test(recorded_conversations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
