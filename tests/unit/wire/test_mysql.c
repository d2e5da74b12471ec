/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "wire/conversation.h"
#include "wire/recorded.h"

#include "wire/mysql.h"

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

static void packet(enum wire_side from, uint8_t number, const void *payload, size_t length)
{
    uint8_t bytes[1024] = {(uint8_t)length, (uint8_t)(length >> 8), 0, number};
    assert_true(length <= sizeof(bytes) - MYSQL_HEADER);
    memcpy(bytes + MYSQL_HEADER, payload, length);
    said_chunk(&said, from, bytes, length + MYSQL_HEADER);
}

#define asks(literal) packet(WIRE_CLIENT, 0, (literal), sizeof(literal) - 1)
#define answers(number, literal) packet(WIRE_SERVER, (number), (literal), sizeof(literal) - 1)

#define OK "\0\0\0\2\0\0\0"
#define COLUMN "\3def\4shop\4user\4user\2id\2id\x0c\x3f\0\x0b\0\0\0\3\3\x50\0\0\0"
#define EOF_PACKET "\xfe\0\0\2\0"
#define OK_AS_EOF "\xfe\0\0\2\0\0\0"

static void greets(uint32_t capabilities)
{
    uint8_t greeting[] =
        "\x0a"
        "5.5.5-10.11\0"
        "\1\0\0\0"
        "saltsalt\0"
        "\0\0\x21\2\0\0\0\x15\0\0\0\0\0\0\0\0\0\0"
        "moresaltmore\0mysql_native_password";
    memcpy(greeting + 26, &capabilities, 2);
    memcpy(greeting + 31, (uint8_t *)&capabilities + 2, 2);
    packet(WIRE_SERVER, 0, greeting, sizeof(greeting));
}

static void logs_in(uint32_t capabilities)
{
    uint8_t response[] =
        "\0\0\0\0\0\0\0\1\x21\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
        "planted-user\0\x14planted-proof0123456shop\0mysql_native_password";
    capabilities |= CLIENT_PROTOCOL_41 | CLIENT_SECURE_CONNECTION | CLIENT_CONNECT_WITH_DB | CLIENT_LONG_PASSWORD;
    memcpy(response, &capabilities, 4);
    greets(capabilities);
    packet(WIRE_CLIENT, 1, response, sizeof(response));
    answers(2, OK);
    assert_non_null(strstr(said.text, "request 0 CONNECT bytes=97\nname text=shop\nresponse 0 bytes=11\n"));
    assert_kept_secret(&said, "planted");
    said.used = 0;
    said.text[0] = '\0';
}

static const char logged_in[] = "request 0 CONNECT bytes=97\nname text=shop\nresponse 0 bytes=11\n";

/* What was said since the log-in. */
static void assert_said_after(const char *expected)
{
    static char all[4096];
    snprintf(all, sizeof(all), "%s%s", logged_in, expected);
    conversation_repeat(&said, SIZE_MAX, 0, 0);
    assert_said(&said, all);
}

static void queries(void **state)
{
    (void)state;
    logs_in(0);
    asks("\3SELECT id FROM user WHERE id IN (1, 2)");
    answers(1, "\1");
    answers(2, COLUMN);
    answers(3, EOF_PACKET);
    answers(4, "\1\61");
    answers(5, "\1\62");
    answers(6, EOF_PACKET);
    asks("\3UPDATE user SET name = 'planted' WHERE id = 7");
    answers(1, "\0\3\0\3\0\0\0");
    asks("\3SELECT 1 FROM nowhere");
    answers(1, "\xff\x7a\4#42S02Table 'planted' doesn't exist");
    asks("\3COMMIT");
    answers(1, OK);
    asks("\x0e");
    answers(1, OK);
    asks("\1");
    assert_said_after(
        "request 1 SELECT text=SELECT id FROM user WHERE id IN (?) key=user bytes=43\n"
        "response 1 bytes=77 elements=2\n"
        "request 2 UPDATE text=UPDATE user SET name = ? WHERE id = ? key=user write bytes=50\n"
        "response 2 bytes=11 elements=3\n"
        "request 3 SELECT text=SELECT ? FROM nowhere key=nowhere in-transaction bytes=26\n"
        "response 3 status=1146 failed bytes=42\n"
        "request 4 COMMIT text=COMMIT in-transaction bytes=11\n"
        "response 4 bytes=11\n"
        "request 5 PING bytes=5\n"
        "response 5 bytes=11\n"
        "request 6 QUIT no-reply bytes=5\n");
    assert_kept_secret(&said, "planted");
}

