/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "wire/recorded.h"

#include "wire/bson.h"
#include "wire/fields.h"
#include "wire/parser.h"

static struct said said;

/* A message under construction. */
static struct {
    uint8_t bytes[8192];
    size_t used;
} out;

static void put(const void *bytes, size_t n)
{
    memcpy(out.bytes + out.used, bytes, n);
    out.used += n;
}

static void put32(uint32_t value)
{
    put(&value, 4);
}

static void patch32(size_t at, size_t value)
{
    uint32_t v = (uint32_t)value;
    memcpy(out.bytes + at, &v, 4);
}

/*
 * A document from text: "find:'users' limit:5 filter:{} ok:1.0 id:7L flag:true list:[{a:1}]": names without quotes,
 * integers, 64-bit integers with an L, the doubles 0.0 and 1.0, strings in apostrophes.
 */
static const char *put_document(const char *text);

static const char *put_value(const char *text, size_t type)
{
    char *end;
    if (*text == '{' || *text == '[') {
        out.bytes[type] = *text == '{' ? BSON_DOCUMENT : BSON_ARRAY;
        return put_document(text + 1);
    }
    if (*text == '\'') {
        size_t n = strcspn(text + 1, "'");
        out.bytes[type] = BSON_STRING;
        put32((uint32_t)n + 1);
        put(text + 1, n);
        put("", 1);
        return text + n + 2;
    }
    if (*text == 't' || *text == 'f') {
        out.bytes[type] = BSON_BOOL;
        put(*text == 't' ? "\1" : "\0", 1);
        return text + (*text == 't' ? 4 : 5);
    }
    long long value = strtoll(text, &end, 10);
    if (*end == '.') {
        double number = strtod(text, &end);
        out.bytes[type] = BSON_DOUBLE;
        put(&number, 8);
    } else if (*end == 'L') {
        out.bytes[type] = BSON_INT64;
        put(&value, 8);
        end++;
    } else {
        out.bytes[type] = BSON_INT32;
        put32((uint32_t)value);
    }
    return end;
}

static const char *put_document(const char *text)
{
    size_t start = out.used;
    unsigned index = 0;
    bool array = text[-1] == '[';
    put32(0);
    while (*text && *text != '}' && *text != ']') {
        size_t type = out.used, n = array ? 0 : strcspn(text, ":");
        char name[12];
        put("", 1);
        if (array)
            put(name, (size_t)snprintf(name, sizeof(name), "%u", index++));
        else
            put(text, n);
        put("", 1);
        text = put_value(text + n + (array ? 0 : 1), type);
        text += *text == ' ';
    }
    put("", 1);
    patch32(start, out.used - start);
    return text + (*text != '\0');
}

static void header(uint32_t id, uint32_t to, uint32_t opcode)
{
    out.used = 0;
    put32(0);
    put32(id);
    put32(to);
    put32(opcode);
}

static void say(enum wire_side from)
{
    patch32(0, out.used);
    said_chunk(&said, from, out.bytes, out.used);
}

/* put_document looks at the character before. */
#define DOCUMENT(text) put_document(&" " text[1])

#define COMMAND(id, flags, text) (header((id), 0, 2013), put32(flags), put("", 1), DOCUMENT(text), say(WIRE_CLIENT))
#define REPLY(to, text) (header(1000 + (to), (to), 2013), put32(0), put("", 1), DOCUMENT(text), say(WIRE_SERVER))

static void commands_and_replies(void **state)
{
    (void)state;
    conversation_start(&said, WIRE_UNKNOWN);
    COMMAND(1, 0, "hello:1 helloOk:true client:{driver:'x'} $db:'admin'");
    REPLY(1, "isWritablePrimary:true ok:1.0");
    COMMAND(2, 0, "find:'users' filter:{name:'planted'} limit:5 lsid:{id:1} $db:'shop'");
    REPLY(2, "cursor:{firstBatch:[{a:1} {a:2} {a:3}] id:0L ns:'shop.users'} ok:1.0");
    COMMAND(3, 0, "findAndModify:'users' query:{a:1} update:{b:'planted'} $db:'shop'");
    REPLY(3, "ok:0.0 errmsg:'planted' code:26 codeName:'NamespaceNotFound'");
    COMMAND(4, 0, "ping:1 $db:'admin'");
    REPLY(4, "ok:0.0 code:13 errmsg:'x'");
    assert_said(&said,
                "request 0 HELLO bytes=89\n"
                "response 0 bytes=58\n"
                "name text=shop\n"
                "request 1 FIND text=users bytes=117\n"
                "response 1 bytes=144 elements=3\n"
                "request 2 FINDANDMODIFY text=users write bytes=112\n"
                "response 2 status=NamespaceNotFound failed bytes=100\n"
                "request 3 PING bytes=51\n"
                "response 3 status=13 failed bytes=62\n");
    assert_kept_secret(&said, "planted");
}

