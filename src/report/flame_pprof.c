/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pprof's profile (pprof.proto, gzip): one sample a stack, with its number of waits and their nanoseconds, and labels
 * for process, thread and endpoint. Frames are symbolized already: locations have a mapping and a line, no address.
 */
#include <errno.h>
#include <pprof.pb-c.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "analysis/arena.h"
#include "analysis/profile_index.h"
#include "report/flame.h"

struct pprof {
    const struct profile *profile;
    struct arena *arena;
    Pprof__Profile message;
    struct profile_index strings;
    char **string_list;
    size_t string_capacity;
};

/* Protobuf's lists are arrays of pointers. */
static void *pointers_get(struct pprof *pprof, size_t count)
{
    return arena_get(pprof->arena, (count + 1) * sizeof(void *));
}

struct string_search {
    const struct pprof *pprof;
    const char *text;
};

static bool string_equal(const void *context, uint32_t item)
{
    const struct string_search *search = context;
    return strcmp(search->pprof->string_list[item], search->text) == 0;
}

/* Number of a string that is clean already. */
static int64_t string_number(struct pprof *pprof, const char *text)
{
    struct string_search search = {pprof, text};
    bool added;
    uint32_t number =
        profile_index_put(&pprof->strings, profile_hash_text(PROFILE_HASH_START, text), string_equal, &search, &added);
    if (added) {
        pprof->string_list =
            memory_grow(pprof->string_list, number, &pprof->string_capacity, sizeof(*pprof->string_list));
        pprof->string_list[number] = arena_copy(pprof->arena, text);
    }
    return number;
}

/* Number of a string from a recorded program; protobuf wants valid UTF-8. */
static int64_t text_number(struct pprof *pprof, const char *text)
{
    const struct profile_frame note = {.kind = PROFILE_NOTE, .function = text ? text : ""};
    char label[FLAME_LABEL_SIZE];
    return string_number(pprof, flame_label(&note, label, sizeof(label)));
}

static Pprof__ValueType *value_type(struct pprof *pprof, const char *type, const char *unit)
{
    Pprof__ValueType *value = arena_get(pprof->arena, sizeof(*value));
    pprof__value_type__init(value);
    value->type = string_number(pprof, type);
    value->unit = string_number(pprof, unit);
    return value;
}

static Pprof__Mapping *mapping_new(struct pprof *pprof, const struct profile_module *module, uint64_t id)
{
    Pprof__Mapping *mapping = arena_get(pprof->arena, sizeof(*mapping));
    char build_id[2 * 64 + 1] = "";
    pprof__mapping__init(mapping);
    for (size_t i = 0; i < module->build_id_size && i < 64; i++)
        snprintf(build_id + 2 * i, 3, "%02x", module->build_id[i]);
    mapping->id = id;
    mapping->memory_start = module->start;
    mapping->memory_limit = module->end;
    mapping->file_offset = module->offset;
    mapping->filename = text_number(pprof, module->path);
    mapping->build_id = string_number(pprof, build_id);
    mapping->has_functions = mapping->has_filenames = mapping->has_line_numbers = true;
    return mapping;
}

static void mappings_make(struct pprof *pprof)
{
    const struct profile *profile = pprof->profile;
    Pprof__Profile *message = &pprof->message;
    message->mapping = pointers_get(pprof, profile->module_count);
    message->n_mapping = profile->module_count;
    for (size_t i = 0; i < profile->module_count; i++)
        message->mapping[i] = mapping_new(pprof, &profile->modules[i], i + 1);
}

/* 0: no file of code. */
static uint64_t mapping_of(const struct profile *profile, const struct profile_frame *frame)
{
    for (size_t i = 0; frame->kind == PROFILE_NATIVE && i < profile->module_count; i++) {
        if (strcmp(profile->modules[i].name, frame->module) == 0)
            return i + 1;
    }
    return 0;
}

/* The frame as a function and a location of the same id. */
static void frame_add(struct pprof *pprof, size_t i)
{
    const struct profile_frame *frame = &pprof->profile->frames[i];
    Pprof__Function *function = arena_get(pprof->arena, sizeof(*function));
    Pprof__Location *location = arena_get(pprof->arena, sizeof(*location));
    Pprof__Line *line = arena_get(pprof->arena, sizeof(*line));
    struct profile_frame plain = *frame;
    char label[FLAME_LABEL_SIZE];
    pprof__function__init(function);
    pprof__location__init(location);
    pprof__line__init(line);
    plain.file = NULL; /* pprof shows file and line itself */
    function->id = location->id = line->function_id = i + 1;
    function->name = function->system_name = string_number(pprof, flame_label(&plain, label, sizeof(label)));
    function->filename = text_number(pprof, frame->file);
    line->line = frame->line;
    location->mapping_id = mapping_of(pprof->profile, frame);
    location->n_line = 1;
    location->line = pointers_get(pprof, 1);
    location->line[0] = line;
    pprof->message.function[i] = function;
    pprof->message.location[i] = location;
}

static void frames_make(struct pprof *pprof)
{
    size_t count = pprof->profile->frame_count;
    Pprof__Profile *message = &pprof->message;
    message->function = pointers_get(pprof, count);
    message->location = pointers_get(pprof, count);
    message->n_function = message->n_location = count;
    for (size_t i = 0; i < count; i++)
        frame_add(pprof, i);
}

