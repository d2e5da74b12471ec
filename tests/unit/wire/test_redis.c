/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "wire/conversation.h"
#include "wire/redis_command.h"

static struct said said;

static int setup(void **state)
{
    (void)state;
    conversation_start(&said, WIRE_REDIS);
    said.with_first = false;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    conversation_start(&said, WIRE_UNKNOWN);
    return 0;
}

static void commands_and_their_replies_are_paired(void **state)
{
    (void)state;
    client(&said, "*2\r\n$3\r\nGET\r\n$1\r\na\r\n");
    server(&said, "$5\r\nhello\r\n");
    client(&said, "*3\r\n$3\r\nset\r\n$3\r\nkey\r\n$5\r\nvalue\r\n*1\r\n$4\r\nPING\r\n*2\r\n$4\r\nINCR\r\n$1\r\nn\r\n");
    server(&said, "+OK\r\n+PONG\r\n-WRONGTYPE Operation against a key\r\n");
    client(&said, "*4\r\n$4\r\nMGET\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n");
    server(&said, "*3\r\n$5\r\nhello\r\n$-1\r\n$-1\r\n");
    client(&said, "*2\r\n$3\r\nGET\r\n$2\r\nno\r\n*3\r\n$3\r\nDEL\r\n$1\r\na\r\n$1\r\nb\r\n");
    server(&said, "$-1\r\n:0\r\n");
    assert_said(&said,
                "request 0 GET key=a bytes=20 elements=1\n"
                "response 0 bytes=11 elements=1\n"
                "request 1 SET key=key write bytes=33 elements=2\n"
                "request 2 PING bytes=14\n"
                "request 3 INCR key=n write bytes=21 elements=1\n"
                "response 1 bytes=5 elements=1\n"
                "response 2 bytes=7 elements=1\n"
                "response 3 status=WRONGTYPE failed bytes=36 elements=1\n"
                "request 4 MGET key=a bytes=35 elements=3\n"
                "response 4 bytes=25 elements=3\n"
                "request 5 GET key=no bytes=21 elements=1\n"
                "request 6 DEL key=a write bytes=27 elements=2\n"
                "response 5 status=NIL bytes=5\n"
                "response 6 status=0 bytes=4 elements=1\n");
}

static void options_of_set_are_told_without_values(void **state)
{
    (void)state;
    client(&said, "*6\r\n$3\r\nSET\r\n$4\r\nlock\r\n$5\r\ntoken\r\n$2\r\npx\r\n$5\r\n30000\r\n$2\r\nnx\r\n");
    client(&said, "*5\r\n$3\r\nSET\r\n$1\r\nk\r\n$2\r\nEX\r\n$2\r\nEX\r\n$2\r\n10\r\n");
    client(&said, "*6\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n$2\r\nXX\r\n$3\r\nGET\r\n$7\r\nKEEPTTL\r\n");
    client(&said, "*5\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n$4\r\nPXAT\r\n$13\r\n1893456000000\r\n");
    client(&said, "*3\r\n$5\r\nSETNX\r\n$1\r\nk\r\n$1\r\nv\r\n");
    client(&said, "*4\r\n$5\r\nSETEX\r\n$1\r\nk\r\n$2\r\n60\r\n$1\r\nv\r\n");
    client(&said, "*3\r\n$7\r\nPEXPIRE\r\n$1\r\nk\r\n$3\r\n500\r\n*3\r\n$6\r\nEXPIRE\r\n$1\r\nk\r\n$2\r\n-1\r\n");
    client(&said, "*4\r\n$5\r\nGETEX\r\n$1\r\nk\r\n$2\r\nEX\r\n$1\r\n7\r\n");
    server(&said, "$-1\r\n");
    assert_said(&said,
                "request 0 SET text=SET NX PX key=lock write if-absent bytes=61 elements=5 ttl=30000\n"
                "request 1 SET text=SET EX key=k write bytes=44 elements=4 ttl=10000\n"
                "request 2 SET text=SET XX GET KEEPTTL key=k write bytes=57 elements=5\n"
                "request 3 SET text=SET PXAT key=k write bytes=57 elements=4\n"
                "request 4 SETNX key=k write if-absent bytes=29 elements=2\n"
                "request 5 SETEX key=k write bytes=37 elements=3 ttl=60000\n"
                "request 6 PEXPIRE key=k write bytes=33 elements=2 ttl=500\n"
                "request 7 EXPIRE key=k write bytes=31 elements=2 ttl=0\n"
                "request 8 GETEX text=GETEX EX key=k write bytes=37 elements=3 ttl=7000\n"
                "response 0 status=NIL bytes=5\n");
}

