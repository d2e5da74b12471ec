/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "wire/conversation.h"
#include "wire/recorded.h"

#include "wire/pgsql.h"

static struct said said;

static int begin(void **state)
{
    (void)state;
    conversation_start(&said, WIRE_UNKNOWN);
    said.with_first = false;
    return 0;
}

static int end(void **state)
{
    (void)state;
    conversation_start(&said, WIRE_UNKNOWN);
    return 0;
}

/* type 0: without one */
static void message(enum wire_side from, char type, const void *contents, size_t length)
{
    uint8_t bytes[1024] = {(uint8_t)type};
    uint8_t *at = bytes + (type != 0);
    uint32_t size = (uint32_t)length + 4;
    assert_true(length < sizeof(bytes) - PGSQL_HEADER);
    for (int i = 0; i < 4; i++)
        at[i] = (uint8_t)(size >> (24 - 8 * i));
    memcpy(at + 4, contents, length);
    said_chunk(&said, from, bytes, length + 4 + (type != 0));
}

#define asks(type, literal) message(WIRE_CLIENT, (type), (literal), sizeof(literal) - 1)
#define answers(type, literal) message(WIRE_SERVER, (type), (literal), sizeof(literal) - 1)

static void query(const char *sql)
{
    message(WIRE_CLIENT, 'Q', sql, strlen(sql) + 1);
}

static void logs_in(void)
{
    asks(0, "\0\3\0\0user\0planted-user\0database\0shop\0\0");
    answers('R', "\0\0\0\5salt");
    asks('p', "md5planted-proof\0");
    answers('R', "\0\0\0\0");
    answers('S', "standard_conforming_strings\0on\0");
    answers('K', "\0\0\1\2planted");
    answers('Z', "I");
}

static const char logged_in[] = "request 0 CONNECT bytes=41\nname text=shop\nresponse 0 bytes=80\n";

static void assert_said_after(const char *expected)
{
    static char all[8192];
    snprintf(all, sizeof(all), "%s%s", logged_in, expected);
    assert_said(&said, all);
    assert_kept_secret(&said, "planted");
}

static void simple_queries(void **state)
{
    (void)state;
    logs_in();
    query("SELECT id FROM item WHERE id IN (1, 2)");
    answers('T', "\0\1id\0planted");
    answers('D', "\0\1\0\0\0\1\61");
    answers('D', "\0\1\0\0\0\1\62");
    answers('C', "SELECT 2\0");
    answers('Z', "I");
    query("UPDATE item SET name = 'planted' WHERE id = 7");
    answers('N', "SNOTICE\0Mplanted\0\0");
    answers('C', "UPDATE 1\0");
    answers('Z', "I");
    query("SELECT 1; SELECT 2");
    answers('C', "SELECT 1\0");
    answers('C', "SELECT 1\0");
    answers('Z', "I");
    query("SELECT 1 FROM nowhere");
    answers('E', "SERROR\0VERROR\0C42P01\0Mrelation \"planted\" does not exist\0\0");
    answers('Z', "I");
    query("");
    answers('I', "");
    answers('Z', "I");
    asks('F', "\0\0\0\1\0\0\0\0\0\0");
    answers('V', "\0\0\0\0");
    answers('Z', "I");
    asks('X', "");
    assert_said_after(
        "request 1 SELECT text=SELECT id FROM item WHERE id IN (?) key=item bytes=44\n"
        "response 1 bytes=61 elements=2\n"
        "request 2 UPDATE text=UPDATE item SET name = ? WHERE id = ? key=item write bytes=51\n"
        "response 2 bytes=43 elements=1\n"
        "request 3 SELECT text=SELECT ?; SELECT ? bytes=24\n"
        "response 3 bytes=34 elements=2\n"
        "request 4 SELECT text=SELECT ? FROM nowhere key=nowhere bytes=27\n"
        "response 4 status=42P01 failed bytes=68\n"
        "request 5 SQL bytes=6\n"
        "response 5 bytes=11\n"
        "request 6 FUNCTION bytes=15\n"
        "response 6 bytes=15\n"
        "request 7 QUIT no-reply bytes=5\n");
}

