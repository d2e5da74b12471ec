/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the page is given; the page itself is tested in a browser, tests/e2e/flame. Skipped where the build left it out.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "report/flame_sample.h"
#include "report/page.h"

static const char data_begin[] = "<script type=\"application/json\" id=\"data\">";

static json_t *data_of(const struct flame *flame)
{
    size_t size;
    if (flame_page_missing())
        skip();
    char *page = flame_sample_bytes(flame_format_find("html"), flame, &size);
    assert_null(strstr(page, PAGE_DATA_MARK));
    char *begin = strstr(page, data_begin);
    assert_non_null(begin);
    begin += strlen(data_begin);
    char *end = strchr(begin, '<'); /* whatever names the program has */
    assert_int_equal(strncmp(end, "</script>", 9), 0);
    *end = '\0';
    json_t *data = json_loads(begin, 0, NULL);
    assert_non_null(data);
    free(page);
    return data;
}

static json_int_t at(const json_t *list, size_t i)
{
    return json_integer_value(json_array_get(list, i));
}

static void test_stacks(void **state)
{
    struct flame flame = flame_sample();
    json_t *data = data_of(&flame);
    const json_t *stacks = json_object_get(data, "stacks"), *nodes = json_object_get(data, "nodes");
    const json_t *labels = json_object_get(json_object_get(data, "frames"), "label");
    (void)state;
    assert_int_equal(json_array_size(json_object_get(stacks, "ns")), flame.profile->stack_count);
    assert_int_equal(at(json_object_get(stacks, "idle"), 0), 1);
    assert_int_equal(at(json_object_get(stacks, "ns"), 1), 3000000000);
    json_int_t node = at(json_object_get(stacks, "node"), 1);
    assert_string_equal(
        json_string_value(json_array_get(labels, (size_t)at(json_object_get(nodes, "item"), (size_t)node))),
        "[127.0.0.1:3306]");
    for (size_t i = 1; i < json_array_size(json_object_get(nodes, "parent")); i++)
        assert_true(at(json_object_get(nodes, "parent"), i) < (json_int_t)i);
    const json_t *slices = json_array_get(json_object_get(stacks, "slices"), 1);
    assert_int_equal(at(slices, 0), 100);
    assert_int_equal(at(slices, 1), 2000000000);
    json_decref(data);
}

static void test_hostile_names(void **state)
{
    struct flame flame = flame_sample();
    json_t *data = data_of(&flame);
    const json_t *labels = json_object_get(json_object_get(data, "frames"), "label");
    (void)state;
    assert_string_equal(json_string_value(json_array_get(labels, 8)), "</script>\xef\xbf\xbd<!--");
    json_decref(data);
}

static void test_findings(void **state)
{
    struct flame flame = flame_sample();
    json_t *data = data_of(&flame);
    const json_t *findings = json_object_get(data, "findings");
    const json_t *first = json_array_get(findings, 0);
    (void)state;
    assert_int_equal(json_array_size(findings), flame.report->finding_count);
    assert_string_equal(json_string_value(json_object_get(first, "title")), flame.report->findings[0].title);
    assert_int_equal(at(json_object_get(first, "stacks"), 0), 1);
    json_decref(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stacks),
        cmocka_unit_test(test_hostile_names),
        cmocka_unit_test(test_findings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