/* The options stand behind a value that is longer than all that is ever kept. */
static void options_behind_a_long_value_are_seen(void **state)
{
    (void)state;
    static char big[200000];
    static const char head[] = "*5\r\n$3\r\nSET\r\n$1\r\nk\r\n$100000\r\n", tail[] = "\r\n$2\r\nNX\r\n$3\r\nGET\r\n";
    memset(big, '*', sizeof(big));
    memcpy(big, head, sizeof(head) - 1);
    memcpy(big + sizeof(head) - 1 + 100000, tail, sizeof(tail) - 1);
    size_t length = sizeof(head) - 1 + 100000 + sizeof(tail) - 1;
    said_chunk(&said, WIRE_CLIENT, big, length);
    static const char expected[] = "request 0 SET text=SET NX GET key=k write if-absent bytes=100048 elements=4\n";
    assert_string_equal(said.text, expected);
    for (size_t step = 1; step < 5000; step = step * 7 + 1) {
        conversation_repeat(&said, 0, 0, step);
        assert_string_equal(said.text, expected);
    }
}

static void long_keys_are_cut_and_hashed_whole(void **state)
{
    (void)state;
    client(&said,
           "*2\r\n$3\r\nGET\r\n$70\r\n"
           "0123456789012345678901234567890123456789012345678901234567890123456789\r\n");
    assert_said(&said,
                "request 0 GET key=0123456789012345678901234567890123456789012345678901234567890123 truncated bytes=90 "
                "elements=1\n");
}

static void iterations_and_sweeps_are_flagged(void **state)
{
    (void)state;
    client(&said, "*6\r\n$4\r\nSCAN\r\n$1\r\n0\r\n$5\r\nMATCH\r\n$4\r\nab:*\r\n$5\r\nCOUNT\r\n$4\r\n1000\r\n");
    server(&said, "*2\r\n$4\r\n1792\r\n*3\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n");
    client(&said, "*2\r\n$4\r\nSCAN\r\n$4\r\n1792\r\n");
    server(&said, "*2\r\n$1\r\n0\r\n*0\r\n");
    client(&said, "*5\r\n$5\r\nHSCAN\r\n$1\r\nh\r\n$1\r\n0\r\n$5\r\nMATCH\r\n$1\r\n*\r\n");
    server(&said, "*2\r\n$1\r\n3\r\n*4\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n$1\r\nd\r\n");
    client(&said, "*2\r\n$4\r\nKEYS\r\n$5\r\nuser*\r\n*1\r\n$8\r\nFLUSHALL\r\n*2\r\n$7\r\nHGETALL\r\n$1\r\nh\r\n");
    server(&said, "*1\r\n$5\r\nuser1\r\n+OK\r\n*4\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n$1\r\nd\r\n");
    client(&said,
           "*4\r\n$6\r\nLRANGE\r\n$1\r\nl\r\n$1\r\n0\r\n$2\r\n-1\r\n*4\r\n$6\r\nLRANGE\r\n$1\r\nl\r\n$1\r\n0\r\n"
           "$2\r\n10\r\n*4\r\n$6\r\nLRANGE\r\n$1\r\nl\r\n$2\r\n-1\r\n$2\r\n-1\r\n");
    client(&said,
           "*7\r\n$13\r\nZRANGEBYSCORE\r\n$1\r\nz\r\n$4\r\n-inf\r\n$4\r\n+INF\r\n$5\r\nLIMIT\r\n$1\r\n0\r\n$1\r\n5"
           "\r\n*5\r\n$6\r\nZRANGE\r\n$1\r\nz\r\n$1\r\n0\r\n$2\r\n-1\r\n$10\r\nWITHSCORES\r\n");
    server(&said, "*0\r\n*0\r\n*0\r\n*0\r\n*4\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\nb\r\n$1\r\n2\r\n");
    assert_said(&said,
                "request 0 SCAN key=ab:* cursor bytes=63 elements=1000 cursor=0\n"
                "response 0 cursor bytes=39 elements=3 cursor=1792\n"
                "request 1 SCAN cursor bytes=24 elements=10 cursor=1792\n"
                "response 1 cursor bytes=15 cursor=0\n"
                "request 2 HSCAN key=h cursor bytes=47 elements=10 cursor=0\n"
                "response 2 cursor bytes=43 elements=2 cursor=3\n"
                "request 3 KEYS key=user* sweep bytes=25 elements=1\n"
                "request 4 FLUSHALL sweep write bytes=18\n"
                "request 5 HGETALL key=h whole bytes=24 elements=1\n"
                "response 3 bytes=15 elements=1\n"
                "response 4 bytes=5 elements=1\n"
                "response 5 bytes=32 elements=2\n"
                "request 6 LRANGE key=l whole bytes=38 elements=3\n"
                "request 7 LRANGE key=l bytes=38 elements=3\n"
                "request 8 LRANGE key=l bytes=39 elements=3\n"
                "request 9 ZRANGEBYSCORE key=z bytes=76 elements=6\n"
                "request 10 ZRANGE key=z whole bytes=55 elements=4\n"
                "response 6 bytes=4\n"
                "response 7 bytes=4\n"
                "response 8 bytes=4\n"
                "response 9 bytes=4\n"
                "response 10 bytes=32 elements=2\n");
}

