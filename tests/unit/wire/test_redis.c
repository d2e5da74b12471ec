/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "wire/conversation.h"
#include "wire/recorded.h"
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

/* Commands whose names were said before are read at once where they are whole, and told as they are in parts. */
static void the_quick_way_tells_the_same(void **state)
{
    (void)state;
    char key[160], text[256];
    memset(key, 'k', sizeof(key));
    for (int again = 0; again < 2; again++) {
        client(&said, "*2\r\n$3\r\ngEt\r\n$0\r\n\r\n*1\r\n$3\r\nGET\r\n*2\r\n$7\r\nSORT_RO\r\n$1\r\nk\r\n");
        client(&said,
               "*5\r\n$4\r\nMSET\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\nb\r\n$1\r\n2\r\n"
               "*4\r\n$5\r\nBLPOP\r\n$1\r\na\r\n$1\r\nb\r\n$2\r\n10\r\n*2\r\n$7\r\nHGETALL\r\n$1\r\nh\r\n");
        server(&said, "$0\r\n\r\n:0\r\n:-1\r\n+OK\r\n$-1\r\n*4\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\nb\r\n$1\r\n2\r\n");
        snprintf(text, sizeof(text), "*2\r\n$3\r\nGET\r\n$160\r\n%.160s\r\n", key);
        said_chunk(&said, WIRE_CLIENT, text, strlen(text));
        snprintf(text, sizeof(text), "$160\r\n%.160s\r\n", key);
        said_chunk(&said, WIRE_SERVER, text, strlen(text));
    }
    /* As the names above but for one byte. */
    client(&said, "*2\r\n$7\r\nSORT\x7fRO\r\n$1\r\nk\r\n*2\r\n$4\r\nGET\0\r\n$1\r\nk\r\n");
    server(&said, "-ERR unknown\r\n-ERR unknown\r\n");
    client(&said, "*1\r\n$5\r\nMULTI\r\n*2\r\n$3\r\nGET\r\n$1\r\nk\r\n");
    server(&said, "+OK\r\n+QUEUED\r\n");
#define ONE_ROUND(a, b, c, d, e, f, g)                                                              \
    "request " a                                                                                    \
    " GET bytes=19 elements=1\n"                                                                    \
    "request " b                                                                                    \
    " GET bytes=13\n"                                                                               \
    "request " c                                                                                    \
    " SORT_RO key=k whole bytes=24 elements=1\n"                                                    \
    "request " d                                                                                    \
    " MSET key=a write bytes=42 elements=2\n"                                                       \
    "request " e                                                                                    \
    " BLPOP key=a write bytes=37 elements=2\n"                                                      \
    "request " f                                                                                    \
    " HGETALL key=h whole bytes=24 elements=1\n"                                                    \
    "response " a                                                                                   \
    " bytes=6 elements=1\n"                                                                         \
    "response " b                                                                                   \
    " status=0 bytes=4 elements=1\n"                                                                \
    "response " c                                                                                   \
    " bytes=5 elements=1\n"                                                                         \
    "response " d                                                                                   \
    " bytes=5 elements=1\n"                                                                         \
    "response " e                                                                                   \
    " status=NIL bytes=5\n"                                                                         \
    "response " f                                                                                   \
    " bytes=32 elements=2\n"                                                                        \
    "request " g                                                                                    \
    " GET key=kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk truncated bytes=181" \
    " elements=1\n"                                                                                 \
    "response " g " bytes=168 elements=1\n"
    assert_said(&said, ONE_ROUND("0", "1", "2", "3", "4", "5", "6") ONE_ROUND("7", "8", "9", "10", "11", "12", "13")
                "request 14 UNKNOWN bytes=24 elements=1\n"
                "request 15 UNKNOWN bytes=21 elements=1\n"
                "response 14 status=ERR failed bytes=14 elements=1\n"
                "response 15 status=ERR failed bytes=14 elements=1\n"
                "request 16 MULTI bytes=15\n"
                "request 17 GET key=k in-transaction bytes=20 elements=1\n"
                "response 16 bytes=5 elements=1\n"
                "response 17 status=QUEUED bytes=9 elements=1\n");
#undef ONE_ROUND
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

/* commandstats and errorstats of a real server, whatever the fragments. */
static void the_server_counted_the_same(void **state)
{
    (void)state;
    static struct recorded recorded;
    static const size_t steps[] = {SIZE_MAX, 1, 2, 3, 7, 100, 1460};
    for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
        recorded_folder(&recorded, "redis", "", steps[i]);
        assert_account(&recorded, "redis");
        assert_int_equal(recorded.requests, recorded.responses);
        assert_int_equal(recorded_count(&recorded, "UNKNOWN"), 1);
    }
}