static void transactions(void **state)
{
    (void)state;
    logs_in();
    query("BEGIN");
    answers('C', "BEGIN\0");
    answers('Z', "T");
    query("DELETE FROM item");
    answers('C', "DELETE 9\0");
    answers('Z', "T");
    query("COMMIT");
    answers('C', "COMMIT\0");
    answers('Z', "I");
    query("SELECT 1");
    answers('C', "SELECT 1\0");
    answers('Z', "I");
    assert_said_after(
        "request 1 BEGIN text=BEGIN bytes=11\n"
        "response 1 bytes=17\n"
        "request 2 DELETE text=DELETE FROM item key=item in-transaction unbounded write bytes=22\n"
        "response 2 bytes=20 elements=9\n"
        "request 3 COMMIT text=COMMIT in-transaction bytes=12\n"
        "response 3 bytes=18\n"
        "request 4 SELECT text=SELECT ? bytes=14\n"
        "response 4 bytes=20 elements=1\n");
}

static void prepared_statements(void **state)
{
    (void)state;
    logs_in();
    asks('P', "s1\0SELECT id FROM item WHERE id = $1\0\0\0");
    asks('D', "Ss1\0");
    asks('S', "");
    answers('1', "");
    answers('t', "\0\1\0\0\0\x17");
    answers('T', "\0\1id\0");
    answers('Z', "I");
    asks('B', "\0s1\0\0\0\0\1\0\0\0\7planted\0\0");
    asks('E', "\0\0\0\0\0");
    asks('S', "");
    answers('2', "");
    answers('D', "\0\1\0\0\0\1\61");
    answers('C', "SELECT 1\0");
    answers('Z', "I");
    /* unnamed, executed at once; its portal read in parts */
    asks('P', "\0SELECT * FROM item\0\0\0");
    asks('B', "c1\0\0\0\0\0\0\0\0");
    asks('E', "c1\0\0\0\0\1");
    asks('S', "");
    answers('1', "");
    answers('2', "");
    answers('D', "\0\1\0\0\0\1\61");
    answers('s', "");
    answers('Z', "T");
    asks('E', "c1\0\0\0\0\1");
    asks('S', "");
    answers('C', "SELECT 0\0");
    answers('Z', "I");
    asks('C', "Ss1\0");
    asks('S', "");
    answers('3', "");
    answers('Z', "I");
    asks('B', "\0s1\0\0\0\0\0\0\0");
    asks('E', "\0\0\0\0\0");
    asks('S', "");
    answers('E', "SERROR\0C26000\0Mplanted\0\0");
    answers('Z', "I");
    assert_said_after(
        "request 1 PREPARE text=SELECT id FROM item WHERE id = ? bytes=58\n"
        "response 1 bytes=32\n"
        "request 2 SELECT text=SELECT id FROM item WHERE id = ? key=item prepared bytes=36\n"
        "response 2 bytes=31 elements=1\n"
        "request 3 SELECT text=SELECT * FROM item key=item bytes=54\n"
        "response 3 bytes=27 elements=1\n"
        "request 4 SELECT text=SELECT * FROM item key=item in-transaction bytes=12\n"
        "response 4 bytes=14\n"
        "request 5 CLOSE bytes=14\n"
        "response 5 bytes=11\n"
        "request 6 EXECUTE prepared bytes=25\n"
        "response 6 status=26000 failed bytes=29\n");
}