static void scripts_say_their_keys_and_names(void **state)
{
    (void)state;
    client(&said, "*5\r\n$4\r\nEVAL\r\n$8\r\nreturn 1\r\n$1\r\n1\r\n$3\r\nkey\r\n$3\r\narg\r\n");
    client(&said, "*3\r\n$7\r\nEVALSHA\r\n$40\r\n0123456789abcdef0123456789abcdef01234567\r\n$1\r\n0\r\n");
    client(&said, "*4\r\n$5\r\nFCALL\r\n$5\r\nmy_fn\r\n$1\r\n2\r\n$1\r\nk\r\n");
    server(&said, ":1\r\n-NOSCRIPT No matching script. Please use EVAL.\r\n");
    assert_said(&said,
                "request 0 EVAL key=key script bytes=53 elements=1\n"
                "request 1 EVALSHA text=EVALSHA 0123456789abcdef0123456789abcdef01234567 script bytes=71\n"
                "request 2 FCALL text=FCALL my_fn key=k script bytes=40 elements=2\n"
                "response 0 bytes=4 elements=1\n"
                "response 1 status=NOSCRIPT failed bytes=48 elements=1\n");
}

static void transactions_queue_and_execute(void **state)
{
    (void)state;
    client(&said, "*1\r\n$5\r\nMULTI\r\n");
    server(&said, "+OK\r\n");
    client(&said, "*2\r\n$4\r\nINCR\r\n$1\r\na\r\n*2\r\n$4\r\nLPOP\r\n$1\r\na\r\n*1\r\n$4\r\nEXEC\r\n");
    server(&said, "+QUEUED\r\n+QUEUED\r\n*2\r\n:1\r\n-WRONGTYPE Operation\r\n");
    client(&said, "*1\r\n$5\r\nMULTI\r\n*1\r\n$4\r\nEXEC\r\n*1\r\n$4\r\nPING\r\n");
    server(&said, "+OK\r\n*-1\r\n+PONG\r\n");
    assert_said(&said,
                "request 0 MULTI bytes=15\n"
                "response 0 bytes=5 elements=1\n"
                "request 1 INCR key=a in-transaction write bytes=21 elements=1\n"
                "request 2 LPOP key=a in-transaction write bytes=21 elements=1\n"
                "request 3 EXEC bytes=14\n"
                "response 1 status=QUEUED bytes=9 elements=1\n"
                "response 2 status=QUEUED bytes=9 elements=1\n"
                "response 3 bytes=30 elements=2\n"
                "request 4 MULTI bytes=15\n"
                "request 5 EXEC bytes=14\n"
                "request 6 PING bytes=14\n"
                "response 4 bytes=5 elements=1\n"
                "response 5 status=NIL bytes=5\n"
                "response 6 bytes=7 elements=1\n");
}