static void what_is_lost_is_told_and_the_next_message_found(void **state)
{
    (void)state;
    client(&said, "*2\r\n$3\r\nGET\r\n$1\r\na\r\n");
    server(&said, "$5\r\nhello\r\n");
    client(&said, "*3\r\n$3\r\nSET\r\n$1\r\nb\r\n$1000\r\nxx");
    said_gap(&said, WIRE_CLIENT, 0);
    client(&said, "xxx\r\n$3\r\nxyz\r\n*2\r\n$3\r\nDEL\r\n$1\r\nc\r\n");
    server(&said, "+OK\r\n");
    client(&said, "*2\r\n$3\r\nGET\r\n$1\r\nd\r\n");
    said_gap(&said, WIRE_SERVER, 0);
    server(&said, "lo\r\nno\r\n$2\r\nhi\r\n");
    client(&said, "*1\r\n$4\r\nPING\r\n");
    server(&said, "+PONG\r\n");
    assert_said(&said,
                "request 0 GET key=a bytes=20 elements=1\n"
                "response 0 bytes=11 elements=1\n"
                "request 1 DEL key=c lost write bytes=20 elements=1\n"
                "response 1 bytes=5 elements=1\n"
                "request 2 GET key=d bytes=20 elements=1\n"
                "request 3 PING bytes=14\n"
                "response 3 lost bytes=7 elements=1\n");
}

/* What was asked before requests that nobody saw is answered before them; then answers are one too many, until the
   connection is idle. */
static void what_was_asked_before_a_loss(void **state)
{
    (void)state;
    client(&said, "*2\r\n$3\r\nGET\r\n$1\r\na\r\n*2\r\n$3\r\nGET\r\n$1\r\nb\r\n");
    said_gap(&said, WIRE_CLIENT, 30);
    server(&said, "$2\r\nhi\r\n");
    server(&said, "$3\r\nyou\r\n:5\r\n");
    client(&said, "*1\r\n$4\r\nPING\r\n");
    server(&said, "+PONG\r\n");
    assert_said(&said,
                "request 0 GET key=a bytes=20 elements=1\n"
                "request 1 GET key=b bytes=20 elements=1\n"
                "response 0 bytes=8 elements=1\n"
                "response 1 bytes=9 elements=1\n"
                "request 2 PING lost bytes=14\n"
                "response 2 bytes=7 elements=1\n");
}

/* Bytes that nobody saw inside of a value change nothing. */
static void a_value_need_not_be_seen(void **state)
{
    (void)state;
    client(&said, "*3\r\n$5\r\nSETNX\r\n$1\r\nb\r\n$1000\r\n");
    said_gap(&said, WIRE_CLIENT, 1000);
    client(&said, "\r\n*2\r\n$3\r\nGET\r\n$1\r\nb\r\n");
    server(&said, ":1\r\n$1000\r\n");
    said_gap(&said, WIRE_SERVER, 999);
    server(&said, "x\r\n");
    assert_said(&said,
                "request 0 SETNX key=b write if-absent bytes=1031 elements=2\n"
                "request 1 GET key=b bytes=20 elements=1\n"
                "response 0 bytes=4 elements=1\n"
                "response 1 bytes=1009 elements=1\n");
}