static void deprecated_eof_and_several_results(void **state)
{
    (void)state;
    logs_in(CLIENT_DEPRECATE_EOF);
    asks("\3SELECT 1; DELETE FROM t");
    answers(1, "\1");
    answers(2, COLUMN);
    answers(3, "\1\61");
    answers(4, "\xfe\0\0\x0a\0\0\0"); /* more results */
    answers(5, "\0\5\0\2\0\0\0");
    asks("\3SELECT 1");
    answers(1, "\1");
    answers(2, COLUMN);
    answers(3, OK_AS_EOF);
    assert_said_after(
        "request 1 SELECT text=SELECT ?; DELETE FROM t key=t unbounded write bytes=28\n"
        "response 1 bytes=75 elements=6\n"
        "request 2 SELECT text=SELECT ? bytes=13\n"
        "response 2 bytes=58\n");
}

static void prepared_statements(void **state)
{
    (void)state;
    logs_in(0);
    asks("\x16SELECT id FROM user WHERE id = ?");
    answers(1, "\0\1\0\0\0\1\0\1\0\0\0\0");
    answers(2, COLUMN);
    answers(3, EOF_PACKET);
    answers(4, COLUMN);
    answers(5, EOF_PACKET);
    asks("\x17\1\0\0\0\0\1\0\0\0\0\1\3\0planted");
    answers(1, "\1");
    answers(2, COLUMN);
    answers(3, "\xfe\0\0\x42\0"); /* a cursor: rows are fetched */
    asks("\x1c\1\0\0\0\x0a\0\0\0");
    answers(1, "\0\0\1\0\0\0");
    answers(2, "\xfe\0\0\x82\0");
    asks("\x18\1\0\0\0\0\0planted");
    asks("\x1a\1\0\0\0");
    answers(1, OK);
    asks("\x19\1\0\0\0");
    asks("\x17\1\0\0\0\0\1\0\0\0\0");
    answers(1, "\xff\xdb\4#HY000Unknown prepared statement");
    asks("\x16SELECT broken");
    answers(1, "\xff\x1e\4#42S22Unknown column");
    assert_said_after(
        "request 1 PREPARE text=SELECT id FROM user WHERE id = ? bytes=37\n"
        "response 1 bytes=118\n"
        "request 2 SELECT text=SELECT id FROM user WHERE id = ? key=user prepared bytes=25\n"
        "response 2 bytes=56\n"
        "request 3 FETCH text=SELECT id FROM user WHERE id = ? prepared bytes=13\n"
        "response 3 bytes=19 elements=1\n"
        "request 4 LONG DATA text=SELECT id FROM user WHERE id = ? no-reply prepared bytes=18\n"
        "request 5 RESET STATEMENT text=SELECT id FROM user WHERE id = ? prepared bytes=9\n"
        "response 5 bytes=11\n"
        "request 6 CLOSE STATEMENT text=SELECT id FROM user WHERE id = ? no-reply prepared bytes=9\n"
        "request 7 EXECUTE prepared bytes=15\n"
        "response 7 status=1243 failed bytes=39\n"
        "request 8 PREPARE text=SELECT broken bytes=18\n"
        "response 8 status=1054 failed bytes=27\n");
    assert_kept_secret(&said, "planted");
}