/* An error skips what was asked up to the next Sync. */
static void pipelines(void **state)
{
    (void)state;
    logs_in();
    for (int i = 0; i < 3; i++) {
        asks('P', "\0UPDATE item SET id = $1\0\0\0");
        asks('B', "\0\0\0\0\0\0\0\0");
        asks('E', "\0\0\0\0\0");
    }
    asks('S', "");
    asks('P', "\0SELECT 5\0\0\0");
    asks('B', "\0\0\0\0\0\0\0\0");
    asks('E', "\0\0\0\0\0");
    asks('S', "");
    asks('S', "");
    answers('1', "");
    answers('2', "");
    answers('C', "UPDATE 4\0");
    answers('1', "");
    answers('E', "SERROR\0C23505\0\0");
    answers('Z', "I");
    answers('1', "");
    answers('2', "");
    answers('C', "SELECT 1\0");
    answers('Z', "I");
    answers('Z', "I");
    assert_said_after(
        "request 1 UPDATE text=UPDATE item SET id = ? key=item unbounded write bytes=55\n"
        "request 2 UPDATE text=UPDATE item SET id = ? key=item unbounded write bytes=55\n"
        "request 3 UPDATE text=UPDATE item SET id = ? key=item unbounded write bytes=55\n"
        "request 4 SELECT text=SELECT ? bytes=40\n"
        "request 5 SYNC bytes=5\n"
        "response 1 bytes=24 elements=4\n"
        "response 2 status=23505 failed bytes=25\n"
        "response 3 status=23505 failed bytes=6\n"
        "response 4 bytes=24 elements=1\n"
        "response 5 bytes=6\n");
}

/* More than are told apart: the counts are right. */
static void long_pipelines(void **state)
{
    static struct recorded r;
    const struct wire_sink sink = {recorded_message, &r};
    struct wire_conversation c;
    (void)state;
    memset(&r, 0, sizeof(r));
    wire_start(&c, false, WIRE_PGSQL);
    wire_feed(&c, WIRE_CLIENT, "P\0\0\0\x16s\0DELETE FROM x\0\0\0S\0\0\0\4", 28, &sink);
    wire_feed(&c, WIRE_SERVER, "1\0\0\0\4Z\0\0\0\5I", 11, &sink);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 150; i++)
            wire_feed(&c, WIRE_CLIENT, "B\0\0\0\x0d\0s\0\0\0\0\0\0\0E\0\0\0\x09\0\0\0\0\0S\0\0\0\4", 29, &sink);
        for (int i = 0; i < 150; i++)
            wire_feed(&c, WIRE_SERVER,
                      "2\0\0\0\4C\0\0\0\x0d"
                      "DELETE 1\0Z\0\0\0\5I",
                      25, &sink);
    }
    assert_int_equal(recorded_count(&r, "DELETE"), 450);
    assert_int_equal(r.requests, 451);
    assert_int_equal(r.responses, 451);
    assert_int_equal(r.failed, 0);
    wire_feed(&c, WIRE_CLIENT, "Q\0\0\0\x0dSELECT 1\0", 14, &sink);
    wire_feed(&c, WIRE_SERVER, "E\0\0\0\x13SERROR\0C22012\0\0Z\0\0\0\5I", 26, &sink);
    assert_int_equal(r.responses, 452);
    assert_int_equal(r.failed, 1);
}

static void flushed(void **state)
{
    (void)state;
    logs_in();
    asks('P', "s\0SELECT 5\0\0\0");
    asks('D', "Ss\0");
    asks('H', "");
    answers('1', "");
    answers('t', "\0\0");
    answers('n', "");
    asks('B', "\0s\0\0\0\0\0\0\0");
    asks('E', "\0\0\0\0\0");
    asks('S', "");
    answers('2', "");
    answers('C', "SELECT 1\0");
    answers('Z', "I");
    asks('P', "t\0SELECT 6\0\0\0");
    asks('H', "");
    answers('E', "SERROR\0C42601\0\0");
    asks('S', "");
    answers('Z', "I");
    assert_said_after(
        "request 1 PREPARE text=SELECT ? bytes=31\n"
        "response 1 bytes=17\n"
        "request 2 SELECT text=SELECT ? prepared bytes=24\n"
        "response 2 bytes=19 elements=1\n"
        "request 3 PREPARE text=SELECT ? bytes=23\n"
        "response 3 status=42601 failed bytes=20\n"
        "request 4 SYNC bytes=5\n"
        "response 4 bytes=6\n");
}

