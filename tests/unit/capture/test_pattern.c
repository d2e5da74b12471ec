/* SPDX-License-Identifier: GPL-2.0-or-later */
/* CPROBE_WATCH: what is understood, and which names it means. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "capture/pattern.h"

static struct patterns p;

static bool function(const char *list, const char *name)
{
    assert_true(patterns_read(&p, list));
    return patterns_function(&p, name);
}

static bool variable(const char *list, const char *name)
{
    assert_true(patterns_read(&p, list));
    return patterns_variable(&p, name);
}

static void words(void **state)
{
    (void)state;
    assert_true(function("*cache*", "cache"));
    assert_true(function("*cache*", "my_cache_put"));
    assert_true(function("*cache*", "_ZN8LRUCache3putEi")); /* letters of either case */
    assert_true(function("*CACHE*", "cache"));
    assert_false(function("*cache*", "cach"));
    assert_false(function("*cache*", "cac_he"));
    assert_false(function("*cache*", ""));
}

static void globs(void **state)
{
    (void)state;
    assert_true(function("lru_*", "lru_put"));
    assert_false(function("lru_*", "my_lru_put"));
    assert_true(function("*_put", "lru_put"));
    assert_false(function("*_put", "lru_puts"));
    assert_true(function("l?u", "lru"));
    assert_false(function("l?u", "lu"));
    assert_true(function("a*b*c", "a-b-b-c"));
    assert_false(function("a*b*c", "a-b-b"));
    assert_true(function("exact", "exact"));
    assert_false(function("exact", "exactly"));
    assert_true(function("**", "anything"));
}

static void lists(void **state)
{
    (void)state;
    assert_true(function(PATTERNS_DEFAULT, "pool_get"));
    assert_true(function(PATTERNS_DEFAULT, "memoize"));
    assert_false(function(PATTERNS_DEFAULT, "get_memory")); /* not what *memo* is for */
    assert_false(function(PATTERNS_DEFAULT, "main"));
    assert_false(function("!a*,*", "abc"));
    assert_true(function("!a*,*", "bcd"));
    assert_false(function("!a*", "bcd"));
}

static void variables(void **state)
{
    (void)state;
    assert_true(variable("global:table", "table"));
    assert_false(function("global:table", "table"));
    assert_true(variable("*cache*", "the_cache"));
    assert_true(variable("!global:*lock*,*cache*", "cache_size"));
    assert_false(variable("!global:*lock*,*cache*", "cache_lock"));
    assert_true(function("!global:*lock*,*cache*", "cache_lock"));
}

static void every(void **state)
{
    (void)state;
    assert_true(patterns_read(&p, "*"));
    assert_true(p.every);
    assert_true(patterns_read(&p, "*,!x"));
    assert_true(p.every);
    assert_true(patterns_read(&p, "global:*"));
    assert_false(p.every);
    assert_true(patterns_read(&p, "off"));
    assert_false(patterns_any(&p));
}

static void nonsense(void **state)
{
    (void)state;
    static const char *const bad[] = {"", ",", "a,", ",a", "a,,b", "a b", "!", "global:", "!global:", "a,off", "\t"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(patterns_read(&p, bad[i]));
        assert_false(patterns_any(&p));
    }
    char text[PATTERNS_TEXT + 1];
    memset(text, 'x', sizeof(text));
    text[PATTERNS_TEXT] = '\0';
    assert_false(patterns_read(&p, text));
    text[PATTERNS_TEXT - 1] = '\0';
    assert_true(patterns_read(&p, text));
    for (size_t i = 0; i < 2 * PATTERNS_MAX; i += 2)
        memcpy(text + i, "a,", 2);
    text[2 * PATTERNS_MAX - 1] = '\0';
    assert_true(patterns_read(&p, text));
    strcpy(text + 2 * PATTERNS_MAX - 1, ",a");
    assert_false(patterns_read(&p, text));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words),     cmocka_unit_test(globs), cmocka_unit_test(lists),
        cmocka_unit_test(variables), cmocka_unit_test(every), cmocka_unit_test(nonsense),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