static void answers_in_any_order(void **state)
{
    (void)state;
    conversation_start(&said, WIRE_UNKNOWN);
    COMMAND(1, 0, "count:'a' query:{} $db:'d'");
    COMMAND(2, 0, "count:'b' query:{} $db:'d'");
    REPLY(2, "n:2 ok:1.0");
    REPLY(77, "n:2 ok:1.0");
    REPLY(1, "n:1 ok:1.0");
    assert_said(&said,
                "name text=d\n"
                "request 0 COUNT text=a bytes=62\n"
                "request 1 COUNT text=b bytes=62\n"
                "response 1 bytes=45 elements=2\n"
                "response 0 bytes=45 elements=1\n");
}

static void what_reads_everything(void **state)
{
    (void)state;
    conversation_start(&said, WIRE_MONGODB);
    COMMAND(1, 0, "find:'a' filter:{}");
    COMMAND(2, 0, "find:'a' filter:{} limit:0");
    COMMAND(3, 0, "find:'a' filter:{} limit:1");
    COMMAND(4, 0, "find:'a' filter:{b:1}");
    COMMAND(5, 0, "aggregate:'a' pipeline:[] cursor:{batchSize:7}");
    COMMAND(6, 0, "aggregate:'a' pipeline:[{$match:{}}]");
    COMMAND(7, 0, "drop:'a'");
    COMMAND(8, 0, "insert:'a' ordered:true documents:[{a:1}] autocommit:false");
    assert_said(&said,
                "request 0 FIND text=a whole bytes=51\n"
                "request 1 FIND text=a whole bytes=62\n"
                "request 2 FIND text=a bytes=62\n"
                "request 3 FIND text=a bytes=58\n"
                "request 4 AGGREGATE text=a whole bytes=86\n"
                "request 5 AGGREGATE text=a bytes=79\n"
                "request 6 DROP text=a sweep write bytes=38\n"
                "request 7 INSERT text=a in-transaction write bytes=94\n");
}

static void iterations(void **state)
{
    (void)state;
    conversation_start(&said, WIRE_MONGODB);
    COMMAND(1, 0, "find:'a' filter:{b:1} batchSize:2");
    REPLY(1, "cursor:{firstBatch:[{} {}] id:99L ns:'d.a'} ok:1.0");
    COMMAND(2, 0, "getMore:99L collection:'a' batchSize:3");
    REPLY(2, "cursor:{nextBatch:[{}] id:0L ns:'d.a'} ok:1.0");
    assert_said(&said,
                "request 0 FIND text=a bytes=73 elements=2\n"
                "response 0 cursor bytes=108 elements=2 cursor=99\n"
                "request 1 GETMORE text=a cursor bytes=76 elements=3 cursor=99\n"
                "response 1 cursor bytes=99 elements=1 cursor=0\n");
}

static void sequence(const char *name, const char *document)
{
    size_t start;
    put("\1", 1);
    start = out.used;
    put32(0);
    put(name, strlen(name) + 1);
    put_document(document + 1);
    patch32(start, out.used - start);
}

static void statements_without_a_filter(void **state)
{
    static const struct {
        const char *command, *name, *document;
    } cases[] = {
        {" delete:'a'", "deletes", " q:{} limit:0"},          {" delete:'a'", "deletes", " q:{} limit:1"},
        {" delete:'a'", "deletes", " q:{b:1} limit:0"},       {" update:'a'", "updates", " q:{} u:{b:1} multi:true"},
        {" update:'a'", "updates", " q:{} u:{} multi:false"}, {" insert:'a'", "documents", " q:{} limit:0"},
    };
    (void)state;
    conversation_start(&said, WIRE_MONGODB);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        header((uint32_t)i, 0, 2013);
        put32(0);
        put("", 1);
        put_document(cases[i].command + 1);
        sequence(cases[i].name, cases[i].document);
        say(WIRE_CLIENT);
    }
    COMMAND(9, 0, "delete:'a' deletes:[{q:{} limit:0}]");
    assert_said(&said,
                "request 0 DELETE text=a unbounded write bytes=77\n"
                "request 1 DELETE text=a write bytes=77\n"
                "request 2 DELETE text=a write bytes=84\n"
                "request 3 UPDATE text=a unbounded write bytes=89\n"
                "request 4 UPDATE text=a write bytes=82\n"
                "request 5 INSERT text=a write bytes=79\n"
                "request 6 DELETE text=a unbounded write bytes=81\n");
}

