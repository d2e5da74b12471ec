/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "analysis/symbols_class.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void generated_functions_of_the_user(void **state)
{
    (void)state;
    assert_true(symbols_class_generated("JS:*handler /srv/app.js:3:17"));
    assert_true(symbols_class_generated("LazyCompile:~get file:///srv/app.mjs:3:17"));
    assert_true(symbols_class_generated("Lcom/shop/View;::get"));
    assert_true(symbols_class_generated("int com.shop.View.get(java.lang.String)"));
    assert_false(symbols_class_generated("JS:~Module._load node:internal/modules/cjs/loader:1003:24"));
    assert_false(symbols_class_generated("JS:*next /srv/node_modules/express/lib/router.js:1:1"));
    assert_false(symbols_class_generated("Ljava/lang/Thread;::run"));
    assert_false(symbols_class_generated("void java.lang.Thread.sleep(long)"));
    assert_false(symbols_class_generated("Interpreter"));
    assert_false(symbols_class_generated("StubRoutines (1)"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(generated_functions_of_the_user)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
