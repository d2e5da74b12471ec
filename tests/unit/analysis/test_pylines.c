/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The tables are what each CPython compiled the function below to; the lines are what its own co_lines (3.8, 3.9:
 * dis.findlinestarts) says. The function begins in line 41; 300 empty lines stand in front of the second loop.
 *
 *     def handler(db,
 *                 rows):
 *         total = 0
 *         for row in rows:
 *             total += db.query(
 *                 "select",
 *                 row,
 *             )
 *         with db:
 *             pass
 *         while total:
 *             total -= 1
 *             if total == 3: continue
 *         return total
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/pylines.h"

#define FIRST_LINE 41
#define END UINT32_MAX

/* The instructions from byte `start` on belong to `line` (0: none), up to the next run. */
struct run {
    uint32_t start, line;
};

static const uint8_t TABLE_3_8[] = {0x00, 0x02, 0x04, 0x01, 0x08, 0x01, 0x06, 0x01, 0x02, 0x01,
                                    0x02, 0xfe, 0x08, 0x04, 0x06, 0x01, 0x0a, 0x7f, 0x00, 0x7f,
                                    0x00, 0x2f, 0x04, 0x01, 0x08, 0x01, 0x08, 0x00, 0x04, 0x01};
static const struct run RUNS_3_8[] = {{0, 43},  {4, 44},   {12, 45},  {18, 46},  {20, 47},  {22, 45}, {30, 49},
                                      {36, 50}, {46, 351}, {50, 352}, {58, 353}, {70, 354}, {74, END}};
static const uint8_t TABLE_3_9[] = {0x00, 0x02, 0x04, 0x01, 0x08, 0x01, 0x06, 0x01, 0x02, 0x01, 0x02, 0xfe, 0x08, 0x04,
                                    0x06, 0x01, 0x1e, 0x7f, 0x00, 0x7f, 0x00, 0x2f, 0x04, 0x01, 0x08, 0x01, 0x0c, 0x01};
static const struct run RUNS_3_9[] = {{0, 43},  {4, 44},   {12, 45},  {18, 46},  {20, 47},  {22, 45}, {30, 49},
                                      {36, 50}, {66, 351}, {70, 352}, {78, 353}, {90, 354}, {94, END}};
static const uint8_t TABLE_3_10[] = {0x04, 0x02, 0x08, 0x01, 0x06, 0x01, 0x02, 0x01, 0x02, 0x01, 0x08,
                                     0xfe, 0x06, 0x04, 0x02, 0x01, 0x1c, 0xff, 0x00, 0x7f, 0x00, 0x7f,
                                     0x04, 0x30, 0x08, 0x01, 0x0a, 0x01, 0x04, 0xfe, 0x04, 0x03};
static const struct run RUNS_3_10[] = {{0, 43},   {4, 44},   {12, 45},  {18, 46},  {20, 47},
                                       {22, 45},  {30, 49},  {36, 50},  {38, 49},  {66, 351},
                                       {70, 352}, {78, 353}, {88, 351}, {92, 354}, {96, END}};
static const uint8_t TABLE_3_11[] = {
    0x80, 0x00, 0xe0, 0x0c, 0x0d, 0x80, 0x45, 0xd8, 0x0f, 0x13, 0xf0, 0x00, 0x04, 0x05, 0x0a, 0xf0, 0x00, 0x04, 0x05,
    0x0a, 0x88, 0x03, 0xd8, 0x08, 0x0d, 0x90, 0x12, 0x97, 0x18, 0x92, 0x18, 0xd8, 0x0c, 0x14, 0xd8, 0x0c, 0x0f, 0xf1,
    0x05, 0x03, 0x12, 0x0a, 0xf4, 0x00, 0x03, 0x12, 0x0a, 0xf1, 0x00, 0x03, 0x09, 0x0a, 0x88, 0x05, 0x88, 0x05, 0xf0,
    0x08, 0x00, 0x0a, 0x0c, 0xf0, 0x00, 0x01, 0x05, 0x0d, 0xf0, 0x00, 0x01, 0x05, 0x0d, 0xd8, 0x08, 0x0c, 0xf0, 0x03,
    0x01, 0x05, 0x0d, 0xf0, 0x00, 0x01, 0x05, 0x0d, 0xf0, 0x00, 0x01, 0x05, 0x0d, 0xf1, 0x00, 0x01, 0x05, 0x0d, 0xf4,
    0x00, 0x01, 0x05, 0x0d, 0xf0, 0x00, 0x01, 0x05, 0x0d, 0xf0, 0x00, 0x01, 0x05, 0x0d, 0xf0, 0x00, 0x01, 0x05, 0x0d,
    0xf0, 0x00, 0x01, 0x05, 0x0d, 0xf0, 0x00, 0x01, 0x05, 0x0d, 0xf0, 0x00, 0x01, 0x05, 0x0d, 0xf8, 0xf8, 0xf8, 0xf0,
    0x00, 0x01, 0x05, 0x0d, 0xf0, 0x00, 0x01, 0x05, 0x0d, 0xf0, 0x00, 0x01, 0x05, 0x0d, 0xf0, 0x00, 0x01, 0x05, 0x0d,
    0xf0, 0x5c, 0x09, 0x00, 0x0b, 0x10, 0xf0, 0x00, 0x02, 0x05, 0x20, 0xd8, 0x08, 0x0d, 0x90, 0x11, 0x89, 0x0a, 0x88,
    0x05, 0xd8, 0x0b, 0x10, 0x90, 0x41, 0x8a, 0x3a, 0x88, 0x3a, 0x90, 0x78, 0xf0, 0x05, 0x00, 0x0b, 0x10, 0xf0, 0x00,
    0x02, 0x05, 0x20, 0xf0, 0x06, 0x00, 0x0c, 0x11, 0x80, 0x4c};