/* MariaDB: executed before its number is known. */
static void executed_directly(void **state)
{
    (void)state;
    logs_in(0);
    asks(
        "\x16"
        "DELETE FROM user");
    asks("\x17\xff\xff\xff\xff\0\1\0\0\0");
    asks("\x19\xff\xff\xff\xff");
    answers(1, "\0\x09\0\0\0\0\0\0\0\0\0\0");
    answers(1, "\0\2\0\2\0\0\0");
    asks("\xfa\x09\0\0\0\x80\0");
    answers(1, OK);
    assert_said_after(
        "request 1 PREPARE text=DELETE FROM user bytes=21\n"
        "request 2 DELETE text=DELETE FROM user key=user prepared unbounded write bytes=14\n"
        "request 3 CLOSE STATEMENT text=DELETE FROM user no-reply prepared bytes=9\n"
        "response 1 bytes=16\n"
        "response 2 bytes=11 elements=2\n"
        "request 4 EXECUTE prepared bytes=11\n"
        "response 4 bytes=11\n");
}

static void files_and_big_rows(void **state)
{
    (void)state;
    logs_in(0);
    asks("\3LOAD DATA LOCAL INFILE '/planted' INTO TABLE user");
    answers(1, "\xfb/planted");
    packet(WIRE_CLIENT, 2, "planted\nplanted\n", 16);
    packet(WIRE_CLIENT, 3, "", 0);
    answers(4, "\0\2\0\2\0\0\0");
    asks("\2shop");
    answers(1, OK);
    asks("\x09");
    answers(1, "Uptime: 5  Threads: planted");
    assert_said_after(
        "request 1 LOAD text=LOAD DATA LOCAL INFILE ? INTO TABLE user key=user write bytes=54\n"
        "response 1 bytes=24 elements=2\n"
        "request 2 USE bytes=9\n"
        "name text=shop\n"
        "response 2 bytes=11\n"
        "request 3 STATISTICS bytes=5\n"
        "response 3 bytes=31\n");
    assert_kept_secret(&said, "planted");
}

static void users_change(void **state)
{
    (void)state;
    logs_in(0);
    asks(
        "\x11planted\0\x03"
        "abcother\0\x21\0mysql_native_password\0");
    answers(1, "\xfemysql_clear_password\0planted");
    packet(WIRE_CLIENT, 2, "planted-password", 17);
    answers(3, OK);
    asks("\x1f");
    answers(1, OK);
    assert_said_after(
        "request 1 CONNECT bytes=47\n"
        "name text=other\n"
        "response 1 bytes=44\n"
        "request 2 RESET CONNECTION bytes=5\n"
        "response 2 bytes=11\n");
    assert_kept_secret(&said, "planted");
}

static void log_in_refused(void **state)
{
    (void)state;
    uint32_t capabilities = CLIENT_PROTOCOL_41 | CLIENT_SECURE_CONNECTION;
    uint8_t response[] = "\0\0\0\0\0\0\0\1\x21\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0planted\0\0";
    memcpy(response, &capabilities, 4);
    greets(capabilities);
    packet(WIRE_CLIENT, 1, response, sizeof(response));
    answers(2, "\xff\x15\4#28000Access denied for user 'planted'");
    assert_said(&said, "request 0 CONNECT bytes=46\nresponse 0 status=1045 failed bytes=45\n");
    assert_int_equal(said.conversation.protocol, WIRE_MYSQL);
}

static void tls(void **state)
{
    static const char request[] = "\0\x8a\0\0\0\0\0\1\x21\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
    (void)state;
    greets(CLIENT_PROTOCOL_41 | CLIENT_SSL);
    packet(WIRE_CLIENT, 1, request, 32);
    client(&said, "\x16\3\1\0\5hello");
    assert_said(&said, "upgrade\n");

    /* inside of the TLS session: no greeting */
    conversation_start(&said, WIRE_MYSQL);
    uint8_t response[] = "\0\x8a\0\0\0\0\0\1\x21\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0planted\0\0";
    packet(WIRE_CLIENT, 2, response, sizeof(response));
    answers(3, OK);
    asks("\3SELECT 1");
    answers(1, "\1");
    answers(2, COLUMN);
    answers(3, EOF_PACKET);
    answers(4, EOF_PACKET);
    assert_said(&said,
                "request 0 CONNECT bytes=46\nresponse 0 bytes=11\n"
                "request 1 SELECT text=SELECT ? bytes=13\nresponse 1 bytes=65\n");
}

