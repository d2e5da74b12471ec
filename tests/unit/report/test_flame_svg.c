/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "report/flame_sample.h"
#include "report/flame_tree.h"

static char *picture(const struct flame *flame)
{
    size_t size;
    return flame_sample_bytes(flame_format_find("svg"), flame, &size);
}

static void test_frames(void **state)
{
    struct flame flame = flame_sample();
    char *svg = picture(&flame);
    (void)state;
    assert_non_null(strstr(svg, "blocked, 6.00 s in all threads"));
    assert_non_null(strstr(svg, "<title>server.py[4711] main (4711), gevent loop: 4.00 s, 66.7 %</title>"));
    assert_non_null(strstr(svg, "<title>View.get (views.py:33): 3.00 s, 50.0 %</title>"));
    assert_non_null(strstr(svg, "width=\"589.50\"")); /* 3 of 6 s of 1,180 pixels, and a gap */
    assert_non_null(strstr(svg, "frames left out, each below 0.05 % of the time: 1<"));
    assert_null(strstr(svg, "[idle]"));
    free(svg);
}

/* Names of the recorded program do not become markup. */
static void test_escapes(void **state)
{
    struct flame flame = flame_sample();
    char *svg = picture(&flame);
    (void)state;
    assert_non_null(strstr(svg, "std::map&#60;int;&#62;::at"));
    assert_null(strstr(svg, "</script>"));
    assert_null(strstr(svg, "<int"));
    free(svg);
}

static void test_empty(void **state)
{
    struct flame flame = flame_sample();
    (void)state;
    flame.kind = profile_kind_find("wakeup");
    char *svg = picture(&flame);
    assert_non_null(strstr(svg, "wakeup, 0 ns in all threads"));
    assert_non_null(strstr(svg, "</svg>"));
    free(svg);
}

static void test_tree(void **state)
{
    struct flame flame = flame_sample();
    const struct profile *profile = flame.profile;
    struct flame_tree tree;
    (void)state;
    flame_tree_init(&tree, profile, false);
    for (size_t i = 0; i < profile->stack_count; i++) {
        uint32_t leaf = flame_tree_add(&tree, &profile->stacks[i]);
        assert_int_equal(tree.nodes[leaf].depth, profile->stacks[i].frame_count + 1);
    }
    uint64_t threads = 0;
    for (size_t i = 1; i < tree.index.count; i++) {
        assert_true(tree.nodes[i].parent < i);
        threads += tree.nodes[i].depth == 1 ? tree.nodes[i].total_ns : 0;
    }
    assert_int_equal(threads, tree.nodes[0].total_ns);
    flame_tree_free(&tree);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_frames),
        cmocka_unit_test(test_escapes),
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_tree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
