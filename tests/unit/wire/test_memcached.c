/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "wire/conversation.h"
#include "wire/recorded.h"

static struct said said;

static int setup(void **state)
{
    (void)state;
    conversation_start(&said, WIRE_MEMCACHED);
    said.with_first = false;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    conversation_start(&said, WIRE_UNKNOWN);
    return 0;
}

static void commands_and_their_answers_are_paired(void **state)
{
    (void)state;
    client(&said, "get a\r\n");
    server(&said, "VALUE a 0 5\r\nhello\r\nEND\r\n");
    client(&said, "set key 0 60 5\r\nEND\r\n\r\n");
    server(&said, "STORED\r\n");
    client(&said, "gets a b c\r\nincr n 5\r\ndelete a\r\n");
    server(&said, "VALUE a 0 1 77\r\nx\r\nVALUE c 0 0 78\r\n\r\nEND\r\n17\r\nNOT_FOUND\r\n");
    client(&said, "cas a 0 0 1 77\r\ny\r\nadd lock 0 30 2\r\nme\r\ntouch a 2592001\r\ngat 10 a b\r\n");
    server(&said, "EXISTS\r\nNOT_STORED\r\nTOUCHED\r\nEND\r\n");
    client(&said, "append a 0 0 1\r\nx\r\nset big 0 0 9\r\n123456789\r\n");
    server(&said, "SERVER_ERROR out of memory storing object\r\nSERVER_ERROR object too large for cache\r\n");
    assert_said(&said,
                "request 0 GET key=a bytes=7 elements=1\n"
                "response 0 bytes=25 elements=1\n"
                "request 1 SET key=key write bytes=23 elements=1 ttl=60000\n"
                "response 1 bytes=8\n"
                "request 2 GETS key=a bytes=12 elements=3 repeats=3\n"
                "request 3 INCR key=n write bytes=10 elements=1\n"
                "request 4 DELETE key=a write bytes=10 elements=1\n"
                "response 2 bytes=42 elements=2\n"
                "response 3 bytes=4\n"
                "response 4 status=NOT_FOUND bytes=11\n"
                "request 5 CAS key=a write bytes=19 elements=1\n"
                "request 6 ADD key=lock write if-absent bytes=21 elements=1 ttl=30000\n"
                "request 7 TOUCH key=a write bytes=17 elements=1\n"
                "request 8 GAT key=a write bytes=12 elements=2 ttl=10000 repeats=2\n"
                "response 5 status=EXISTS bytes=8\n"
                "response 6 status=NOT_STORED bytes=12\n"
                "response 7 bytes=9\n"
                "response 8 bytes=5\n"
                "request 9 APPEND key=a write bytes=19 elements=1\n"
                "request 10 SET key=big write bytes=26 elements=1\n"
                "response 9 status=SERVER_ERROR failed bytes=43\n"
                "response 10 status=SERVER_ERROR failed bytes=41\n");
}

static void quiet_requests_have_no_answer(void **state)
{
    (void)state;
    client(&said, "set a 0 0 1 noreply\r\nx\r\ndelete a noreply\r\nget a\r\n");
    server(&said, "END\r\n");
    client(&said, "mg a v q\r\nmg b v q\r\nmg c v q\r\nmn\r\n");
    server(&said, "VA 1\r\nx\r\nVA 1\r\ny\r\nMN\r\n");
    client(&said, "ms a 1 q T30\r\nx\r\nmd b q\r\nmn\r\n");
    server(&said, "NS\r\nSERVER_ERROR out of memory storing object\r\n");
    server(&said, "MN\r\n");
    client(&said, "set a 0 0 1 noreply\r\nx\r\nquit\r\n");
    server(&said, "SERVER_ERROR out of memory storing object\r\n");
    assert_said(&said,
                "request 0 SET key=a no-reply write bytes=24 elements=1\n"
                "request 0 DELETE key=a no-reply write bytes=18 elements=1\n"
                "request 0 GET key=a bytes=7 elements=1\n"
                "response 0 bytes=5\n"
                "request 1 MG key=a no-reply bytes=10 elements=1\n"
                "request 1 MG key=b no-reply bytes=10 elements=1\n"
                "request 1 MG key=c no-reply bytes=10 elements=1\n"
                "request 1 MN bytes=4\n"
                "response 1 bytes=22 elements=2\n"
                "request 2 MS key=a no-reply write bytes=17 elements=1 ttl=30000\n"
                "request 2 MD key=b no-reply write bytes=8 elements=1\n"
                "request 2 MN bytes=4\n"
                "response 2 status=SERVER_ERROR failed bytes=47\n"
                "request 3 SET key=a no-reply write bytes=24 elements=1\n"
                "request 3 QUIT no-reply bytes=6\n"
                "push status=SERVER_ERROR failed bytes=43\n");
}