static void messages_come_unasked(void **state)
{
    (void)state;
    client(&said, "*3\r\n$9\r\nSUBSCRIBE\r\n$2\r\nc1\r\n$2\r\nc2\r\n");
    server(&said, "*3\r\n$9\r\nsubscribe\r\n$2\r\nc1\r\n:1\r\n");
    server(&said, "*3\r\n$7\r\nmessage\r\n$2\r\nc1\r\n$6\r\nsecret\r\n");
    server(&said, "*3\r\n$9\r\nsubscribe\r\n$2\r\nc2\r\n:2\r\n");
    server(&said, "*4\r\n$8\r\npmessage\r\n$2\r\nc*\r\n$2\r\nc2\r\n$6\r\nsecret\r\n");
    client(&said, "*1\r\n$4\r\nPING\r\n");
    server(&said, "*2\r\n$4\r\npong\r\n$0\r\n\r\n");
    client(&said, "*1\r\n$11\r\nUNSUBSCRIBE\r\n");
    server(&said, "*3\r\n$11\r\nunsubscribe\r\n$2\r\nc1\r\n:1\r\n*3\r\n$11\r\nunsubscribe\r\n$2\r\nc2\r\n:0\r\n");
    client(&said, "*3\r\n$7\r\nPUBLISH\r\n$2\r\nc1\r\n$6\r\nsecret\r\n");
    server(&said, ":0\r\n");
    assert_said(&said,
                "request 0 SUBSCRIBE key=c1 bytes=35 elements=2\n"
                "push MESSAGE key=c1 bytes=37 elements=3\n"
                "response 0 bytes=31 elements=2\n"
                "push MESSAGE key=c* bytes=46 elements=4\n"
                "request 1 PING bytes=14\n"
                "response 1 bytes=20 elements=2\n"
                "request 2 UNSUBSCRIBE bytes=22\n"
                "response 2 bytes=34 elements=1\n"
                "request 3 PUBLISH key=c1 bytes=37 elements=2\n"
                "response 3 status=0 bytes=4 elements=1\n");
}

static void resp3_is_understood(void **state)
{
    (void)state;
    client(&said, "*2\r\n$5\r\nHELLO\r\n$1\r\n3\r\n");
    server(&said, "%2\r\n$6\r\nserver\r\n$5\r\nredis\r\n$5\r\nproto\r\n:3\r\n");
    client(&said,
           "*2\r\n$7\r\nHGETALL\r\n$1\r\nh\r\n*2\r\n$8\r\nSMEMBERS\r\n$1\r\ns\r\n*2\r\n$3\r\nGET\r\n$1\r\nx\r\n");
    server(&said, ">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\nx\r\n");
    server(
        &said,
        "|1\r\n$3\r\nttl\r\n:36\r\n%2\r\n+a\r\n$1\r\nb\r\n+c\r\n*2\r\n,1.5\r\n#t\r\n~2\r\n(123\r\n=7\r\ntxt:abc\r\n");
    server(&said, "_\r\n");
    client(&said, "*1\r\n$4\r\nINFO\r\n*1\r\n$4\r\nTIME\r\n*1\r\n$6\r\nDBSIZE\r\n*1\r\n$4\r\nPING\r\n");
    server(&said,
           "$?\r\n;4\r\nabcd\r\n;2\r\nef\r\n;0\r\n*?\r\n:1\r\n*?\r\n.\r\n:2\r\n.\r\n!21\r\nSYNTAX invalid "
           "syntax\r\n+PONG\r\n");
    client(&said, "*2\r\n$9\r\nSUBSCRIBE\r\n$1\r\nc\r\n*2\r\n$3\r\nGET\r\n$1\r\nx\r\n");
    server(&said, ">3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n>3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$1\r\nm\r\n$1\r\nv\r\n");
    assert_said(&said,
                "request 0 HELLO bytes=22 elements=1\n"
                "response 0 bytes=42 elements=2\n"
                "request 1 HGETALL key=h whole bytes=24 elements=1\n"
                "request 2 SMEMBERS key=s whole bytes=25 elements=1\n"
                "request 3 GET key=x bytes=20 elements=1\n"
                "push INVALIDATE bytes=32 elements=2\n"
                "response 1 bytes=51 elements=2\n"
                "response 2 bytes=23 elements=2\n"
                "response 3 status=NIL bytes=3\n"
                "request 4 INFO bytes=14\n"
                "request 5 TIME bytes=14\n"
                "request 6 DBSIZE bytes=16\n"
                "request 7 PING bytes=14\n"
                "response 4 bytes=26 elements=1\n"
                "response 5 bytes=22\n"
                "response 6 status=SYNTAX failed bytes=28 elements=1\n"
                "response 7 bytes=7 elements=1\n"
                "request 8 SUBSCRIBE key=c bytes=26 elements=1\n"
                "request 9 GET key=x bytes=20 elements=1\n"
                "response 8 bytes=30 elements=1\n"
                "push MESSAGE key=c bytes=31 elements=3\n"
                "response 9 bytes=7 elements=1\n");
}

