/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which classes and methods are watched. */
#include "capture/python_rules.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "trace/format.h"

static bool watched(const char *module, const char *class, bool ordered)
{
    return python_rule_find(module, class, ordered) != NULL;
}

static int method(const char *module, const char *class, const char *name)
{
    const struct python_rule *rule = python_rule_find(module, class, false);
    assert_non_null(rule);
    return python_rule_method(rule, name);
}

static void known_classes(void **state)
{
    (void)state;
    python_rules_begin("");
    assert_true(watched("cachetools", "TTLCache", false));
    assert_true(watched("cachetools", "Cache", false));
    assert_true(watched("django.core.cache.backends.locmem", "LocMemCache", false));
    assert_true(watched("cachelib.simple", "SimpleCache", false));
    assert_true(watched("flask_caching.backends.simplecache", "SimpleCache", false));
    assert_false(watched("cachetools", "_Link", false));
    assert_false(watched("django.core.cache.backends.db", "DatabaseCache", false));
    assert_false(watched("cachelib.redis", "RedisCache", false));
}

static void ordered_classes(void **state)
{
    (void)state;
    python_rules_begin("");
    assert_true(watched("shop", "LRUCache", true));
    assert_true(watched("shop", "RecentLru", true));
    assert_true(watched("shop", "MemoTable", true));
    assert_false(watched("shop", "LRUCache", false));
    assert_false(watched("shop", "Basket", true));
}

static void known_methods(void **state)
{
    (void)state;
    python_rules_begin("");
    assert_int_equal(method("cachetools", "Cache", "__getitem__"), 0);
    assert_int_equal(method("cachetools", "LRUCache", "__getitem__"), METHOD_MUTATES);
    assert_int_equal(method("cachetools", "LRUCache", "__contains__"), 0);
    assert_int_equal(method("cachetools", "TTLCache", "expire"), METHOD_MUTATES);
    assert_int_equal(method("cachetools", "TTLCache", "__init__"), -1);
    assert_int_equal(method("cachetools", "TTLCache", "_TTLCache__getlink"), -1);
}

static void asked_for(void **state)
{
    (void)state;
    python_rules_begin("shop.*:Basket.add_item,take* shop:Stock, x:Y");
    assert_true(watched("shop.web", "basket", false));
    assert_false(watched("shop", "Basket", false));
    assert_int_equal(method("shop.web", "Basket", "add_item"), METHOD_MUTATES);
    assert_int_equal(method("shop.web", "Basket", "take_all"), METHOD_MUTATES);
    assert_int_equal(method("shop.web", "Basket", "Stock"), -1);
    assert_int_equal(method("shop.web", "Basket", "clear"), -1);
    assert_int_equal(method("shop", "Stock", "reorder"), METHOD_MUTATES);
    assert_int_equal(method("shop", "Stock", "is_empty"), 0);
    assert_int_equal(method("shop", "Stock", "_private"), -1);
    assert_int_equal(method("shop", "Stock", "__setitem__"), METHOD_MUTATES);
    assert_true(watched("x", "Y", false));
    assert_true(watched("cachetools", "TTLCache", false));
    python_rules_begin("off");
    assert_false(watched("cachetools", "TTLCache", false));
    python_rules_begin("cachetools:TTLCache.pop"); /* goes before what is known */
    assert_int_equal(method("cachetools", "TTLCache", "clear"), -1);
}

static void valid_texts(void **state)
{
    static const char *const good[] = {"", "off", "a:B", "a.b:C.d", "a:B.c,d,e f:G", " a:B , c:D ", "*:*"};
    static const char *const bad[] = {"a", ":B", "a:", "a:B.", "a:B,c", "off a:B x", "a:.b"};
    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        assert_true(python_rules_valid(good[i]));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(python_rules_valid(bad[i]));
    char many[40 * 5] = "";
    for (int i = 0; i < 33; i++)
        strcat(many, "a:B ");
    assert_false(python_rules_valid(many));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_classes), cmocka_unit_test(ordered_classes), cmocka_unit_test(known_methods),
        cmocka_unit_test(asked_for),     cmocka_unit_test(valid_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
