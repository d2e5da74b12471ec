/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "wire/conversation.h"

#include "wire/statements.h"

static struct statements statements;

static void put(uint32_t id, const char *sql)
{
    struct sql_digest d;
    sql_digest(&d, (const uint8_t *)sql, strlen(sql), true, SQL_MYSQL, SQL_ESCAPES_YES);
    statements_put(&statements, id, &d);
}

/* What is said of an execution; "": nothing is known. */
static const char *described(uint32_t id)
{
    static char line[512];
    struct wire_message m = {0};
    enum sql_transaction transaction;
    if (!statements_describe(&statements, id, &m, &transaction))
        return "";
    snprintf(line, sizeof(line), "%.*s|%.*s|%.*s|%x|%d", (int)m.verb_length, m.verb, (int)m.text_length, m.text,
             (int)m.key_length, m.key, m.flags, transaction);
    return line;
}

static int begin(void **state)
{
    (void)state;
    memset(&statements, 0, sizeof(statements));
    return 0;
}

static void kept(void **state)
{
    (void)state;
    put(1, "SELECT a FROM t WHERE id = 5");
    put(2, "DELETE FROM u");
    put(3, "BEGIN");
    assert_string_equal(described(1), "SELECT|SELECT a FROM t WHERE id = ?|t|0|0");
    assert_string_equal(described(2), "DELETE|DELETE FROM u|u|4800|0");
    assert_string_equal(described(3), "BEGIN|BEGIN||0|1");
    assert_string_equal(described(4), "");
    assert_int_equal(statements_last(&statements), 3);
}

static void replaced_renamed_removed(void **state)
{
    (void)state;
    put(1, "SELECT 1 FROM a");
    put(2, "SELECT 2 FROM b");
    put(1, "SELECT 3 FROM c");
    assert_string_equal(described(1), "SELECT|SELECT ? FROM c|c|0|0");
    statements_rename(&statements, 2, 1);
    assert_string_equal(described(1), "SELECT|SELECT ? FROM b|b|0|0");
    assert_string_equal(described(2), "");
    statements_remove(&statements, 1);
    assert_int_equal(statements.count, 0);
    assert_int_equal(statements.text_used, 0);
}

/* The one that is used all the time outlives any number of others; of the oldest the text goes first, then all. */
static void least_used_goes(void **state)
{
    char sql[64];
    (void)state;
    for (uint32_t id = 1; id <= 100; id++) {
        snprintf(sql, sizeof(sql), "SELECT column_%u, some_more FROM table_%u WHERE id = ?", id, id);
        put(id, sql);
        assert_string_not_equal(described(1), "");
        assert_non_null(strstr(described(1), "table_1 "));
        assert_true(statements.count <= STATEMENTS_MAX && statements.text_used <= STATEMENTS_TEXT);
    }
    assert_non_null(strstr(described(100), "table_100"));
    assert_string_equal(described(87), "SELECT|||0|0");
    assert_string_equal(described(50), "");
}

static void long_ones_are_cut(void **state)
{
    char sql[WIRE_HEAD] = "SELECT ";
    (void)state;
    for (size_t n = strlen(sql); n + 8 < sizeof(sql); n += 8)
        memcpy(sql + n, "column, ", 8);
    for (uint32_t id = 1; id < 10; id++)
        put(id, sql);
    assert_non_null(strstr(described(9), "|4|0"));
    assert_true(statements.text_used <= STATEMENTS_TEXT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(kept, begin),
        cmocka_unit_test_setup(replaced_renamed_removed, begin),
        cmocka_unit_test_setup(least_used_goes, begin),
        cmocka_unit_test_setup(long_ones_are_cut, begin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
