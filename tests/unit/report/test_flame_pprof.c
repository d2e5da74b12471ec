/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <pprof.pb-c.h>
#include <zlib.h>

#include "report/flame_sample.h"

#define SECOND INT64_C(1000000000)

static Pprof__Profile *message(const struct flame *flame)
{
    static uint8_t plain[1 << 16];
    size_t size;
    char *bytes = flame_sample_bytes(flame_format_find("pprof"), flame, &size);
    z_stream stream = {
        .next_in = (Bytef *)bytes, .avail_in = (uInt)size, .next_out = plain, .avail_out = sizeof(plain)};
    assert_int_equal(inflateInit2(&stream, 15 + 16), Z_OK); /* gzip's header is required */
    assert_int_equal(inflate(&stream, Z_FINISH), Z_STREAM_END);
    Pprof__Profile *profile = pprof__profile__unpack(NULL, stream.total_out, plain);
    inflateEnd(&stream);
    free(bytes);
    assert_non_null(profile);
    return profile;
}

static const char *string_at(const Pprof__Profile *profile, int64_t number)
{
    assert_true(number >= 0 && (size_t)number < profile->n_string_table);
    return profile->string_table[number];
}

static const Pprof__Function *function_of(const Pprof__Profile *profile, uint64_t location)
{
    assert_true(location >= 1 && location <= profile->n_location);
    return profile->function[profile->location[location - 1]->line[0]->function_id - 1];
}

static const char *label_of(const Pprof__Profile *profile, const Pprof__Sample *sample, const char *key)
{
    for (size_t i = 0; i < sample->n_label; i++) {
        if (strcmp(string_at(profile, sample->label[i]->key), key) == 0)
            return string_at(profile, sample->label[i]->str);
    }
    return NULL;
}

static void test_samples(void **state)
{
    struct flame flame = flame_sample();
    Pprof__Profile *profile = message(&flame);
    const Pprof__Sample *query = profile->sample[0];
    (void)state;
    assert_string_equal(profile->string_table[0], "");
    assert_string_equal(string_at(profile, profile->sample_type[0]->unit), "count");
    assert_string_equal(string_at(profile, profile->sample_type[1]->type), "blocked");
    assert_string_equal(string_at(profile, profile->sample_type[1]->unit), "nanoseconds");
    assert_string_equal(string_at(profile, profile->default_sample_type), "blocked");
    assert_int_equal(profile->n_sample, 5);
    assert_int_equal(query->value[0], 30);
    assert_int_equal(query->value[1], 3 * SECOND);
    assert_int_equal(query->n_location_id, 5);
    assert_string_equal(string_at(profile, function_of(profile, query->location_id[0])->name), "[127.0.0.1:3306]");
    assert_string_equal(string_at(profile, function_of(profile, query->location_id[3])->name), "View.get");
    assert_string_equal(string_at(profile, function_of(profile, query->location_id[3])->filename), "/srv/app/views.py");
    assert_int_equal(profile->location[query->location_id[3] - 1]->line[0]->line, 33);
    assert_string_equal(label_of(profile, query, "endpoint"), "[127.0.0.1:3306]");
    assert_string_equal(label_of(profile, query, "loop"), "gevent");
    assert_string_equal(label_of(profile, query, "thread"), "main");
    assert_null(label_of(profile, profile->sample[1], "endpoint"));
    pprof__profile__free_unpacked(profile, NULL);
}

static void test_mappings(void **state)
{
    struct flame flame = flame_sample();
    Pprof__Profile *profile = message(&flame);
    const Pprof__Location *driver = profile->location[2];
    (void)state;
    assert_int_equal(profile->n_mapping, 2);
    assert_int_equal(driver->mapping_id, 1);
    assert_string_equal(string_at(profile, profile->mapping[0]->build_id), "deadbeef");
    assert_string_equal(string_at(profile, profile->mapping[1]->build_id), "");
    assert_string_equal(string_at(profile, profile->mapping[0]->filename), "/usr/lib/libmariadb.so.3");
    pprof__profile__free_unpacked(profile, NULL);
}

static void test_times(void **state)
{
    struct flame flame = flame_sample();
    Pprof__Profile *profile = message(&flame);
    (void)state;
    assert_int_equal(profile->time_nanos, 1767225600 * SECOND);
    assert_int_equal(profile->duration_nanos, 20 * SECOND);
    pprof__profile__free_unpacked(profile, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_samples),
        cmocka_unit_test(test_mappings),
        cmocka_unit_test(test_times),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
