/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "wire/conversation.h"

#include "wire/fields.h"
#include "wire/sql.h"

static struct sql_digest digest;

/* A copy with nothing behind it, so that a sanitizer sees a read beyond its end. */
static uint8_t *digest_of(const char *sql, size_t length, bool whole, enum sql_dialect dialect,
                          enum sql_escapes escapes)
{
    uint8_t *copy = malloc(length ? length : 1);
    memcpy(copy, sql, length);
    sql_digest(&digest, copy, length, whole, dialect, escapes);
    return copy;
}

static void assert_digest(const char *sql, enum sql_dialect dialect, const char *expected)
{
    free(digest_of(sql, strlen(sql), true, dialect, dialect == SQL_MYSQL ? SQL_ESCAPES_YES : SQL_ESCAPES_NO));
    digest.text[digest.length] = '\0';
    assert_string_equal(digest.text, expected);
}

static void assert_verb(const char *expected)
{
    size_t length;
    const char *verb = sql_verb_name(digest.verb, &length);
    assert_int_equal(length, strlen(expected));
    assert_memory_equal(verb, expected, length);
}

static void assert_table(const char *expected)
{
    assert_int_equal(digest.table_length, strlen(expected));
    assert_memory_equal(digest.text + digest.table_at, expected, strlen(expected));
}

struct pair {
    const char *sql, *digest;
};

static void both_dialects(void **state)
{
    static const struct pair cases[] = {
        {"select 1 from user", "SELECT ? from user"},
        {"  SELECT\n\t*  FROM   t ;", "SELECT * FROM t"},
        {"SELECT 'a', 1.5e-3, 0x1F, .5, -7, TRUE, NULL FROM t", "SELECT ?, ?, ?, ?, ?, TRUE, NULL FROM t"},
        {"SELECT 'it''s' 'joined' FROM t", "SELECT ? FROM t"},
        {"SELECT a/* c */+ b -- c\n FROM t", "SELECT a + b FROM t"},
        {"SELECT * FROM t WHERE a IN (1, 2, 3) AND b IN ('x')", "SELECT * FROM t WHERE a IN (?) AND b IN (?)"},
        {"SELECT * FROM t WHERE (a, b) IN ((1, 2), (3, 4))", "SELECT * FROM t WHERE (a, b) IN ((?, ?))"},
        {"SELECT * FROM t WHERE a IN (SELECT id FROM u WHERE b IN (1,-2))",
         "SELECT * FROM t WHERE a IN (SELECT id FROM u WHERE b IN (?))"},
        {"INSERT INTO t (a, b) VALUES (1, now()), (2, now()), (3, now())", "INSERT INTO t (a, b) VALUES (?, now())"},
        {"INSERT INTO t VALUES (1, 'a'), (DEFAULT, 'b')", "INSERT INTO t VALUES (?, ?), (DEFAULT, ?)"},
        {"SELECT * FROM t WHERE a = ? AND b = :name AND c = %s AND d = %(x)s",
         "SELECT * FROM t WHERE a = ? AND b = ? AND c = ? AND d = ?"},
        {"(SELECT 1) UNION (SELECT 2)", "(SELECT ?) UNION (SELECT ?)"},
        {"BEGIN; update t set a=5 where id=3; COMMIT;", "BEGIN; UPDATE t set a=? where id=?; COMMIT"},
        {"SET search_path TO a, b", "SET search_path TO ?"},
        {"set autocommit=0", "SET autocommit=?"},
        {"N'x'", ""},
        {"", ""},
        {";;", ""},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        assert_digest(cases[i].sql, SQL_MYSQL, cases[i].digest);
        assert_digest(cases[i].sql, SQL_PGSQL, cases[i].digest);
    }
}

