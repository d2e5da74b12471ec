/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "wire/conversation.h"

#include "wire/path.h"

static void assert_template(const char *path, const char *expected)
{
    char text[WIRE_TEXT_MAX];
    struct path_text out = {text, sizeof(text), 0, false};
    assert_true(path_template((const uint8_t *)path, strlen(path), &out));
    if (strlen(expected) != out.length || memcmp(text, expected, out.length) != 0)
        fail_msg("%s: %.*s", path, (int)out.length, text);
    assert_false(out.cut);
}

static void words_are_kept(void **state)
{
    static const char *const paths[] = {
        "/",
        "*",
        "",
        "/index.html",
        "/api/v2/users",
        "/static/css/main-page.min.css",
        "/helloworld.Greeter/SayHello",
        "/grpc.health.v1.Health/Check",
        "/apis/apps/v1beta1/deployments",
        "/getUserById/deadbeef/added",
        "//double//slash/",
        "/oauth2/authorize",
        "/internationalization/settings",
        "/~user/utf8",
        "/projects/$count",
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
        assert_template(paths[i], paths[i]);
}

static void identifiers_are_not(void **state)
{
    static const struct {
        const char *path, *expected;
    } cases[] = {
        {"/users/1", "/users/{}"},
        {"/users/887/cards/12/", "/users/{}/cards/{}/"},
        {"/cards/887.json", "/cards/{}.json"},
        {"/order-12345/items", "/order-{}/items"},
        {"/user12345", "/user{}"},
        {"/7b6c5d4e-1111-4222-8333-944455556666/x", "/{}/x"},
        {"/objects/507f1f77bcf86cd799439011", "/objects/{}"},
        {"/static/app.4f3a2b1c.js", "/static/app.{}.js"},
        {"/watch/dQw4w9WgXcQ", "/watch/{}"},
        {"/reset/eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJlMQ", "/reset/{}"},
        {"/t/01ARZ3NDEKTSV4RRFFQ69G5FAV", "/t/{}"},
        {"/t/gen-JzTY20BRgKO-HjmUJj0wLg", "/t/{}"},
        {"/hooks/T0123ABCD/B9876WXYZ", "/hooks/{}/{}"},
        {"/mail/somebody@example.com", "/mail/{}"},
        {"/search/a%20secret", "/search/{}"},
        {"/name/J\xc3\xbcrgen", "/name/{}"},
        {"/odata/Users('bob')", "/odata/{}"},
        {"/a;jsessionid=0123456789ABCDEF/b", "/a/b"},
        {"/;jsessionid=0123456789ABCDEF", "/"},
        {"/date/2024-11-30", "/date/{}-{}-{}"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        assert_template(cases[i].path, cases[i].expected);
}

static void the_query_is_dropped(void **state)
{
    (void)state;
    assert_template("/a?token=secret", "/a");
    assert_template("/a/?b=/c/d", "/a/");
    assert_template("?b", "");
    assert_template("/a#fragment", "/a");
    assert_template("/a;x=1?b=2", "/a");
}

static void what_is_no_path(void **state)
{
    char text[WIRE_TEXT_MAX];
    static const char *const paths[] = {"/a b", "/a\n", "/a;\x01", "/\x7f", " "};
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
        struct path_text out = {text, sizeof(text), 0, false};
        assert_false(path_template((const uint8_t *)paths[i], strlen(paths[i]), &out));
    }
}

static void too_long_is_cut(void **state)
{
    uint8_t path[1000];
    char text[64];
    (void)state;
    for (size_t i = 0; i < sizeof(path); i += 4)
        memcpy(path + i, "/abc", 4);
    for (size_t room = 0; room <= sizeof(text); room++) {
        struct path_text out = {text, room, 0, false};
        assert_true(path_template(path, sizeof(path), &out));
        assert_int_equal(out.length, room);
        assert_true(out.cut);
        assert_memory_equal(text, path, room);
    }
    /* A placeholder is whole or missing. */
    struct path_text out = {text, 4, 0, false};
    assert_true(path_template((const uint8_t *)"/ab/123", 7, &out));
    assert_true(out.cut);
    assert_memory_equal(text, "/ab/", out.length);
    out = (struct path_text){text, 5, 0, false};
    assert_true(path_template((const uint8_t *)"/ab/123", 7, &out));
    assert_int_equal(out.length, 4);
}

static void names_of_queues(void **state)
{
    static const struct {
        const char *name, *expected;
    } cases[] = {
        {"", ""},
        {"celery", "celery"},
        {"order.created.12345", "order.created.{}"},
        {"amq.gen-JzTY20BRgKO-HjmUJj0wLg", "amq.{}"},
        {"7b6c5d4e-1111-4222-8333-944455556666", "{}"},
        {"celery@worker.pidbox", "celery@worker.pidbox"},
        {"logs.#", "logs.#"},
        {"*.critical", "*.critical"},
        {"a b.c", "{}.c"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char text[WIRE_TEXT_MAX];
        struct path_text out = {text, sizeof(text), 0, false};
        path_name_template((const uint8_t *)cases[i].name, strlen(cases[i].name), &out);
        if (out.length != strlen(cases[i].expected) || memcmp(text, cases[i].expected, out.length) != 0)
            fail_msg("%s: %.*s", cases[i].name, (int)out.length, text);
    }
}

static void where_paths_start(void **state)
{
    static const struct {
        const char *target;
        size_t start;
    } cases[] = {
        {"/a", 0},
        {"*", 0},
        {"http://user:secret@host:80/a", 26},
        {"http://host", 11},
        {"http://host?a", 11},
        {"abc", 3},
        {"", 0},
        {":", 1},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        assert_int_equal(path_start((const uint8_t *)cases[i].target, strlen(cases[i].target)), cases[i].start);
    assert_true(path_is_host((const uint8_t *)"[::1]:80", 8));
    assert_false(path_is_host((const uint8_t *)"user@host", 9));
    assert_false(path_is_host((const uint8_t *)"", 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_are_kept),       cmocka_unit_test(identifiers_are_not),
        cmocka_unit_test(the_query_is_dropped), cmocka_unit_test(what_is_no_path),
        cmocka_unit_test(too_long_is_cut),      cmocka_unit_test(names_of_queues),
        cmocka_unit_test(where_paths_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
