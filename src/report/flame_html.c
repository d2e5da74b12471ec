/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The flame graph as one page that needs nothing but a browser: the bundled page with the profile in it as JSON. All
 * kinds and the idle loops are in it, the page switches. Stacks are a tree of nodes (parent, frame), each stack names
 * its innermost node, so that common frames are written once. src/report/page/data.js is the reader.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "report/flame.h"
#include "report/flame_tree.h"
#include "report/page.h"
#include "report/utf8.h"

/* A JSON string (RFC 8259). '<' is escaped too: no "</script>" can end the page's data. */
static void string_write(const char *text, FILE *out)
{
    size_t left = text ? strlen(text) : 0;
    fputc('"', out);
    while (left > 0) {
        uint32_t code;
        char bytes[4];
        size_t length = utf8_decode(text, left, &code), encoded = utf8_encode(code, bytes);
        if (code < 0x20 || code == '"' || code == '\\' || code == '<' || code == 0x7f)
            fprintf(out, "\\u%04x", (unsigned)code);
        else
            fwrite(bytes, 1, encoded, out);
        text += length;
        left -= length;
    }
    fputc('"', out);
}

static void key_string(const char *key, const char *text, FILE *out)
{
    fprintf(out, "\"%s\":", key);
    string_write(text, out);
}

static void comma(size_t i, FILE *out)
{
    if (i > 0)
        fputc(',', out);
}

/* "name":[value(0),value(1),…] */
#define LIST(name, count, ...)                         \
    do {                                               \
        fprintf(out, "%s:[", name);                    \
        for (size_t i = 0; i < (size_t)(count); i++) { \
            comma(i, out);                             \
            __VA_ARGS__;                               \
        }                                              \
        fputc(']', out);                               \
    } while (0)

static void kinds_write(const struct flame *flame, FILE *out)
{
    fprintf(out, "\"kind\":%zu,\"idle\":%s,", flame->kind, flame->idle ? "true" : "false");
    LIST("\"kinds\"", profile_kind_count(), const struct profile_kind *kind = profile_kind_at(i); fputc('{', out);
         key_string("name", kind->name, out); fputc(',', out); key_string("by", kind->by, out); fputc(',', out);
         key_string("description", kind->description, out); fputc(',', out); key_string("needs", kind->needs, out);
         fputc('}', out));
}

static void frames_write(const struct profile *profile, FILE *out)
{
    const struct profile_frame *frames = profile->frames;
    char label[FLAME_LABEL_SIZE];
    fputs("\"frames\":{", out);
    LIST("\"label\"", profile->frame_count, string_write(flame_label(&frames[i], label, sizeof(label)), out));
    LIST(",\"kind\"", profile->frame_count, fprintf(out, "%d", frames[i].kind));
    LIST(",\"module\"", profile->frame_count, string_write(frames[i].module, out));
    LIST(",\"file\"", profile->frame_count, string_write(frames[i].file, out));
    LIST(",\"line\"", profile->frame_count, fprintf(out, "%" PRIu32, frames[i].line));
    fputs("}", out);
}

static void threads_write(const struct profile *profile, FILE *out)
{
    char title[FLAME_LABEL_SIZE];
    LIST("\"threads\"", profile->thread_count, const struct profile_thread *thread = &profile->threads[i];
         fprintf(out, "{\"pid\":%" PRIu32 ",\"tid\":%" PRIu32 ",", thread->process.pid, thread->thread.tid);
         key_string("title", flame_thread_title(thread, title, sizeof(title)), out); fputc(',', out);
         key_string("program", thread->process.name, out); fputc(',', out);
         key_string("command", thread->process.cmdline, out); fputc(',', out);
         key_string("host", thread->process.host, out); fputc(',', out); key_string("loop", thread->loop_kind, out);
         fputc('}', out));
}

static void slices_write(const struct profile_stack *stack, FILE *out)
{
    fputc('[', out);
    for (size_t i = 0; i < stack->slice_count; i++) {
        comma(i, out);
        fprintf(out, "%" PRIu32 ",%" PRIu64, stack->slices[i].bucket, stack->slices[i].ns);
    }
    fputc(']', out);
}