static void writes_that_failed(void **state)
{
    (void)state;
    conversation_start(&said, WIRE_MONGODB);
    COMMAND(1, 0, "insert:'a'");
    REPLY(1, "n:0 writeErrors:[{index:0 code:11000 errmsg:'planted'}] ok:1.0");
    COMMAND(2, 0, "insert:'a'");
    REPLY(2, "n:1 writeConcernError:{code:64 codeName:'x'} ok:1.0");
    /* Nobody waits for this one. */
    COMMAND(3, 2, "insert:'a' writeConcern:{w:0}");
    assert_said(&said,
                "request 0 INSERT text=a write bytes=40\n"
                "response 0 status=11000 failed bytes=112\n"
                "request 1 INSERT text=a write bytes=40\n"
                "response 1 status=64 failed bytes=95 elements=1\n"
                "request 2 INSERT text=a no-reply write bytes=66\n");
    assert_kept_secret(&said, "planted");
}

static void secrets(void **state)
{
    (void)state;
    conversation_start(&said, WIRE_MONGODB);
    COMMAND(1, 0, "saslStart:1 mechanism:'SCRAM' payload:'planted' $db:'planted'");
    REPLY(1, "conversationId:1 payload:'planted' ok:1.0");
    COMMAND(2, 0, "createUser:'planted' pwd:'planted' roles:[] $db:'admin'");
    COMMAND(3, 0, "planted-with-odd-letters:'planted'");
    COMMAND(4, 0, "nobodyKnowsThis:'planted' planted:'planted'");
    COMMAND(5, 0, "getLastRequestsOfEverybodyAtOnce:1");
    assert_said(&said,
                "request 0 CONNECT bytes=100\n"
                "response 0 bytes=79\n"
                "request 1 CREATEUSER write bytes=94\n"
                "request 2 NOBODYKNOWSTHIS bytes=76\n"
                "request 3 GETLASTREQUESTSOFEVERYBO bytes=64\n");
    assert_kept_secret(&said, "planted");
}

static void older_messages(void **state)
{
    (void)state;
    conversation_start(&said, WIRE_UNKNOWN);
    header(1, 0, 2004);
    put32(0);
    put("admin.$cmd", 11);
    put32(0);
    put32(0xffffffff);
    DOCUMENT("ismaster:1 helloOk:true");
    say(WIRE_CLIENT);
    header(2, 1, 1);
    put32(8);
    put("\0\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0", 16);
    DOCUMENT("ismaster:true ok:0.0 code:5");
    say(WIRE_SERVER);
    header(3, 0, 2002);
    put32(0);
    put("shop.users", 11);
    DOCUMENT("name:'planted'");
    say(WIRE_CLIENT);
    header(4, 0, 2004);
    put32(0);
    put("shop.users", 11);
    put32(0);
    put32(0);
    DOCUMENT("name:'planted'");
    say(WIRE_CLIENT);
    assert_said(&said,
                "request 0 ISMASTER bytes=68\n"
                "response 0 status=5 failed bytes=74\n"
                "name text=shop\n"
                "request 1 INSERT text=users no-reply write bytes=54\n"
                "request 2 QUERY text=users bytes=62\n");
    assert_kept_secret(&said, "planted");
}

static void compressed(void **state)
{
    (void)state;
    conversation_start(&said, WIRE_UNKNOWN);
    header(1, 0, 2012);
    put("\xdd\7\0\0\x40\0\0\0\2compressed", 19);
    say(WIRE_CLIENT);
    header(2, 1, 2012);
    put("\xdd\7\0\0\x40\0\0\0\2compressed", 19);
    say(WIRE_SERVER);
    assert_said(&said,
                "request 0 COMPRESSED compressed bytes=35\n"
                "response 0 compressed bytes=35\n");
}