static void compressed(void **state)
{
    (void)state;
    logs_in(CLIENT_COMPRESS);
    client(&said, "\x0d\0\0\0\0\0\0\x09\0\0\0\3SELECT 5");
    server(&said, "\x0b\0\0\1\0\0\0\7\0\0\1\0\0\0\2\0\0\0");
    client(&said, "\x0a\0\0\0\x50\0\0squashed..");
    server(&said, "\x0a\0\0\1\x50\0\0squashed..");
    server(&said, "\x0a\0\0\2\x50\0\0squashed..");
    client(&said, "\x0d\0\0\0\0\0\0\x09\0\0\0\3SELECT 5");
    server(&said, "\x0d\0\0\1\0\0\0\x09\0\0\1\xff\x7a\4#42S02");
    assert_said_after(
        "request 1 SELECT text=SELECT ? bytes=13\n"
        "response 1 bytes=18\n"
        "request 2 QUERY compressed bytes=17\n"
        "response 2 bytes=17\n"
        "request 3 SELECT text=SELECT ? bytes=13\n"
        "response 3 status=1146 failed bytes=20\n");
}

/* Recording begins when all of it is long under way. */
static void from_the_middle(void **state)
{
    (void)state;
    answers(9, "\1\61"); /* rows of something */
    asks("\3SELECT id FROM user");
    answers(1, "\1");
    answers(2, COLUMN);
    answers(3, "\1\61");
    answers(4, OK_AS_EOF);
    asks("\3SELECT id FROM user");
    answers(1, "\1");
    answers(2, COLUMN);
    answers(3, OK_AS_EOF);
    assert_said(&said,
                "request 0 SELECT text=SELECT id FROM user key=user bytes=24\n"
                "response 0 bytes=64 elements=1\n"
                "request 1 SELECT text=SELECT id FROM user key=user bytes=24\n"
                "response 1 bytes=58\n");
    conversation_start(&said, WIRE_UNKNOWN);
    asks("\x17\5\0\0\0\0\1\0\0\0");
    answers(1, OK);
    asks("\x16SELECT 1");
    answers(1, "\0\6\0\0\0\1\0\0\0\0\0\0");
    answers(2, COLUMN);
    answers(3, EOF_PACKET);
    asks("\x17\6\0\0\0\0\1\0\0\0");
    answers(1, "\1");
    answers(2, COLUMN);
    answers(3, EOF_PACKET);
    answers(4, EOF_PACKET);
    assert_said(&said,
                "request 0 EXECUTE prepared bytes=14\n"
                "response 0 bytes=11\n"
                "request 1 PREPARE text=SELECT ? bytes=13\n"
                "response 1 bytes=58\n"
                "request 2 SELECT text=SELECT ? prepared bytes=14\n"
                "response 2 bytes=65\n");
}

static void losses(void **state)
{
    (void)state;
    logs_in(0);
    asks("\3SELECT 1");
    answers(1, "\1");
    said_gap(&said, WIRE_SERVER, 0);
    answers(9, "\1\61");
    asks("\3SELECT 2");
    answers(1, OK);
    said_gap(&said, WIRE_CLIENT, 100);
    answers(1, OK);
    asks("\3SELECT 3");
    answers(1, OK);
    assert_said_after(
        "request 1 SELECT text=SELECT ? bytes=13\n"
        "request 2 SELECT text=SELECT ? lost bytes=13\n"
        "response 2 bytes=11\n"
        "request 3 SELECT text=SELECT ? lost bytes=13\n"
        "response 3 bytes=11\n");
}

/* Of a row that nobody saw only the length is known, which is enough. */
static void loss_inside_a_packet(void **state)
{
    uint8_t row[600] = "\x54\2\0\5\xfc\x50\2";
    (void)state;
    logs_in(0);
    asks("\3SELECT 1");
    answers(1, "\1");
    answers(2, COLUMN);
    answers(3, EOF_PACKET);
    row[3] = 4;
    said_chunk(&said, WIRE_SERVER, row, 550);
    said_gap(&said, WIRE_SERVER, 0x254 + 4 - 550);
    answers(5, EOF_PACKET);
    conversation_repeat(&said, SIZE_MAX, 0, 0);
    assert_non_null(strstr(said.text, "response 1 bytes=665 elements=1\n"));
}

