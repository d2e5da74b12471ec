/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/baseline.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/arena.h"
#include "cli/message.h"
#include "cli/output.h"
#include "report/utf8.h"

#define BASELINE_VERSION 1
#define ID_DIGITS 16

static bool id_parse(const char *text, uint64_t *id)
{
    if (!text || strlen(text) != ID_DIGITS)
        return false;
    for (size_t i = 0; i < ID_DIGITS; i++)
        if (!isxdigit((unsigned char)text[i]))
            return false;
    *id = strtoull(text, NULL, 16);
    return true;
}

static char *member_copy(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return memory_need(strdup(text ? text : ""));
}

static int entries_read(struct baseline *baseline, const json_t *document, const char *path, char *error,
                        size_t error_size)
{
    const json_t *findings = json_object_get(document, "findings");

    if (json_integer_value(json_object_get(document, "version")) != BASELINE_VERSION)
        return error_set(error, error_size, -EINVAL,
                         "baseline %s: \"version\" is not %d; write it anew with --write-baseline", path,
                         BASELINE_VERSION);
    if (!json_is_array(findings))
        return error_set(error, error_size, -EINVAL, "baseline %s: it has no array \"findings\"", path);
    for (size_t i = 0; i < json_array_size(findings); i++) {
        const json_t *item = json_array_get(findings, i);
        uint64_t id;
        if (!id_parse(json_string_value(json_object_get(item, "id")), &id))
            return error_set(error, error_size, -EINVAL, "baseline %s: entry %zu has no \"id\" of %d hex digits", path,
                             i + 1, ID_DIGITS);
        baseline->entries =
            memory_grow(baseline->entries, baseline->count, &baseline->capacity, sizeof(baseline->entries[0]));
        baseline->entries[baseline->count++] =
            (struct baseline_entry){.id = id, .rule = member_copy(item, "rule"), .title = member_copy(item, "title")};
    }
    return 0;
}

int baseline_load(struct baseline *baseline, const char *path, char *error, size_t error_size)
{
    json_error_t reason;

    FILE *file = fopen(path, "re");
    if (!file)
        return error_set(error, error_size, -errno, "cannot read baseline %s: %s", path, strerror(errno));
    json_t *document = json_loadf(file, JSON_REJECT_DUPLICATES, &reason);
    fclose(file);
    if (!document)
        return error_set(error, error_size, -EINVAL, "baseline %s:%d: %s", path, reason.line, reason.text);
    int rc = entries_read(baseline, document, path, error, error_size);
    json_decref(document);
    return rc;
}

bool baseline_contains(struct baseline *baseline, uint64_t id)
{
    bool found = false;

    for (size_t i = 0; i < baseline->count; i++)
        if (baseline->entries[i].id == id)
            found = baseline->entries[i].seen = true;
    return found;
}

void baseline_report_stale(const struct baseline *baseline, const char *path)
{
    for (size_t i = 0; i < baseline->count; i++)
        if (!baseline->entries[i].seen)
            message_print("%s: %016" PRIx64 " is stale, no longer found: %s: %s", path, baseline->entries[i].id,
                          baseline->entries[i].rule, baseline->entries[i].title);
}

static json_t *entry_new(const struct finding *finding)
{
    char id[ID_DIGITS + 1];
    char *title = memory_need(utf8_repair(finding->title ? finding->title : ""));
    snprintf(id, sizeof(id), "%016" PRIx64, finding->id);
    json_t *entry = json_pack("{s:s, s:s, s:s}", "id", id, "rule", finding->rule, "title", title);
    free(title);
    return memory_need(entry);
}

int baseline_write(const char *path, const struct finding *findings, size_t count, char *error, size_t error_size)
{
    struct output output;
    json_t *array = memory_need(json_array());

    for (size_t i = 0; i < count; i++)
        if (json_array_append_new(array, entry_new(&findings[i])) != 0)
            memory_need(NULL);
    json_t *document = memory_need(json_pack("{s:i, s:o}", "version", BASELINE_VERSION, "findings", array));
    int rc = output_open(&output, path, error, error_size);
    if (rc == 0) {
        json_dumpf(document, output.file, JSON_INDENT(2));
        fputc('\n', output.file);
        rc = output_close(&output, error, error_size);
    }
    json_decref(document);
    return rc;
}

void baseline_free(struct baseline *baseline)
{
    for (size_t i = 0; i < baseline->count; i++) {
        free(baseline->entries[i].rule);
        free(baseline->entries[i].title);
    }
    free(baseline->entries);
    *baseline = (struct baseline){0};
}