static void meta_commands_are_understood(void **state)
{
    (void)state;
    client(&said,
           "mg key v k c t\r\nms lock 2 ME T30\r\nme\r\nma n N0 J5 v\r\nmd key I\r\nme key\r\nmg key\r\nmg none v\r\n");
    server(&said, "VA 5 kkey c81 t60\r\nhello\r\nNS\r\nVA 1\r\n5\r\nHD\r\nME key exp=-1 la=0\r\nHD\r\nEN\r\n");
    assert_said(&said,
                "request 0 MG key=key bytes=16 elements=1\n"
                "request 1 MS key=lock write if-absent bytes=22 elements=1 ttl=30000\n"
                "request 2 MA key=n write bytes=14 elements=1\n"
                "request 3 MD key=key write bytes=10 elements=1\n"
                "request 4 ME key=key bytes=8 elements=1\n"
                "request 5 MG key=key bytes=8 elements=1\n"
                "request 6 MG key=none bytes=11 elements=1\n"
                "response 0 bytes=26 elements=1\n"
                "response 1 status=NS bytes=4\n"
                "response 2 bytes=9 elements=1\n"
                "response 3 bytes=4\n"
                "response 4 bytes=20\n"
                "response 5 bytes=4 elements=1\n"
                "response 6 status=EN bytes=4\n");
}

static void lists_end_where_they_end(void **state)
{
    (void)state;
    client(&said,
           "stats\r\nstats cachedump 1 100\r\nstats reset\r\nlru_crawler metadump all\r\nlru_crawler enable\r\n");
    server(&said, "STAT pid 1\r\nSTAT uptime 5\r\nEND\r\nITEM a [1 b; 0 s]\r\nEND\r\nRESET\r\n");
    server(&said, "key=a exp=-1\nkey=b exp=-1\nEND\r\nOK\r\n");
    client(&said, "lru_crawler mgdump all\r\nflush_all 10 noreply\r\nflush_all\r\nversion\r\nverbosity 1\r\n");
    server(&said, "mg a\r\nmg b\r\nEN\r\nOK\r\nVERSION 1.6.18\r\nOK\r\n");
    assert_said(&said,
                "request 0 STATS bytes=7\n"
                "request 1 STATS CACHEDUMP sweep bytes=23\n"
                "request 2 STATS RESET bytes=13\n"
                "request 3 LRU_CRAWLER METADUMP sweep bytes=26\n"
                "request 4 LRU_CRAWLER bytes=20\n"
                "response 0 bytes=32 elements=2\n"
                "response 1 bytes=24 elements=1\n"
                "response 2 bytes=7\n"
                "response 3 bytes=31 elements=2\n"
                "response 4 bytes=4\n"
                "request 5 LRU_CRAWLER MGDUMP sweep bytes=24\n"
                "request 6 FLUSH_ALL no-reply sweep write bytes=22\n"
                "request 6 FLUSH_ALL sweep write bytes=11\n"
                "request 7 VERSION bytes=9\n"
                "request 8 VERBOSITY bytes=13\n"
                "response 5 status=EN bytes=16 elements=2\n"
                "response 6 bytes=4\n"
                "response 7 bytes=16\n"
                "response 8 bytes=4\n");
}

#define ZEROS "\0\0\0\0\0\0\0\0\0\0\0\0"