static void nodes_write(const struct flame_tree *tree, FILE *out)
{
    fputs("\"nodes\":{", out);
    LIST("\"parent\"", tree->index.count, fprintf(out, "%" PRIu32, tree->nodes[i].parent));
    LIST(",\"item\"", tree->index.count, fprintf(out, "%" PRIu32, tree->nodes[i].item));
    fputs("}", out);
}

static void weights_write(const struct profile_stack *stacks, size_t count, FILE *out)
{
    LIST(",\"ns\"", count, fprintf(out, "%" PRIu64, stacks[i].total_ns));
    LIST(",\"count\"", count, fprintf(out, "%" PRIu64, stacks[i].count));
    LIST(",\"slices\"", count, slices_write(&stacks[i], out));
}

static void stacks_write(const struct profile *profile, FILE *out)
{
    const struct profile_stack *stacks = profile->stacks;
    size_t count = profile->stack_count;
    struct flame_tree tree;
    flame_tree_init(&tree, profile, false);
    fputs("\"stacks\":{", out);
    LIST("\"node\"", count, fprintf(out, "%" PRIu32, flame_tree_add(&tree, &stacks[i])));
    LIST(",\"thread\"", count, fprintf(out, "%" PRIu32, stacks[i].thread));
    LIST(",\"kinds\"", count, fprintf(out, "%" PRIu32, stacks[i].kinds));
    LIST(",\"idle\"", count, fprintf(out, "%d", stacks[i].idle));
    weights_write(stacks, count, out);
    fputs("},", out);
    nodes_write(&tree, out);
    flame_tree_free(&tree);
}

static const struct profile_link *link_of(const struct profile *profile, const struct finding *finding)
{
    static const struct profile_link none = {0, NULL, 0};
    for (size_t i = 0; i < profile->link_count; i++) {
        if (profile->links[i].finding_id == finding->id)
            return &profile->links[i];
    }
    return &none;
}

static void finding_write(const struct finding *finding, const struct profile_link *link, FILE *out)
{
    static const char *const severities[] = {"note", "warning", "error"};
    fprintf(out, "{\"id\":\"%016" PRIx64 "\",\"ns\":%" PRIu64 ",\"count\":%" PRIu64 ",", finding->id, finding->total_ns,
            finding->count);
    key_string("severity", severities[finding->severity], out);
    fputc(',', out);
    key_string("rule", finding->rule, out);
    fputc(',', out);
    key_string("title", finding->title, out);
    fputc(',', out);
    key_string("remedy", finding->remedy, out);
    LIST(",\"stacks\"", link->count, fprintf(out, "%" PRIu32, link->stacks[i]));
    fputc('}', out);
}

static void data_write(const struct flame *flame, FILE *out)
{
    const struct report *report = flame->report;
    fprintf(out, "{\"version\":1,\"start_ms\":%" PRIu64 ",\"span_ns\":%" PRIu64 ",\"buckets\":%d,",
            flame->profile->start_real_ns / 1000000, flame->profile->span_ns, PROFILE_BUCKETS);
    key_string("verdict", report->verdict, out);
    fputc(',', out);
    kinds_write(flame, out);
    fputc(',', out);
    frames_write(flame->profile, out);
    fputc(',', out);
    threads_write(flame->profile, out);
    fputc(',', out);
    stacks_write(flame->profile, out);
    LIST(",\"findings\"", report->finding_count,
         finding_write(&report->findings[i], link_of(flame->profile, &report->findings[i]), out));
    LIST(",\"warnings\"", report->warning_count, string_write(report->warnings[i], out));
    fputc('}', out);
}

const char *flame_page_missing(void)
{
    if (page_html_size > 0)
        return NULL;
    return "this cprobe was built without the page. Install nodejs (18 or newer) and npm, let it reach the npm "
           "registry, "
           "and build again; or use --format svg, speedscope or pprof";
}

int flame_html_write(const struct flame *flame, FILE *out)
{
    const char *mark = flame_page_missing() ? NULL : strstr(page_html, PAGE_DATA_MARK);
    if (!mark)
        return -ENOTSUP;
    fwrite(page_html, 1, (size_t)(mark - page_html), out);
    data_write(flame, out);
    mark += strlen(PAGE_DATA_MARK);
    fputs(mark, out);
    return 0;
}