static void label_add(struct pprof *pprof, Pprof__Sample *sample, const char *key, const char *text, int64_t number)
{
    Pprof__Label *label = arena_get(pprof->arena, sizeof(*label));
    pprof__label__init(label);
    label->key = string_number(pprof, key);
    if (text)
        label->str = text_number(pprof, text);
    else
        label->num = number;
    sample->label[sample->n_label++] = label;
}

#define LABELS_MAX 7

static void labels_make(struct pprof *pprof, Pprof__Sample *sample, const struct profile_stack *stack)
{
    const struct profile_thread *thread = &pprof->profile->threads[stack->thread];
    const struct profile_frame *leaf = &pprof->profile->frames[stack->frames[stack->frame_count - 1]];
    sample->label = pointers_get(pprof, LABELS_MAX);
    label_add(pprof, sample, "process", thread->process.name, 0);
    label_add(pprof, sample, "pid", NULL, thread->process.pid);
    label_add(pprof, sample, "thread", thread->thread.name, 0);
    label_add(pprof, sample, "tid", NULL, thread->thread.tid);
    if (thread->loop_kind)
        label_add(pprof, sample, "loop", thread->loop_kind, 0);
    if (stack->idle)
        label_add(pprof, sample, "idle", "true", 0);
    if (leaf->kind == PROFILE_ENDPOINT)
        label_add(pprof, sample, "endpoint", leaf->function, 0);
}

static Pprof__Sample *sample_new(struct pprof *pprof, const struct profile_stack *stack)
{
    Pprof__Sample *sample = arena_get(pprof->arena, sizeof(*sample));
    pprof__sample__init(sample);
    sample->n_location_id = stack->frame_count;
    sample->location_id = arena_get(pprof->arena, stack->frame_count * sizeof(*sample->location_id));
    for (size_t i = 0; i < stack->frame_count; i++)
        sample->location_id[i] = (uint64_t)stack->frames[stack->frame_count - 1 - i] + 1;
    sample->n_value = 2;
    sample->value = arena_get(pprof->arena, 2 * sizeof(*sample->value));
    sample->value[0] = (int64_t)stack->count;
    sample->value[1] = (int64_t)stack->total_ns;
    labels_make(pprof, sample, stack);
    return sample;
}

static void samples_make(struct pprof *pprof, const struct flame *flame)
{
    Pprof__Profile *message = &pprof->message;
    const struct profile_stack *stack;
    message->sample = pointers_get(pprof, flame->profile->stack_count);
    for (size_t i = 0; (stack = flame_next(flame, &i));)
        message->sample[message->n_sample++] = sample_new(pprof, stack);
}

static void types_make(struct pprof *pprof, const struct flame *flame)
{
    Pprof__Profile *message = &pprof->message;
    const char *kind = profile_kind_at(flame->kind)->name;
    string_number(pprof, ""); /* the first of the table */
    message->n_sample_type = 2;
    message->sample_type = pointers_get(pprof, 2);
    message->sample_type[0] = value_type(pprof, "waits", "count");
    message->sample_type[1] = value_type(pprof, kind, "nanoseconds");
    message->default_sample_type = string_number(pprof, kind);
    message->period_type = value_type(pprof, kind, "nanoseconds");
    message->period = 1;
    message->time_nanos = (int64_t)flame->profile->start_real_ns;
    message->duration_nanos = (int64_t)flame->profile->span_ns;
}

/* gzip (RFC 1952) by zlib: 16 added to the window bits asks for its header. */
static int gzip_write(const uint8_t *data, size_t size, FILE *out)
{
    uint8_t buffer[1 << 14];
    z_stream stream = {.next_in = (Bytef *)data, .avail_in = (uInt)size};
    int state;
    if (size > UINT32_MAX)
        return -EFBIG;
    if (deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        return -ENOMEM;
    do {
        stream.next_out = buffer;
        stream.avail_out = sizeof(buffer);
        state = deflate(&stream, Z_FINISH);
        fwrite(buffer, 1, sizeof(buffer) - stream.avail_out, out);
    } while (state == Z_OK);
    deflateEnd(&stream);
    return state == Z_STREAM_END ? 0 : -EIO;
}

static int message_write(const Pprof__Profile *message, FILE *out)
{
    size_t size = pprof__profile__get_packed_size(message);
    uint8_t *data = malloc(size + 1);
    if (!data)
        return -ENOMEM;
    pprof__profile__pack(message, data);
    int result = gzip_write(data, size, out);
    free(data);
    return result;
}

int flame_pprof_write(const struct flame *flame, FILE *out)
{
    struct pprof pprof = {.profile = flame->profile, .arena = arena_new()};
    pprof__profile__init(&pprof.message);
    types_make(&pprof, flame);
    mappings_make(&pprof);
    frames_make(&pprof);
    samples_make(&pprof, flame);
    pprof.message.string_table = pprof.string_list;
    pprof.message.n_string_table = pprof.strings.count;
    int result = message_write(&pprof.message, out);
    profile_index_free(&pprof.strings);
    free(pprof.string_list);
    arena_free(pprof.arena);
    return result;
}