static void first_bytes(void **state)
{
    (void)state;
    logs_in(0);
    said.with_first = true;
    asks("\3SELECT SLEEP(1)");
    server(&said, "\1");
    server(&said, "\0\0\1\1");
    answers(2, COLUMN);
    answers(3, EOF_PACKET);
    answers(4, EOF_PACKET);
    asks("\3SELECT 1");
    answers(1, OK);
    assert_string_equal(said.text,
                        "request 1 SELECT text=SELECT SLEEP(?) bytes=20\n"
                        "first 1\n"
                        "response 1 bytes=65\n"
                        "request 2 SELECT text=SELECT ? bytes=13\n"
                        "response 2 bytes=11\n");
}

static void nonsense(void **state)
{
    (void)state;
    logs_in(0);
    asks("\x77 what");
    assert_int_equal(said.conversation.protocol, WIRE_UNKNOWN);
    asks("\3SELECT 1");
    assert_int_equal(said.conversation.protocol, WIRE_MYSQL);
}

static void others_are_not_taken_for_it(void **state)
{
    static const struct {
        enum wire_side from;
        const char *bytes;
        size_t length;
    } cases[] = {
        {WIRE_CLIENT, "GET / HTTP/1.1\r\n", 16},
        {WIRE_CLIENT, "*1\r\n$4\r\nPING\r\n", 14},
        {WIRE_SERVER, "HTTP/1.1 200 OK\r\n", 17},
        {WIRE_SERVER, "+OK\r\n", 5},
        {WIRE_CLIENT, "\x16\3\1\0\5hello", 10},
        {WIRE_CLIENT, "\0\0\0\x08\4\xd2\x16\x2f", 8},
        {WIRE_CLIENT, "\x20\0\0\0\3\0\0\0\0\0\0\0\xdd\7\0\0\0\0\0\0\0", 21},
        {WIRE_CLIENT, "\x0c\0\0\0\3hello world", 16},
        {WIRE_SERVER, "\7\0\0\1\0\0\0\0\0\0\0", 11},
        {WIRE_SERVER, "\1\0\0\1\5\x1a\0\0\2\3abc", 13},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        assert_int_equal(mysql_parser.guess((const uint8_t *)cases[i].bytes, cases[i].length, cases[i].from),
                         WIRE_GUESS_NO);
}

/* The general log counts neither what is asked by the library alone, nor fetches. */
static void recorded_conversations(void **state)
{
    static const char *const names[] = {"cli", "mysqldb", "pymysql", "perl", "jdbc", "library"};
    static const size_t steps[] = {UINT16_MAX, 1, 7};
    static struct recorded recorded;
    char account[64];
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        for (size_t k = 0; k < ARRAY_SIZE(steps); k++) {
            recorded_folder(&recorded, "mysql", names[i], steps[k]);
            snprintf(account, sizeof(account), "mysql-%s", names[i]);
            assert_account(&recorded, account);
            assert_int_equal(recorded.requests, recorded.responses);
            assert_int_equal(recorded_count(&recorded, "SQL"), 0);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(queries, begin, end),
        cmocka_unit_test_setup_teardown(deprecated_eof_and_several_results, begin, end),
        cmocka_unit_test_setup_teardown(prepared_statements, begin, end),
        cmocka_unit_test_setup_teardown(executed_directly, begin, end),
        cmocka_unit_test_setup_teardown(files_and_big_rows, begin, end),
        cmocka_unit_test_setup_teardown(users_change, begin, end),
        cmocka_unit_test_setup_teardown(log_in_refused, begin, end),
        cmocka_unit_test_setup_teardown(tls, begin, end),
        cmocka_unit_test_setup_teardown(compressed, begin, end),
        cmocka_unit_test_setup_teardown(from_the_middle, begin, end),
        cmocka_unit_test_setup_teardown(losses, begin, end),
        cmocka_unit_test_setup_teardown(loss_inside_a_packet, begin, end),
        cmocka_unit_test_setup_teardown(first_bytes, begin, end),
        cmocka_unit_test_setup_teardown(nonsense, begin, end),
        cmocka_unit_test(others_are_not_taken_for_it),
        cmocka_unit_test(recorded_conversations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
