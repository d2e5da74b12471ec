/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "report/flame_sample.h"

static json_t *document(const struct flame *flame)
{
    size_t size;
    char *text = flame_sample_bytes(flame_format_find("speedscope"), flame, &size);
    json_t *root = json_loads(text, 0, NULL);
    assert_non_null(root);
    free(text);
    return root;
}

static const char *string_in(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

/* The names of a sample's frames, joined. */
static void sample_is(const json_t *root, const json_t *sample, const char *expected)
{
    const json_t *frames = json_object_get(json_object_get(root, "shared"), "frames");
    char text[512] = "";
    for (size_t i = 0; i < json_array_size(sample); i++) {
        const json_t *frame = json_array_get(frames, (size_t)json_integer_value(json_array_get(sample, i)));
        snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s", i ? ";" : "", string_in(frame, "name"));
    }
    assert_string_equal(text, expected);
}

static void test_profiles(void **state)
{
    struct flame flame = flame_sample();
    json_t *root = document(&flame);
    const json_t *profiles = json_object_get(root, "profiles");
    const json_t *first = json_array_get(profiles, 0);
    (void)state;
    assert_int_equal(json_array_size(profiles), 3);
    assert_int_equal(json_integer_value(json_object_get(root, "activeProfileIndex")), 0);
    assert_string_equal(string_in(first, "type"), "sampled");
    assert_string_equal(string_in(first, "unit"), "microseconds");
    assert_string_equal(string_in(first, "name"), "server.py[4711] main (4711), gevent loop");
    assert_true(json_real_value(json_object_get(first, "endValue")) == 4000000.0);
    sample_is(root, json_array_get(json_object_get(first, "samples"), 0),
              "main;View.get (views.py:33);0x1a2b [libmariadb.so.3];poll;[127.0.0.1:3306]");
    assert_true(json_real_value(json_array_get(json_object_get(first, "weights"), 0)) == 3000000.0);
    json_decref(root);
}

static void test_frames(void **state)
{
    struct flame flame = flame_sample();
    json_t *root = document(&flame);
    const json_t *frame = json_array_get(json_object_get(json_object_get(root, "shared"), "frames"), 1);
    (void)state;
    assert_string_equal(string_in(frame, "file"), "/srv/app/views.py");
    assert_int_equal(json_integer_value(json_object_get(frame, "line")), 33);
    json_decref(root);
}

/* A kind without waits is still a valid document. */
static void test_empty(void **state)
{
    struct flame flame = flame_sample();
    (void)state;
    flame.kind = profile_kind_find("wakeup");
    json_t *root = document(&flame);
    assert_int_equal(json_array_size(json_object_get(root, "profiles")), 0);
    json_decref(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_profiles),
        cmocka_unit_test(test_frames),
        cmocka_unit_test(test_empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