static void large_messages(void **state)
{
    static char text[6000];
    (void)state;
    memset(text, 'v', sizeof(text) - 1);
    conversation_start(&said, WIRE_UNKNOWN);
    header(1, 0, 2013);
    put32(0);
    put("", 1);
    DOCUMENT("insert:'users' $db:'shop'");
    put("\1", 1);
    size_t start = out.used;
    put32(0);
    put("documents", 10);
    put(text, 5000);
    patch32(start, out.used - start);
    say(WIRE_CLIENT);
    assert_string_equal(said.text, "name text=shop\nrequest 0 INSERT text=users write bytes=5073\n");
    conversation_repeat(&said, 0, 0, 1);
    assert_string_equal(said.text, "name text=shop\nrequest 0 INSERT text=users write bytes=5073\n");
}

static void first_bytes_and_gaps(void **state)
{
    (void)state;
    conversation_start(&said, WIRE_MONGODB);
    COMMAND(1, 0, "count:'a'");
    said.with_first = true;
    header(2, 1, 2013);
    put32(0);
    put("", 1);
    DOCUMENT("n:1 ok:1.0");
    patch32(0, out.used);
    said_chunk(&said, WIRE_SERVER, out.bytes, 16);
    said_chunk(&said, WIRE_SERVER, out.bytes + 16, 10);
    said_chunk(&said, WIRE_SERVER, out.bytes + 26, out.used - 26);
    said.with_first = false;
    assert_string_equal(said.text, "request 0 COUNT text=a bytes=39\nfirst 0\nresponse 0 bytes=45 elements=1\n");
    conversation_start(&said, WIRE_MONGODB);
    COMMAND(1, 0, "count:'a'");
    said_gap(&said, WIRE_SERVER, 0);
    REPLY(1, "n:1 ok:1.0");
    assert_said(&said, "request 0 COUNT text=a bytes=39\nresponse 0 lost bytes=45 elements=1\n");
}

static void garbage_and_guesses(void **state)
{
    (void)state;
    conversation_start(&said, WIRE_MONGODB);
    client(&said, "\x10\0\0\0\1\0\0\0\0\0\0\0\xdd\7\0\0");
    assert_int_equal(said.conversation.protocol, WIRE_UNKNOWN);
    conversation_start(&said, WIRE_MONGODB);
    client(&said, "GET / HTTP/1.1\r\n\r\n");
    assert_int_equal(said.conversation.protocol, WIRE_HTTP);
    conversation_start(&said, WIRE_MONGODB);
    COMMAND(1, 0, "count:'a'");
    assert_int_equal(mongodb_parser.guess(out.bytes, out.used, WIRE_CLIENT), WIRE_GUESS_YES);
    for (size_t n = 1; n < 26; n++)
        assert_int_equal(mongodb_parser.guess(out.bytes, n, WIRE_SERVER), WIRE_GUESS_MORE);
    out.bytes[16] = 4;
    assert_int_equal(mongodb_parser.guess(out.bytes, out.used, WIRE_CLIENT), WIRE_GUESS_NO);
    out.bytes[16] = 0, out.bytes[22] = 9;
    assert_int_equal(mongodb_parser.guess(out.bytes, out.used, WIRE_CLIENT), WIRE_GUESS_NO);
    assert_int_equal(mongodb_parser.guess((const uint8_t *)"\x4a\0\0\0\x0a"
                                                           "5.5.5-10.11.6",
                                          18, WIRE_SERVER),
                     WIRE_GUESS_NO);
}

/* Real clients and servers: what was understood is what was asked for. */
static void recorded_conversations(void **state)
{
    static struct recorded recorded;
    (void)state;
    assert_recorded("mongodb", "driver", false);
    /* That a write is not acknowledged stands in what is compressed. */
    recorded_folder(&recorded, "mongodb", "compressed", SIZE_MAX);
    assert_account(&recorded, "mongodb-compressed");
    assert_int_equal(recorded.requests, recorded.responses + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commands_and_replies),
        cmocka_unit_test(answers_in_any_order),
        cmocka_unit_test(what_reads_everything),
        cmocka_unit_test(iterations),
        cmocka_unit_test(statements_without_a_filter),
        cmocka_unit_test(writes_that_failed),
        cmocka_unit_test(secrets),
        cmocka_unit_test(older_messages),
        cmocka_unit_test(compressed),
        cmocka_unit_test(large_messages),
        cmocka_unit_test(first_bytes_and_gaps),
        cmocka_unit_test(garbage_and_guesses),
        cmocka_unit_test(recorded_conversations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