static void lines_of_words_are_commands(void **state)
{
    (void)state;
    client(&said, "PING\r\n\r\nset \"a key\" 'va lue' EX 5\r\n");
    server(&said, "+PONG\r\n+OK\r\n");
    assert_said(&said,
                "request 0 PING bytes=6\n"
                "request 1 SET text=SET EX key=a key write bytes=27 elements=4 ttl=5000\n"
                "response 0 bytes=7 elements=1\n"
                "response 1 bytes=5 elements=1\n");
}

static void monitor_and_silence(void **state)
{
    (void)state;
    client(&said, "*3\r\n$6\r\nCLIENT\r\n$5\r\nREPLY\r\n$4\r\nSKIP\r\n*1\r\n$4\r\nPING\r\n*1\r\n$4\r\nTIME\r\n");
    server(&said, "*2\r\n$1\r\n1\r\n$1\r\n2\r\n");
    client(&said,
           "*3\r\n$6\r\nCLIENT\r\n$5\r\nREPLY\r\n$3\r\nOFF\r\n*1\r\n$4\r\nPING\r\n*3\r\n$6\r\nCLIENT\r\n$5\r\nREPLY\r\n"
           "$2\r\nON\r\n");
    server(&said, "+OK\r\n");
    client(&said, "*1\r\n$7\r\nMONITOR\r\n");
    server(&said, "+OK\r\n+1339518083.107412 [0 127.0.0.1:60866] \"auth\" \"hunter2\"\r\n");
    assert_said(&said,
                "request 0 CLIENT REPLY no-reply bytes=37 elements=2\n"
                "request 0 PING no-reply bytes=14\n"
                "request 0 TIME bytes=14\n"
                "response 0 bytes=18 elements=2\n"
                "request 1 CLIENT REPLY no-reply bytes=36 elements=2\n"
                "request 1 PING no-reply bytes=14\n"
                "request 1 CLIENT REPLY bytes=35 elements=2\n"
                "response 1 bytes=5 elements=1\n"
                "request 2 MONITOR bytes=17\n"
                "response 2 bytes=5 elements=1\n"
                "push MONITOR bytes=57 elements=1\n");
    assert_kept_secret(&said, "hunter2");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(commands_and_their_replies_are_paired),
        TEST(options_of_set_are_told_without_values),
        TEST(options_behind_a_long_value_are_seen),
        TEST(long_keys_are_cut_and_hashed_whole),
        TEST(iterations_and_sweeps_are_flagged),
        TEST(scripts_say_their_keys_and_names),
        TEST(transactions_queue_and_execute),
        TEST(messages_come_unasked),
        TEST(resp3_is_understood),
        TEST(lines_of_words_are_commands),
        TEST(monitor_and_silence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