static void damaged_bytes_cost_only_what_they_hit(void **state)
{
    (void)state;
    client(&said, "*2\r\n$3\r\nGET\r\n$1\r\na\r\n");
    server(&said, "$5\r\nhello\r\n");
    client(&said, "*2\r\n$3\r\nGET\r\n$1\r\naxyz\r\n*2\r\n$3\r\nGET\r\n$1\r\nb\r\n");
    server(&said, "$5\r\nhello\r\n");
    server(&said, "$5\r\nhelloo\r\n:17\r\n");
    client(&said, "*1\r\n$4\r\nPING\r\n");
    server(&said, "+PONG\r\n");
    assert_said(&said,
                "request 0 GET key=a bytes=20 elements=1\n"
                "response 0 bytes=11 elements=1\n"
                "request 1 GET key=b lost bytes=20 elements=1\n"
                "response 1 bytes=11 elements=1\n"
                "request 2 PING bytes=14\n"
                "response 2 lost bytes=7 elements=1\n");
}

static void an_answer_in_parts_is_announced(void **state)
{
    (void)state;
    said.with_first = true;
    client(&said, "*2\r\n$3\r\nGET\r\n$1\r\na\r\n*2\r\n$3\r\nGET\r\n$1\r\na\r\n");
    server(&said, "$5\r\nhello\r\n$");
    server(&said, "5\r\nhe");
    server(&said, "llo\r\n");
    assert_said(&said,
                "request 0 GET key=a bytes=20 elements=1\n"
                "request 1 GET key=a bytes=20 elements=1\n"
                "response 0 bytes=11 elements=1\n"
                "first 1\n"
                "response 1 bytes=11 elements=1\n");
}

/* More requests in flight than are told apart: all are counted. */
static void long_pipelines_are_counted(void **state)
{
    (void)state;
    for (int i = 0; i < 100; i++)
        client(&said, "*1\r\n$4\r\nPING\r\n");
    for (int i = 0; i < 100; i++)
        server(&said, "+PONG\r\n");
    assert_non_null(strstr(said.text, "request 99 PING"));
    assert_non_null(strstr(said.text, "response 99 bytes=7"));
}

/* Nothing of these may come out, by whatever way it was said. */
static void secrets_are_kept(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "*2\r\n$4\r\nAUTH\r\n$7\r\nhunter2\r\n",
        "*3\r\n$4\r\nAUTH\r\n$5\r\nadmin\r\n$7\r\nhunter2\r\n",
        "*7\r\n$5\r\nHELLO\r\n$1\r\n3\r\n$4\r\nAUTH\r\n$7\r\ndefault\r\n$7\r\nhunter2\r\n$7\r\nSETNAME\r\n$"
        "7\r\nhunter2\r\n",
        "*4\r\n$6\r\nCONFIG\r\n$3\r\nSET\r\n$11\r\nrequirepass\r\n$7\r\nhunter2\r\n",
        "*4\r\n$3\r\nACL\r\n$7\r\nSETUSER\r\n$7\r\nhunter2\r\n$8\r\n>hunter2\r\n",
        "*8\r\n$7\r\nMIGRATE\r\n$1\r\nh\r\n$1\r\n1\r\n$7\r\nhunter2\r\n$1\r\n0\r\n$1\r\n1\r\n$4\r\nAUTH\r\n$"
        "7\r\nhunter2\r\n",
        "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$7\r\nhunter2\r\n",
        "*5\r\n$3\r\nSET\r\n$1\r\nk\r\n$2\r\nEX\r\n$4\r\nIFEQ\r\n$7\r\nhunter2\r\n",
        "*4\r\n$4\r\nHSET\r\n$1\r\nk\r\n$7\r\nhunter2\r\n$7\r\nhunter2\r\n",
        "*4\r\n$4\r\nEVAL\r\n$7\r\nhunter2\r\n$1\r\n0\r\n$7\r\nhunter2\r\n",
        "*4\r\n$7\r\nEVALSHA\r\n$7\r\nhunter2\r\n$1\r\n0\r\n$7\r\nhunter2\r\n",
        "*3\r\n$7\r\nhunter2\r\n$7\r\nhunter2\r\n$7\r\nhunter2\r\n", /* a renamed command */
        "*3\r\n$6\r\nCONFIG\r\n$7\r\nhunter2\r\n$7\r\nhunter2\r\n",
        "*2\r\n$4\r\nECHO\r\n$7\r\nhunter2\r\n*2\r\n$4\r\nPING\r\n$7\r\nhunter2\r\n",
        "*3\r\n$7\r\nPUBLISH\r\n$1\r\nc\r\n$7\r\nhunter2\r\n",
        "auth hunter2\r\n",
    };
    static const char answers[] =
        "-hunter2\r\n-ERR hunter2\r\n+hunter2\r\n$7\r\nhunter2\r\n*2\r\n$7\r\nhunter2\r\n+hunter2\r\n"
        "!7\r\nhunter2\r\n,3\r\n=11\r\ntxt:hunter2\r\n>2\r\n+hunter2\r\n+hunter2\r\n";
    for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
        said_chunk(&said, WIRE_CLIENT, lines[i], strlen(lines[i]));
    said_chunk(&said, WIRE_SERVER, answers, sizeof(answers) - 1);
    for (size_t i = 1; i < strlen("hunter2"); i++) {
        assert_null(strstr(said.text, "hunter"));
        assert_null(strstr(said.text, "HUNTER"));
        conversation_repeat(&said, 0, 0, i);
    }
    assert_non_null(strstr(said.text, "response 7"));
}