static void the_binary_protocol_is_understood(void **state)
{
    (void)state;
    client(&said, "\x80\x01\0\3\x8\0\0\0\0\0\0\x10" ZEROS "\0\0\0\0\0\0\0\x3ckeyhello");
    server(&said, "\x81\x01\0\0\0\0\0\0\0\0\0\0" ZEROS);
    client(&said, "\x80\x00\0\3\0\0\0\0\0\0\0\3" ZEROS "key");
    server(&said, "\x81\x00\0\0\4\0\0\0\0\0\0\x9" ZEROS "\0\0\0\0hello");
    client(&said, "\x80\x0d\0\1\0\0\0\0\0\0\0\1" ZEROS
                  "a"
                  "\x80\x0d\0\1\0\0\0\0\0\0\0\1" ZEROS
                  "b"
                  "\x80\x0d\0\1\0\0\0\0\0\0\0\1" ZEROS
                  "c"
                  "\x80\x0a\0\0\0\0\0\0\0\0\0\0" ZEROS);
    server(&said, "\x81\x0d\0\1\4\0\0\0\0\0\0\6" ZEROS
                  "\0\0\0\0ax"
                  "\x81\x0d\0\1\4\0\0\0\0\0\0\6" ZEROS
                  "\0\0\0\0cx"
                  "\x81\x0a\0\0\0\0\0\0\0\0\0\0" ZEROS);
    client(&said, "\x80\x02\0\4\x8\0\0\0\0\0\0\xd" ZEROS
                  "\0\0\0\0\0\0\0\x0alockx"
                  "\x80\x10\0\0\0\0\0\0\0\0\0\0" ZEROS "\x80\x08\0\0\0\0\0\0\0\0\0\0" ZEROS);
    server(&said, "\x81\x02\0\0\0\0\0\2\0\0\0\xf" ZEROS
                  "Data exists.   "
                  "\x81\x10\0\3\0\0\0\0\0\0\0\4" ZEROS
                  "pid1"
                  "\x81\x10\0\3\0\0\0\0\0\0\0\4" ZEROS
                  "run2"
                  "\x81\x10\0\0\0\0\0\0\0\0\0\0" ZEROS "\x81\x08\0\0\0\0\0\0\0\0\0\0" ZEROS);
    client(&said, "\x80\x11\0\1\x8\0\0\0\0\0\0\xa" ZEROS
                  "\0\0\0\0\0\0\0\0ax"
                  "\x80\x0b\0\0\0\0\0\0\0\0\0\0" ZEROS);
    server(&said, "\x81\x11\0\0\0\0\0\x82\0\0\0\0" ZEROS "\x81\x0b\0\0\0\0\0\0\0\0\0\1" ZEROS "1");
    assert_said(&said,
                "request 0 SET key=key write bytes=40 elements=1 ttl=60000\n"
                "response 0 bytes=24\n"
                "request 1 GET key=key bytes=27 elements=1\n"
                "response 1 bytes=33 elements=1\n"
                "request 2 GET key=a no-reply bytes=25 elements=1\n"
                "request 2 GET key=b no-reply bytes=25 elements=1\n"
                "request 2 GET key=c no-reply bytes=25 elements=1\n"
                "request 2 NOOP bytes=24\n"
                "response 2 bytes=84 elements=2\n"
                "request 3 ADD key=lock write if-absent bytes=37 elements=1 ttl=10000\n"
                "request 4 STATS bytes=24\n"
                "request 5 FLUSH_ALL sweep write bytes=24\n"
                "response 3 status=EXISTS bytes=39\n"
                "response 4 bytes=80 elements=2\n"
                "response 5 bytes=24\n"
                "request 6 SET key=a no-reply write bytes=34 elements=1\n"
                "request 6 VERSION bytes=24\n"
                "push status=OUT_OF_MEMORY failed bytes=24\n"
                "response 6 bytes=25 elements=1\n");
}