static const struct run RUNS_3_11[] = {{0, 41},    {2, 43},    {6, 44},    {14, 45},   {40, 46},   {42, 47},
                                       {44, 45},   {66, 49},   {72, 50},   {74, 49},   {106, 0},   {112, 49},
                                       {120, 351}, {124, 352}, {134, 353}, {148, 351}, {152, 354}, {156, END}};
static const uint8_t TABLE_3_12[] = {
    0x80, 0x00, 0xe0, 0x0c, 0x0d, 0x80, 0x45, 0xd8, 0x0f, 0x13, 0xf2, 0x00, 0x04, 0x05, 0x0a, 0x88, 0x03,
    0xd8, 0x08, 0x0d, 0x90, 0x12, 0x97, 0x18, 0x91, 0x18, 0xd8, 0x0c, 0x14, 0xd8, 0x0c, 0x0f, 0xf3, 0x05,
    0x03, 0x12, 0x0a, 0xf1, 0x00, 0x03, 0x09, 0x0a, 0x89, 0x05, 0xf0, 0x03, 0x04, 0x05, 0x0a, 0xf0, 0x0a,
    0x00, 0x0a, 0x0c, 0xf1, 0x00, 0x01, 0x05, 0x0d, 0xd8, 0x08, 0x0c, 0xf7, 0x03, 0x01, 0x05, 0x0d, 0xf1,
    0x5c, 0x09, 0x00, 0x0b, 0x10, 0xd8, 0x08, 0x0d, 0x90, 0x11, 0x89, 0x0a, 0x88, 0x05, 0xd8, 0x0b, 0x10,
    0x90, 0x41, 0x8a, 0x3a, 0x90, 0x78, 0xf2, 0x05, 0x00, 0x0b, 0x10, 0xf0, 0x06, 0x00, 0x0c, 0x11, 0x80,
    0x4c, 0xf7, 0x63, 0x09, 0x01, 0x05, 0x0d, 0xf0, 0x00, 0x01, 0x05, 0x0d, 0xfa};
static const struct run RUNS_3_12[] = {{0, 41},    {2, 43},    {6, 44},   {16, 45}, {40, 46},  {42, 47},  {44, 45},
                                       {60, 44},   {62, 49},   {68, 50},  {70, 49}, {86, 351}, {90, 352}, {100, 353},
                                       {112, 351}, {118, 354}, {122, 49}, {140, 0}, {146, END}};
static const uint8_t TABLE_3_13[] = {
    0x80, 0x00, 0xe0, 0x0c, 0x0d, 0x80, 0x45, 0xdb, 0x0f, 0x13, 0x88, 0x03, 0xd8, 0x08, 0x0d, 0x97, 0x18,
    0x91, 0x18, 0xd8, 0x0c, 0x14, 0xd8, 0x0c, 0x0f, 0xf3, 0x05, 0x03, 0x12, 0x0a, 0xf1, 0x00, 0x03, 0x09,
    0x0a, 0x8a, 0x05, 0xf1, 0x03, 0x00, 0x10, 0x14, 0xf2, 0x0a, 0x00, 0x0a, 0x0c, 0xd8, 0x08, 0x0c, 0xf7,
    0x03, 0x00, 0x0a, 0x0c, 0xf6, 0x5c, 0x09, 0x00, 0x0b, 0x10, 0xd8, 0x08, 0x0d, 0x90, 0x11, 0x89, 0x0a,
    0x88, 0x05, 0xd8, 0x0b, 0x10, 0x90, 0x41, 0x8b, 0x3a, 0x91, 0x78, 0xf7, 0x05, 0x00, 0x0b, 0x10, 0x88,
    0x25, 0xf0, 0x06, 0x00, 0x0c, 0x11, 0x80, 0x4c, 0xf7, 0x63, 0x09, 0x00, 0x0a, 0x0c, 0x8d, 0x12, 0xfa};
static const struct run RUNS_3_13[] = {{0, 41},    {2, 43},    {6, 44},   {16, 45}, {38, 46},  {40, 47},   {42, 45},
                                       {60, 44},   {64, 49},   {70, 50},  {72, 49}, {88, 351}, {102, 352}, {112, 353},
                                       {128, 351}, {146, 354}, {150, 49}, {178, 0}, {184, END}};

