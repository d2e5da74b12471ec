/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Committed traces, whole and broken, still read as they did when they were committed: tests/golden/README.md.
 *
 *     GOLDEN_DIR=tests/golden test_golden                       (the default, from the top of the source tree)
 *     GOLDEN_DIR=tests/golden GOLDEN_UPDATE=1 test_golden       writes the files anew
 */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "trace/reader.h"
#include "trace_builder.h"
#include "trace_sample.h"

#ifndef GOLDEN_DIR
#define GOLDEN_DIR "tests/golden"
#endif

static const char *golden_path(char *path, size_t size, const char *name, const char *ending)
{
    const char *dir = getenv("GOLDEN_DIR");
    snprintf(path, size, "%s/%s%s", dir && *dir ? dir : GOLDEN_DIR, name, ending);
    return path;
}

/* ---- what a trace says, as text ---- */

static void threads_show(FILE *out, const struct trace *t)
{
    for (size_t i = 0; i < trace_thread_count(t); i++) {
        const struct trace_thread *thread = trace_thread_at(t, i);
        fprintf(out, "thread %" PRIu32 " \"%s\" slot %" PRIu32 " %" PRIu64 "..%" PRIu64 "\n", thread->slot->tid,
                thread->slot->name, thread->number, thread->slot->start_ns, thread->slot->end_ns);
        for (const struct trace_site *s = thread->slot->sites; s < thread->slot->sites + TRACE_SITES; s++)
            if (s->endpoint)
                fprintf(out, "  site %" PRIu32 " waits %" PRIu64 " idle %" PRIu64 " turns %" PRIu64 " %" PRIu64 "\n",
                        s->endpoint, s->waits, s->idle_ns, s->turns, s->turn_ns);
        for (const struct trace_counter *c = thread->counters; c < thread->counters + thread->counter_count; c++)
            fprintf(out, "  counter %u endpoint %" PRIu32 " count %" PRIu64 " total %" PRIu64 " max %" PRIu64 "\n",
                    c->call, c->endpoint, c->count, c->total_ns, c->max_ns);
    }
}

static void definitions_show(FILE *out, const struct trace *t)
{
    for (size_t i = 0; i < trace_endpoint_count(t); i++) {
        const struct trace_endpoint *e = trace_endpoint_at(t, i);
        fprintf(out, "endpoint %" PRIu32 " kind %d \"%s\"\n", e->id, (int)e->kind, e->text);
    }
    for (size_t i = 0; i < trace_module_count(t); i++) {
        const struct trace_module *m = trace_module_at(t, i);
        fprintf(out, "module %" PRIx64 "-%" PRIx64 " [%" PRIu32 ",%" PRIu32 ") \"%s\" build id of %u bytes\n", m->start,
                m->end, m->loaded, m->unloaded, m->path, m->build_id_size);
    }
    for (size_t i = 0; i < trace_note_count(t); i++)
        fprintf(out, "note \"%s\"\n", trace_note_at(t, i)->text);
}

static void stack_show(FILE *out, const struct trace *t, uint32_t id)
{
    struct trace_stack_view v;
    if (trace_stack_find(t, id, &v) < 0) {
        fprintf(out, "  no stack\n");
        return;
    }
    for (size_t i = 0; i < v.native_count; i++)
        fprintf(out, "  %" PRIx64 "\n", v.native[i]);
    for (size_t i = 0; i < v.python_count; i++) {
        const struct trace_code *c = trace_code_find(t, PY_FRAME_CODE(v.python[i]));
        fprintf(out, "  %s at %" PRIu32 "\n", c ? c->name : "?", PY_FRAME_LASTI(v.python[i]));
    }
}

static void events_show(FILE *out, struct trace *t)
{
    const union trace_event *e;
    char line[1024];
    while (trace_next(t, &e) > 0) {
        trace_event_format(e, line, sizeof(line));
        fprintf(out, "%s\n", line);
        if (e->header.type == EVENT_WAIT && e->wait.stack)
            stack_show(out, t, e->wait.stack);
    }
}

static char *trace_show(const char *path, const char *name)
{
    char *text = NULL, error[512];
    size_t size;
    FILE *out = open_memstream(&text, &size);
    struct trace *t;
    int err = trace_open(path, &t, error, sizeof(error));
    if (err) {
        const char *sentence = strstr(error, name);
        fprintf(out, "refused: %s\n%s\n", strerror(-err), sentence ? sentence : error);
    } else {
        const struct trace_info *i = trace_info(t);
        fprintf(out, "process %" PRIu32 " %s: %s\n", i->pid, i->exe, i->cmdline);
        fprintf(out, "%" PRIu64 "..%" PRIu64 " %s\n", i->start_mono_ns, i->end_mono_ns, i->ended ? "ended" : "killed");
        fprintf(out, "damage %" PRIu64 " %s\n", i->damage, i->damage_text);
        threads_show(out, t);
        definitions_show(out, t);
        events_show(out, t);
        trace_close(t);
    }
    fclose(out);
    return text;
}