static void what_is_lost_is_told_and_the_next_message_found(void **state)
{
    (void)state;
    client(&said, "get a\r\n");
    server(&said, "END\r\n");
    client(&said, "set b 0 0 5000\r\nxxx");
    said_gap(&said, WIRE_CLIENT, 4997);
    client(&said, "\r\nget c\r\n");
    server(&said, "STORED\r\nVALUE c 0 1000\r\n");
    said_gap(&said, WIRE_SERVER, 1000);
    server(&said, "\r\nEND\r\n");
    client(&said, "get d");
    said_gap(&said, WIRE_CLIENT, 0);
    client(&said, "ome other\r\nset x\r\nget e f\r\n");
    server(&said, "END\r\n");
    client(&said, "get g\r\n");
    said_gap(&said, WIRE_SERVER, 0);
    server(&said, "of a value\r\nSTORED\r\n");
    client(&said, "get h\r\n");
    server(&said, "VALUE h 0 3\r\nab");
    server(&said, "c and no end\r\nEND\r\n");
    client(&said, "get i\r\n");
    server(&said, "END\r\n");
    assert_said(&said,
                "request 0 GET key=a bytes=7 elements=1\n"
                "response 0 bytes=5\n"
                "request 1 SET key=b write bytes=5018 elements=1\n"
                "request 2 GET key=c bytes=7 elements=1\n"
                "response 1 bytes=8\n"
                "response 2 bytes=1023 elements=1\n"
                "request 3 GET key=e lost bytes=9 elements=2 repeats=2\n"
                "response 3 bytes=5\n"
                "request 4 GET key=g bytes=7 elements=1\n"
                "request 5 GET key=h bytes=7 elements=1\n"
                "request 6 GET key=i bytes=7 elements=1\n"
                "response 6 lost bytes=5\n");
}

static void binary_packets_are_found_again(void **state)
{
    (void)state;
    client(&said, "\x80\x0a\0\0\0\0\0\0\0\0\0\0" ZEROS);
    server(&said, "\x81\x0a\0\0\0\0\0\0\0\0\0\0" ZEROS);
    client(&said, "\x80\x00\0\3\0\0\0\0\0\0\0\3" ZEROS "k");
    said_gap(&said, WIRE_CLIENT, 0);
    client(&said, "xx\x80\x80\x80\x00\0\3\0\0\0\0\0\0\0\3" ZEROS "key");
    server(&said, "\x81\x00\0\0\4\0\0\0\0\0\x9\x9" ZEROS "\0\0\0\0hello");
    said_gap(&said, WIRE_SERVER, 0x900);
    client(&said, "\x80\xff\0\3\0\0\0\0\0\0\0\3" ZEROS
                  "key"
                  "\x80\x0b\0\0\0\0\0\0\0\0\0\0" ZEROS);
    server(&said, "\x81\x0b\0\0\0\0\0\0\0\0\0\1" ZEROS "1");
    assert_said(&said,
                "request 0 NOOP bytes=24\n"
                "response 0 bytes=24\n"
                "request 1 GET key=key lost bytes=27 elements=1\n"
                "request 2 VERSION lost bytes=24\n"
                "response 2 lost bytes=25 elements=1\n");
}

static void an_answer_in_parts_is_announced(void **state)
{
    (void)state;
    said.with_first = true;
    client(&said, "get a b\r\nget c\r\n");
    server(&said, "VALUE a 0 1\r\nx\r\n");
    server(&said, "VALUE b 0 1\r\nx\r\nEND\r\n");
    server(&said, "END\r\n");
    assert_said(&said,
                "request 0 GET key=a bytes=9 elements=2 repeats=2\n"
                "request 1 GET key=c bytes=7 elements=1\n"
                "first 0\n"
                "response 0 bytes=37 elements=2\n"
                "response 1 bytes=5\n");
}

static void secrets_are_kept(void **state)
{
    (void)state;
    client(&said,
           "set auth 0 0 13\r\nprobe hunter2\r\ncas a 0 0 7 1\r\nhunter2\r\nms a 7\r\nhunter2\r\nincr a hunter2\r\n"
           "stats hunter2\r\nwatch hunter2\r\nmg a v Ohunter2\r\nma a v D1 hunter2\r\n");
    server(&said,
           "STORED\r\nSTORED\r\nHD\r\nCLIENT_ERROR hunter2\r\nSTAT hunter2 1\r\nEND\r\nhunter2\r\nVA 7 "
           "Ohunter2\r\nhunter2\r\n"
           "SERVER_ERROR hunter2\r\n");
    assert_kept_secret(&said, "hunter");
    assert_kept_secret(&said, "HUNTER");
    assert_non_null(strstr(said.text, "response 7"));
    conversation_start(&said, WIRE_MEMCACHED);
    client(&said, "\x80\x21\0\5\0\0\0\0\0\0\0\x13" ZEROS
                  "PLAIN\0probe\0hunter2"
                  "\x80\x22\0\5\0\0\0\0\0\0\0\xc" ZEROS "PLAINhunter2");
    server(&said, "\x81\x21\0\0\0\0\0\x20\0\0\0\x7" ZEROS "hunter2");
    assert_kept_secret(&said, "hunter");
    assert_kept_secret(&said, "probe");
    assert_said(&said,
                "request 0 SASL AUTH bytes=43\n"
                "request 1 SASL STEP bytes=36\n"
                "response 0 status=AUTH_ERROR failed bytes=31\n");
}