static const struct version {
    uint16_t version;
    const uint8_t *table;
    size_t size;
    const struct run *runs;
    bool has_end; /* the table says where the code ends */
} VERSIONS[] = {
    {0x0308, TABLE_3_8, sizeof(TABLE_3_8), RUNS_3_8, false},
    {0x0309, TABLE_3_9, sizeof(TABLE_3_9), RUNS_3_9, false},
    {0x030a, TABLE_3_10, sizeof(TABLE_3_10), RUNS_3_10, true},
    {0x030b, TABLE_3_11, sizeof(TABLE_3_11), RUNS_3_11, true},
    {0x030c, TABLE_3_12, sizeof(TABLE_3_12), RUNS_3_12, true},
    {0x030d, TABLE_3_13, sizeof(TABLE_3_13), RUNS_3_13, true},
};
#define VERSION_COUNT (sizeof(VERSIONS) / sizeof(*VERSIONS))

static void every_instruction_has_its_line(void **state)
{
    (void)state;
    for (const struct version *v = VERSIONS; v < VERSIONS + VERSION_COUNT; v++) {
        for (const struct run *run = v->runs; run->line != END; run++) {
            for (uint32_t lasti = run->start; lasti < run[1].start; lasti += 2) {
                uint32_t line = pylines_find(v->version, v->table, v->size, lasti, FIRST_LINE);
                if (line != run->line)
                    fail_msg("%#x, offset %u: line %u, not %u", v->version, lasti, line, run->line);
            }
        }
    }
}

static void offset_behind_the_code_has_no_line(void **state)
{
    (void)state;
    for (const struct version *v = VERSIONS; v < VERSIONS + VERSION_COUNT; v++) {
        if (v->has_end)
            assert_int_equal(pylines_find(v->version, v->table, v->size, 100000, FIRST_LINE), 0);
    }
}

static void run_without_line_in_3_10(void **state)
{
    (void)state;
    static const uint8_t table[] = {4, 1, 2, 0x80, 2, 3};
    assert_int_equal(pylines_find(0x030a, table, sizeof(table), 2, FIRST_LINE), FIRST_LINE + 1);
    assert_int_equal(pylines_find(0x030a, table, sizeof(table), 4, FIRST_LINE), 0);
    assert_int_equal(pylines_find(0x030a, table, sizeof(table), 6, FIRST_LINE), FIRST_LINE + 4);
}

/* The line at `lasti` by the expected runs. */
static uint32_t expected_line(const struct version *v, uint32_t lasti)
{
    const struct run *run = v->runs;
    while (run[1].line != END && run[1].start <= lasti)
        run++;
    return run->line;
}

/* Each prefix is copied to the end of an allocation of its own, so that a sanitizer sees a read beyond it. */
static void truncated_table_gives_the_line_or_none(void **state)
{
    (void)state;
    for (const struct version *v = VERSIONS; v < VERSIONS + VERSION_COUNT; v++) {
        for (size_t size = 0; v->has_end && size < v->size; size++) {
            uint8_t *copy = malloc(size ? size : 1);
            assert_non_null(copy);
            memcpy(copy, v->table, size);
            uint32_t first = pylines_find(v->version, copy, size, 2, FIRST_LINE);
            assert_true(first == 0 || first == expected_line(v, 2) || size < 8);
            uint32_t last = pylines_find(v->version, copy, size, 90, FIRST_LINE);
            assert_true(last == 0 || size > v->size / 3);
            free(copy);
        }
    }
}

static void hostile_table_is_survived(void **state)
{
    (void)state;
    uint8_t bytes[64];
    for (int fill = 0; fill < 256; fill++) {
        memset(bytes, fill, sizeof(bytes));
        for (uint16_t version = 0x0308; version <= 0x030d; version++) {
            for (uint32_t lasti = 0; lasti < 256; lasti += 2)
                assert_true(pylines_find(version, bytes, sizeof(bytes), lasti, UINT32_MAX) <= INT32_MAX);
        }
    }
}

static void unknown_version_has_no_line(void **state)
{
    (void)state;
    assert_int_equal(pylines_find(0x0307, TABLE_3_8, sizeof(TABLE_3_8), 0, FIRST_LINE), 0);
    assert_int_equal(pylines_find(0x0320, TABLE_3_13, sizeof(TABLE_3_13), 0, FIRST_LINE), 0);
    assert_int_equal(pylines_find(0x0207, TABLE_3_8, sizeof(TABLE_3_8), 0, FIRST_LINE), 0);
}

static void missing_table_has_no_line_from_3_10_on(void **state)
{
    (void)state;
    assert_int_equal(pylines_find(0x030b, NULL, 0, 0, FIRST_LINE), 0);
    assert_int_equal(pylines_find(0x0309, NULL, 0, 0, FIRST_LINE), FIRST_LINE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_instruction_has_its_line),
        cmocka_unit_test(offset_behind_the_code_has_no_line),
        cmocka_unit_test(run_without_line_in_3_10),
        cmocka_unit_test(truncated_table_gives_the_line_or_none),
        cmocka_unit_test(hostile_table_is_survived),
        cmocka_unit_test(unknown_version_has_no_line),
        cmocka_unit_test(missing_table_has_no_line_from_3_10_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