static void a_replica_is_left_alone(void **state)
{
    (void)state;
    client(&said, "*3\r\n$5\r\nPSYNC\r\n$1\r\n?\r\n$2\r\n-1\r\n");
    server(&said, "+FULLRESYNC 8de1787ba490483314a4d30f1c628bc5025eb761 0\r\n$5\r\nREDISS");
    client(&said, "*3\r\n$8\r\nREPLCONF\r\n$3\r\nACK\r\n$1\r\n0\r\n");
    assert_said(&said, "request 0 PSYNC no-reply bytes=30 elements=2\n");
}

static void conversations_are_recognised(void **state)
{
    (void)state;
    static const char *const servers[] = {"+OK\r\n",
                                          "$3\r\nabc\r\n",
                                          "*0\r\n",
                                          ":12\r\n",
                                          "-MOVED 1 a:1\r\n",
                                          "_\r\n",
                                          "%1\r\n+a\r\n+b\r\n",
                                          "*1\r\n*1\r\n:1\r\n",
                                          ">2\r\n+invalidate\r\n_\r\n",
                                          "$-1\r\n"};
    static const char *const clients[] = {"*1\r\n$4\r\nPING\r\n", "*2\r\n$8\r\nJSON.GET\r\n$1\r\na\r\n"};
    static const char *const others[] = {"+OK POP3 ready\r\n", "-ERR no\r\n", "*abc\r\n",      ":server 001 you\r\n",
                                         "220 mail\r\n",       "hello\r\n",   "* OK IMAP4\r\n"};
    for (size_t i = 0; i < ARRAY_SIZE(servers); i++) {
        conversation_start(&said, WIRE_UNKNOWN);
        said_chunk(&said, WIRE_SERVER, servers[i], strlen(servers[i]));
        assert_int_equal(said.conversation.protocol, WIRE_REDIS);
    }
    for (size_t i = 0; i < ARRAY_SIZE(clients); i++) {
        conversation_start(&said, WIRE_UNKNOWN);
        said_chunk(&said, WIRE_CLIENT, clients[i], strlen(clients[i]));
        assert_int_equal(said.conversation.protocol, WIRE_REDIS);
    }
    for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
        conversation_start(&said, WIRE_UNKNOWN);
        said_chunk(&said, WIRE_CLIENT, others[i], strlen(others[i]));
        said_chunk(&said, WIRE_SERVER, others[i], strlen(others[i]));
        assert_int_equal(said.conversation.protocol, WIRE_UNKNOWN);
    }
}

static void the_table_is_sorted(void **state)
{
    (void)state;
    assert_int_equal(redis_command_table_errors(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(commands_and_their_replies_are_paired),
        TEST(the_quick_way_tells_the_same),
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
        TEST(the_server_counted_the_same),
        TEST(what_is_lost_is_told_and_the_next_message_found),
        TEST(what_was_asked_before_a_loss),
        TEST(a_value_need_not_be_seen),
        TEST(damaged_bytes_cost_only_what_they_hit),
        TEST(an_answer_in_parts_is_announced),
        TEST(long_pipelines_are_counted),
        TEST(secrets_are_kept),
        TEST(a_replica_is_left_alone),
        TEST(conversations_are_recognised),
        TEST(the_table_is_sorted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