static void copies(void **state)
{
    (void)state;
    logs_in();
    query("COPY item FROM STDIN");
    answers('G', "\0\0\0");
    asks('d', "1\tplanted\n");
    asks('d', "2\tplanted\n");
    asks('c', "");
    answers('C', "COPY 2\0");
    answers('Z', "I");
    query("COPY item TO STDOUT");
    answers('H', "\0\0\0");
    answers('d', "1\tplanted\n");
    answers('c', "");
    answers('C', "COPY 1\0");
    answers('Z', "I");
    /* With the extended protocol the Sync sent along is ignored, and another is sent behind the data. */
    asks('P', "\0COPY item FROM STDIN\0\0\0");
    asks('B', "\0\0\0\0\0\0\0\0");
    asks('E', "\0\0\0\0\0");
    asks('S', "");
    answers('1', "");
    answers('2', "");
    answers('G', "\0\0\0");
    asks('d', "1\tplanted\n");
    asks('c', "");
    asks('S', "");
    answers('C', "COPY 1\0");
    answers('Z', "I");
    query("SELECT 1");
    answers('C', "SELECT 1\0");
    answers('Z', "I");
    query("START_REPLICATION SLOT planted LOGICAL 0/0");
    answers('W', "\0\0\0");
    answers('d', "wplanted");
    asks('d', "rplanted");
    answers('d', "wplanted");
    assert_int_equal(said.conversation.protocol, WIRE_PGSQL);
    assert_non_null(strstr(said.text,
                           "request 1 COPY text=COPY item FROM STDIN key=item bytes=26\n"
                           "response 1 bytes=26 elements=2\n"
                           "request 2 COPY text=COPY item TO STDOUT key=item bytes=25\n"
                           "response 2 bytes=46 elements=1\n"
                           "request 3 COPY text=COPY item FROM STDIN key=item bytes=52\n"
                           "response 3 bytes=30 elements=1\n"
                           "request 4 SELECT text=SELECT ? bytes=14\n"
                           "response 4 bytes=20 elements=1\n"
                           "request 5 START_REPLICATION text=START_REPLICATION SLOT"));
    assert_non_null(strstr(said.text, "response 5 bytes=8\n"));
}

static void pushes(void **state)
{
    (void)state;
    logs_in();
    answers('A', "\0\0\1\2news\0planted\0");
    query("SELECT 1");
    answers('A', "\0\0\1\2more\0planted\0");
    answers('C', "SELECT 1\0");
    answers('Z', "I");
    assert_said_after(
        "push NOTIFY text=news bytes=22\n"
        "request 1 SELECT text=SELECT ? bytes=14\n"
        "push NOTIFY text=more bytes=22\n"
        "response 1 bytes=42 elements=1\n");
}

static void upgrades(void **state)
{
    (void)state;
    asks(0, "\x04\xd2\x16\x30");
    server(&said, "N");
    asks(0, "\x04\xd2\x16\x2f");
    server(&said, "S");
    client(&said, "\x16\3\1\0\5hello");
    server(&said, "\x16\3\1\0\5hello");
    assert_said(&said, "upgrade\n");

    conversation_start(&said, WIRE_UNKNOWN);
    asks(0, "\x04\xd2\x16\x2f");
    server(&said, "N");
    asks(0, "\0\3\0\0user\0planted\0\0");
    answers('E', "SFATAL\0VFATAL\0C28P01\0Mpassword of planted\0\0");
    assert_said(&said, "request 0 CONNECT bytes=22\nresponse 0 status=28P01 failed bytes=48\n");
    assert_kept_secret(&said, "planted");

    conversation_start(&said, WIRE_UNKNOWN);
    asks(0, "\x04\xd2\x16\x2e\0\0\0\1plan");
    assert_said(&said, "request 0 CANCEL no-reply bytes=16\n");
}

static void from_the_middle(void **state)
{
    (void)state;
    server(&said, "rest of a row\0\0");
    query("SELECT 1");
    answers('T', "\0\1id\0");
    answers('C', "SELECT 1\0");
    answers('Z', "T");
    asks('B', "\0s1\0\0\0\0\0\0\0");
    asks('E', "\0\0\0\0\0");
    asks('S', "");
    answers('2', "");
    answers('C', "INSERT 0 1\0");
    answers('Z', "T");
    assert_said(&said,
                "request 0 SELECT text=SELECT ? bytes=14\n"
                "response 0 bytes=30 elements=1\n"
                "request 1 EXECUTE prepared in-transaction bytes=25\n"
                "response 1 bytes=21 elements=1\n");
}