static void mysql(void **state)
{
    static const struct pair cases[] = {
        {"SELECT \"text\", `a b`, 'o\\'clock' FROM `db`.`t` # c", "SELECT ?, `a b`, ? FROM `db`.`t`"},
        {"/*!40101 SET NAMES utf8 */", "SET NAMES utf8"},
        {"SELECT /*+ hint */ 4*/*c*/2, 5--3 FROM t", "SELECT ?* ?, ?--? FROM t"},
        {"SELECT _utf8mb4'x', N'x', X'AB', b'01', @v, @@global.x", "SELECT ?, ?, ?, ?, @v, @@global.x"},
        {"INSERT INTO t VALUES (1,'a') ON DUPLICATE KEY UPDATE a=VALUES(a), b=2",
         "INSERT INTO t VALUES (?,?) ON DUPLICATE KEY UPDATE a=VALUES(a), b=?"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        assert_digest(cases[i].sql, SQL_MYSQL, cases[i].digest);
}

static void pgsql(void **state)
{
    static const struct pair cases[] = {
        {"SELECT \"Col\", $1::int, E'a\\'b', 'c\\' FROM \"T\"", "SELECT \"Col\", ?::int, ?, ? FROM \"T\""},
        {"SELECT $$it's$$, $tag$ $$ ' $tag$ FROM t", "SELECT ?, ? FROM t"},
        {"SELECT a #> 'x' /* a /* b */ c */ FROM t", "SELECT a #> ? FROM t"},
        {"SELECT * FROM t WHERE id = ANY(ARRAY[1,2,3])", "SELECT * FROM t WHERE id = ANY(ARRAY[?])"},
        {"SELECT 1--x", "SELECT ?"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        assert_digest(cases[i].sql, SQL_PGSQL, cases[i].digest);
}

static void verbs_and_tables(void **state)
{
    static const struct {
        const char *sql, *verb, *table;
        uint32_t flags;
    } cases[] = {
        {"SELECT a FROM shop.user u", "SELECT", "shop.user", 0},
        {"SELECT EXTRACT(YEAR FROM born) FROM user", "SELECT", "user", 0},
        {"SELECT * FROM (SELECT * FROM `user`) x", "SELECT", "user", 0},
        {"INSERT IGNORE INTO `a`.`b` VALUES (1)", "INSERT", "`a`.`b`", WIRE_WRITE},
        {"REPLACE t VALUES (1)", "REPLACE", "t", WIRE_WRITE},
        {"UPDATE LOW_PRIORITY t SET a = 1 WHERE b = 2", "UPDATE", "t", WIRE_WRITE},
        {"UPDATE t SET a = 1", "UPDATE", "t", WIRE_WRITE | WIRE_UNBOUNDED},
        {"UPDATE t SET a = (SELECT b FROM c WHERE d = 1)", "UPDATE", "t", WIRE_WRITE | WIRE_UNBOUNDED},
        {"DELETE FROM t", "DELETE", "t", WIRE_WRITE | WIRE_UNBOUNDED},
        {"DELETE FROM t LIMIT 10", "DELETE", "t", WIRE_WRITE},
        {"WITH x AS (SELECT 1 FROM y) UPDATE t SET a = 1", "UPDATE", "y", WIRE_WRITE | WIRE_UNBOUNDED},
        {"EXPLAIN DELETE FROM t", "EXPLAIN", "t", 0},
        {"CREATE TABLE IF NOT EXISTS t (a INT)", "CREATE", "t", WIRE_WRITE},
        {"CREATE TRIGGER x BEGIN DELETE FROM t; END", "CREATE", "", WIRE_WRITE},
        {"TRUNCATE TABLE t", "TRUNCATE", "t", WIRE_WRITE},
        {"COPY t (a) FROM STDIN", "COPY", "t", 0},
        {"SELECT 1; DELETE FROM t", "SELECT", "t", WIRE_WRITE | WIRE_UNBOUNDED},
        {"SELECT user.password, user.from FROM user", "SELECT", "user", 0},
        {"SELECT 1 IN ((SELECT 1 FROM t), (SELECT 1 FROM t))", "SELECT", "", 0},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        free(digest_of(cases[i].sql, strlen(cases[i].sql), true, SQL_MYSQL, SQL_ESCAPES_YES));
        assert_verb(cases[i].verb);
        assert_table(cases[i].table);
        assert_int_equal(digest.flags, cases[i].flags);
    }
}

static void keys(void **state)
{
    static const struct {
        const char *sql, *key;
    } cases[] = {
        {"SELECT * FROM t WHERE id = 42 AND b = 5", "42"}, {"SELECT * FROM t WHERE a > 1 AND t.id='abc'", "abc"},
        {"UPDATE t SET a = 1 WHERE `id` = 7", "7"},        {"SELECT * FROM t WHERE id = ?", NULL},
        {"SELECT * FROM t WHERE id >= 42", NULL},          {"SELECT a = 5 FROM t", NULL},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        free(digest_of(cases[i].sql, strlen(cases[i].sql), true, SQL_MYSQL, SQL_ESCAPES_YES));
        assert_true(digest.key_hash == (cases[i].key ? field_hash(cases[i].key, strlen(cases[i].key)) : 0));
    }
}

static void locks(void **state)
{
    static const char get[] = "SELECT GET_LOCK('job', 10)", release[] = "SELECT RELEASE_LOCK('job')";
    (void)state;
    uint8_t *sql = digest_of(get, strlen(get), true, SQL_MYSQL, SQL_ESCAPES_YES);
    assert_int_equal(digest.flags, WIRE_IF_ABSENT);
    assert_int_equal(digest.lock_length, 3);
    assert_memory_equal(digest.lock, "job", 3);
    assert_true(digest.key_hash == field_hash("job", 3));
    free(sql);
    sql = digest_of(release, strlen(release), true, SQL_MYSQL, SQL_ESCAPES_YES);
    assert_int_equal(digest.flags, 0);
    assert_memory_equal(digest.lock, "job", 3);
    free(sql);
}

static void transactions(void **state)
{
    static const struct {
        const char *sql;
        enum sql_transaction transaction;
    } cases[] = {
        {"BEGIN", SQL_BEGINS},
        {"START TRANSACTION READ ONLY", SQL_BEGINS},
        {"START SLAVE", SQL_SAME},
        {"COMMIT", SQL_ENDS},
        {"COMMIT AND CHAIN", SQL_BEGINS},
        {"ROLLBACK", SQL_ENDS},
        {"ROLLBACK TO SAVEPOINT a", SQL_SAME},
        {"END", SQL_ENDS},
        {"SELECT 1", SQL_SAME},
        {"BEGIN; SELECT 1", SQL_BEGINS},
        {"BEGIN; SELECT 1; COMMIT", SQL_ENDS},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        free(digest_of(cases[i].sql, strlen(cases[i].sql), true, SQL_PGSQL, SQL_ESCAPES_NO));
        assert_int_equal(digest.transaction, cases[i].transaction);
    }
}

/* Secrets are cut behind the verb; all else that holds them are values. */
static void secrets(void **state)
{
    static const struct pair hidden[] = {
        {"SET PASSWORD FOR u = PASSWORD('planted')", "SET"},
        {"CREATE USER u IDENTIFIED BY 'planted'", "CREATE"},
        {"create or replace user planted identified by 'planted'", "CREATE"},
        {"ALTER ROLE r PASSWORD 'planted'", "ALTER"},
        {"GRANT ALL ON *.* TO u IDENTIFIED BY PASSWORD planted", "GRANT"},
        {"CHANGE MASTER TO MASTER_PASSWORD='planted'", "CHANGE"},
        {"START REPLICA USER='u' PASSWORD='planted'", "START"},
        {"SELECT pgp_sym_encrypt(a, planted) FROM t", "SELECT"},
        {"SELECT * FROM t WHERE p = PASSWORD(planted)", "SELECT"},
        {"SELECT AES_ENCRYPT('x', planted)", "SELECT"},
        {"CREATE SUBSCRIPTION planted CONNECTION 'x'", "CREATE"},
        {"SET my.secret = planted", "SET my.secret = ?"},
        {"planted secret", ""},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(hidden); i++) {
        assert_digest(hidden[i].sql, SQL_MYSQL, hidden[i].digest);
        assert_digest(hidden[i].sql, SQL_PGSQL, hidden[i].digest);
        assert_true(digest.key_hash == 0 && digest.lock == NULL);
    }
    assert_digest("UPDATE user SET password = 'planted' WHERE id = 1", SQL_MYSQL,
                  "UPDATE user SET password = ? WHERE id = ?");
}

/* Whatever the text is cut at, nothing of a value comes out. */
static void cut_anywhere(void **state)
{
    static const struct {
        const char *sql;
        enum sql_dialect dialect;
    } cases[] = {
        {"SELECT 'planted ''planted'' \\'planted' , \"planted\" FROM t WHERE a = _utf8'planted' AND b IN ('planted')",
         SQL_MYSQL},
        {"SELECT 'planted''planted', E'planted\\'planted', $x$planted$x$, $$planted$$ FROM \"t\" WHERE a = 'planted'",
         SQL_PGSQL},
        {"INSERT INTO t VALUES (1, 'planted'), (2, 'planted'), (3, x'1234') /* planted */ -- planted", SQL_MYSQL},
        {"CREATE USER a IDENTIFIED BY planted", SQL_MYSQL},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        for (size_t n = 0; n <= strlen(cases[i].sql); n++) {
            enum sql_escapes escapes = cases[i].dialect == SQL_MYSQL ? SQL_ESCAPES_YES : SQL_ESCAPES_NO;
            free(digest_of(cases[i].sql, n, n == strlen(cases[i].sql), cases[i].dialect, escapes));
            assert_null(memmem(digest.text, digest.length, "plant", 5));
            assert_true(!(digest.flags & WIRE_UNBOUNDED));
        }
    }
    free(digest_of("DELETE FROM t", 13, false, SQL_MYSQL, SQL_ESCAPES_YES));
    assert_int_equal(digest.flags, WIRE_WRITE | WIRE_TRUNCATED);
    free(digest_of("INSERT INTO t VALUES (1, 2), (3, 4), (5", 39, false, SQL_MYSQL, SQL_ESCAPES_YES));
    assert_int_equal(digest.length, strlen("INSERT INTO t VALUES (?, ?)"));
}

/* Where a string ends is not known: the digest does. */
static void unsure_strings(void **state)
{
    static const char quote[] = "SELECT 'a\\' , 'planted', b FROM t", wide[] = "SELECT '\xe7\\', 'planted', b";
    (void)state;
    free(digest_of(quote, strlen(quote), true, SQL_MYSQL, SQL_ESCAPES_UNKNOWN));
    assert_int_equal(digest.length, strlen("SELECT ?"));
    assert_int_equal(digest.flags, WIRE_TRUNCATED);
    free(digest_of(wide, strlen(wide), true, SQL_MYSQL, SQL_ESCAPES_YES));
    assert_int_equal(digest.length, strlen("SELECT ?"));
    free(digest_of(quote, strlen(quote), true, SQL_PGSQL, SQL_ESCAPES_NO));
    assert_int_equal(digest.length, strlen("SELECT ?, ?, b FROM t"));
}

static void long_text(void **state)
{
    char sql[WIRE_HEAD] = "SELECT ";
    (void)state;
    for (size_t n = strlen(sql); n + 8 < sizeof(sql); n += 8)
        memcpy(sql + n, "column, ", 8);
    size_t length = strnlen(sql, sizeof(sql));
    free(digest_of(sql, length, true, SQL_MYSQL, SQL_ESCAPES_YES));
    assert_int_equal(digest.length, WIRE_TEXT_MAX);
    assert_int_equal(digest.flags, WIRE_TRUNCATED);
    assert_memory_equal(digest.text, sql, WIRE_TEXT_MAX);
}

static void beginnings(void **state)
{
    (void)state;
    assert_true(sql_begins((const uint8_t *)"  /* x */ (select 1", 19));
    assert_true(sql_begins((const uint8_t *)"commit", 6));
    assert_false(sql_begins((const uint8_t *)"hello world", 11));
    assert_false(sql_begins((const uint8_t *)"\0\0\0", 3));
    assert_false(sql_begins((const uint8_t *)"selection of", 12));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_dialects),    cmocka_unit_test(mysql),     cmocka_unit_test(pgsql),
        cmocka_unit_test(verbs_and_tables), cmocka_unit_test(keys),      cmocka_unit_test(locks),
        cmocka_unit_test(transactions),     cmocka_unit_test(secrets),   cmocka_unit_test(cut_anywhere),
        cmocka_unit_test(unsure_strings),   cmocka_unit_test(long_text), cmocka_unit_test(beginnings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