static void conversations_are_recognised(void **state)
{
    (void)state;
    static const struct {
        enum wire_side from;
        const char *text;
    } telling[] = {{WIRE_CLIENT, "get a\r\n"},     {WIRE_CLIENT, "set a 0 0 1\r\nx\r\n"}, {WIRE_CLIENT, "mg a v\r\n"},
                   {WIRE_CLIENT, "gat 0 a b\r\n"}, {WIRE_SERVER, "VALUE a 0 12\r\n"},     {WIRE_SERVER, "END\r\n"},
                   {WIRE_SERVER, "STORED\r\n"},    {WIRE_SERVER, "STAT pid 1\r\n"},       {WIRE_SERVER, "HD\r\n"},
                   {WIRE_SERVER, "VA 2 t30\r\n"}},
      others[] = {{WIRE_CLIENT, "quit\r\n"},         {WIRE_CLIENT, "stats\r\n"}, {WIRE_CLIENT, "delete 5\r\n"},
                  {WIRE_CLIENT, "touch 5\r\n"},      {WIRE_CLIENT, "get\r\n"},   {WIRE_CLIENT, "set a b c d\r\n"},
                  {WIRE_CLIENT, "GET / HTTP/1.1"},   {WIRE_SERVER, "OK 12\r\n"}, {WIRE_SERVER, "DELETED\r\n"},
                  {WIRE_SERVER, "END of it\r\n"},    {WIRE_SERVER, "VALUE\r\n"}, {WIRE_SERVER, "220 ready\r\n"},
                  {WIRE_CLIENT, "\x80\x00\0\0\0\0"}, {WIRE_SERVER, "\x81\x7f"}};
    for (size_t i = 0; i < ARRAY_SIZE(telling); i++) {
        conversation_start(&said, WIRE_UNKNOWN);
        said_chunk(&said, telling[i].from, telling[i].text, strlen(telling[i].text));
        assert_int_equal(said.conversation.protocol, WIRE_MEMCACHED);
    }
    for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
        conversation_start(&said, WIRE_UNKNOWN);
        said_chunk(&said, others[i].from, others[i].text, strlen(others[i].text));
        assert_int_equal(said.conversation.protocol, WIRE_UNKNOWN);
    }
}

/* What the server counted, and which verbs that is. */
static const struct {
    const char *name;
    const char *verbs[7];
} counters[] = {
    {"cmd_get", {"GET", "GETS", "MG"}},
    {"cmd_set", {"SET", "ADD", "REPLACE", "APPEND", "PREPEND", "CAS", "MS"}},
    {"cmd_flush", {"FLUSH_ALL"}},
    {"cmd_touch", {"TOUCH", "GAT", "GATS"}},
};

static void the_server_counted_the_same(void **state)
{
    (void)state;
    static struct recorded recorded;
    static const size_t steps[] = {SIZE_MAX, 1, 2, 3, 7, 100, 1460};
    for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
        recorded_folder(&recorded, "memcached", "", steps[i]);
        for (size_t n = 0; n < ARRAY_SIZE(counters); n++) {
            uint64_t understood = 0;
            for (size_t v = 0; v < ARRAY_SIZE(counters[n].verbs) && counters[n].verbs[v]; v++)
                understood += recorded_count(&recorded, counters[n].verbs[v]);
            assert_int_equal(understood, recorded_account("memcached", counters[n].name));
        }
        /* Who leaves need not wait for the last answer. */
        assert_in_range(recorded.requests - recorded.responses, 0, recorded.conversations);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(commands_and_their_answers_are_paired),
        TEST(quiet_requests_have_no_answer),
        TEST(meta_commands_are_understood),
        TEST(lists_end_where_they_end),
        TEST(the_binary_protocol_is_understood),
        TEST(what_is_lost_is_told_and_the_next_message_found),
        TEST(binary_packets_are_found_again),
        TEST(an_answer_in_parts_is_announced),
        TEST(secrets_are_kept),
        TEST(conversations_are_recognised),
        TEST(the_server_counted_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