static void losses(void **state)
{
    (void)state;
    logs_in();
    query("SELECT 1");
    said_gap(&said, WIRE_SERVER, 0);
    answers('Z', "I");
    query("SELECT 2");
    answers('C', "SELECT 1\0");
    answers('Z', "I");
    said_gap(&said, WIRE_CLIENT, 7);
    answers('Z', "I");
    query("SELECT 3");
    answers('C', "SELECT 1\0");
    answers('Z', "I");
    assert_said_after(
        "request 1 SELECT text=SELECT ? bytes=14\n"
        "request 2 SELECT text=SELECT ? lost bytes=14\n"
        "response 2 bytes=20 elements=1\n"
        "request 3 SELECT text=SELECT ? lost bytes=14\n"
        "response 3 bytes=20 elements=1\n");
}

static void nonsense(void **state)
{
    (void)state;
    logs_in();
    client(&said, "what?");
    assert_int_equal(said.conversation.protocol, WIRE_UNKNOWN);
    query("SELECT 1");
    assert_int_equal(said.conversation.protocol, WIRE_PGSQL);
}

static void others_are_not_taken_for_it(void **state)
{
    static const struct {
        enum wire_side from;
        const char *bytes;
        size_t length;
    } cases[] = {
        {WIRE_CLIENT, "GET / HTTP/1.1\r\n", 16},
        {WIRE_CLIENT, "POST / HTTP/1.1\r\n", 17},
        {WIRE_CLIENT, "DELETE / HTTP/1.1\r\n", 19},
        {WIRE_CLIENT, "SET a b\r\n", 9},
        {WIRE_SERVER, "HTTP/1.1 200 OK\r\n", 17},
        {WIRE_SERVER, "STORED\r\n", 8},
        {WIRE_SERVER, "END\r\n", 5},
        {WIRE_SERVER, "ERROR\r\n", 7},
        {WIRE_CLIENT, "\x16\3\1\0\5hello", 10},
        {WIRE_CLIENT, "\0\0\x12\4\0\0\0\0\0", 9},
        {WIRE_CLIENT, "Q\0\0\0\x0fhello world\0", 17},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        assert_int_equal(pgsql_parser.guess((const uint8_t *)cases[i].bytes, cases[i].length, cases[i].from),
                         WIRE_GUESS_NO);
}

static void recorded_conversations(void **state)
{
    static const char *const names[] = {
        "psycopg2",         "psycopg3",         "asyncpg",         "psql", "jdbc", "pgbench_simple",
        "pgbench_extended", "pgbench_prepared", "pgbench_pipeline"};
    static const size_t steps[] = {UINT16_MAX, 1, 7};
    static struct recorded recorded;
    char account[64];
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        for (size_t k = 0; k < ARRAY_SIZE(steps); k++) {
            recorded_folder(&recorded, "pgsql", names[i], steps[k]);
            snprintf(account, sizeof(account), "pgsql-%s", names[i]);
            assert_account(&recorded, account);
            assert_int_equal(recorded.requests, recorded.responses);
            assert_int_equal(recorded_count(&recorded, "EXECUTE"), 0);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(simple_queries, begin, end),
        cmocka_unit_test_setup_teardown(transactions, begin, end),
        cmocka_unit_test_setup_teardown(prepared_statements, begin, end),
        cmocka_unit_test_setup_teardown(pipelines, begin, end),
        cmocka_unit_test_setup_teardown(long_pipelines, begin, end),
        cmocka_unit_test_setup_teardown(flushed, begin, end),
        cmocka_unit_test_setup_teardown(copies, begin, end),
        cmocka_unit_test_setup_teardown(pushes, begin, end),
        cmocka_unit_test_setup_teardown(upgrades, begin, end),
        cmocka_unit_test_setup_teardown(from_the_middle, begin, end),
        cmocka_unit_test_setup_teardown(losses, begin, end),
        cmocka_unit_test_setup_teardown(nonsense, begin, end),
        cmocka_unit_test(others_are_not_taken_for_it),
        cmocka_unit_test(recorded_conversations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