/* ---- the files ---- */

static void file_write(const char *path, const void *bytes, size_t size)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, size, f), size);
    assert_int_equal(fclose(f), 0);
}

static void golden_write(const char *name, const void *bytes, size_t size)
{
    char path[512], trace_name[128];
    golden_path(path, sizeof(path), name, TRACE_SUFFIX);
    file_write(path, bytes, size);
    snprintf(trace_name, sizeof(trace_name), "%s%s", name, TRACE_SUFFIX);
    char *text = trace_show(path, trace_name);
    file_write(golden_path(path, sizeof(path), name, ".txt"), text, strlen(text));
    free(text);
}

/* One bit of every 37th byte that is not zero, from the end of the header on. */
static void bits_flip(uint8_t *image, size_t size)
{
    unsigned written = 0;
    for (size_t at = sizeof(struct trace_header); at < size; at++)
        if (image[at] && written++ % 37 == 36)
            image[at] ^= (uint8_t)(1u << (written / 37 % 8));
}

static void golden_update(void)
{
    size_t size;
    struct trace_builder *b = sample_build();
    uint8_t *image = builder_image(b, &size);
    struct trace_header *h = builder_header(b);
    const struct trace_header whole = *h;
    golden_write("v1", image, size);
    golden_write("v1-truncated-header", image, 100);
    golden_write("v1-truncated", image, size / 2 + 100);
    h->end_mono_ns = 0;
    h->state = TRACE_RECORDING;
    h->used &= ~TRACE_USED_CLOSED;
    golden_write("v1-killed", image, size);
    *h = whole;
    h->magic[0] = 'X';
    golden_write("v1-magic", image, TRACE_PAGE);
    *h = whole;
    h->version = 99;
    golden_write("v99-future", image, TRACE_PAGE);
    *h = whole;
    bits_flip(image, size);
    golden_write("v1-bitflips", image, size);
    builder_free(b);
}

static char *file_text(const char *path)
{
    char *text = NULL;
    size_t size;
    FILE *f = fopen(path, "r"), *out = open_memstream(&text, &size);
    if (!f)
        fail_msg("%s: %s", path, strerror(errno));
    for (int c = getc(f); c != EOF; c = getc(f))
        putc(c, out);
    fclose(f);
    fclose(out);
    return text;
}

static int is_trace(const struct dirent *entry)
{
    const char *ending = strrchr(entry->d_name, '.');
    return ending && strcmp(ending, TRACE_SUFFIX) == 0;
}

static void test_golden_files(void **state)
{
    (void)state;
    char path[512], name[128];
    struct dirent **entries;
    int count = scandir(golden_path(path, sizeof(path), "", ""), &entries, is_trace, alphasort);
    if (count < 7)
        fail_msg("%s holds %d traces", path, count);
    for (int i = 0; i < count; i++) {
        const char *trace_name = entries[i]->d_name;
        snprintf(name, sizeof(name), "%.*s", (int)(strlen(trace_name) - strlen(TRACE_SUFFIX)), trace_name);
        char *shown = trace_show(golden_path(path, sizeof(path), name, TRACE_SUFFIX), trace_name);
        char *expected = file_text(golden_path(path, sizeof(path), name, ".txt"));
        if (strcmp(shown, expected) != 0)
            fail_msg("%s reads differently now:\n%s", trace_name, shown);
        free(shown);
        free(expected);
        free(entries[i]);
    }
    free(entries);
}

/* The committed trace has every event in it: a row that is new in events.def needs a place in the sample. */
static void test_golden_covers_every_event(void **state)
{
    (void)state;
    char path[512];
    char *text = file_text(golden_path(path, sizeof(path), "v1", ".txt"));
#define F(type, name)
#define EVENT(ID, number, event, class, size, fields) \
    if (!strstr(text, " " #event " "))                \
        fail_msg("no event %s in %s", #event, path);
#include "trace/events.def"
#undef EVENT
#undef F
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden_files),
        cmocka_unit_test(test_golden_covers_every_event),
    };
    if (getenv("GOLDEN_UPDATE"))
        golden_update();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
