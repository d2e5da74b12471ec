/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "wire/mongodb_command.h"

#include <string.h>

#include "base/compiler.h"

enum command_text { TEXT_NOTHING, TEXT_COLLECTION, TEXT_SECRET };
enum command_reads { READS_PART, READS_WHOLE };

static const struct command {
    const char *name;
    uint8_t length;
    uint8_t text;  /* enum command_text */
    uint8_t reads; /* enum command_reads */
    uint32_t flags;
} commands[] = {
#define COMMAND(name, text, reads, flags) {name, sizeof(name) - 1, TEXT_##text, READS_##reads, flags},
#include "wire/mongodb_commands.def"
#undef COMMAND
};

static const struct command other = {"", 0, TEXT_NOTHING, READS_PART, 0};

static const struct command *command_find(const char *name, size_t length)
{
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
        if (commands[i].length == length && memcmp(commands[i].name, name, length) == 0)
            return &commands[i];
    return &other;
}

/* A command's name is letters, digits and underscores; others are not reported as what they say. */
static bool verb_take(const char *name, size_t length, struct mongodb_command *c)
{
    if (length == 0)
        return false;
    c->verb_length = length < WIRE_VERB_MAX ? length : WIRE_VERB_MAX;
    for (size_t i = 0; i < c->verb_length; i++) {
        uint8_t byte = (uint8_t)name[i];
        if (!field_is_letter(byte) && !field_is_digit(byte) && byte != '_')
            return false;
        c->verb[i] = field_upper(byte);
    }
    return true;
}

void mongodb_statement_read(const char *name, size_t name_length, const uint8_t *document, size_t held,
                            struct mongodb_command *c)
{
    struct bson b = bson_open(document, held);
    struct bson_element e;
    bool every = false, all = false;
    bool deletes = name_length == 7 && memcmp(name, "deletes", 7) == 0;
    if (!deletes && (name_length != 7 || memcmp(name, "updates", 7) != 0))
        return;
    while (bson_next(&b, &e)) {
        if (BSON_IS(&e, "q")) {
            every = bson_is_empty(&e);
            c->filter_hash = e.held == e.size ? field_hash(e.value, e.held) : 0;
        } else if (BSON_IS(&e, "limit")) {
            all = deletes && bson_integer(&e, 1) == 0;
        } else if (BSON_IS(&e, "multi")) {
            all = !deletes && bson_integer(&e, 0) != 0;
        }
    }
    c->flags |= every && all ? WIRE_UNBOUNDED : 0;
}

/* The first element of an array of statements. */
static void statements_read(const struct bson_element *array, struct mongodb_command *c)
{
    struct bson b = bson_open(array->value, array->held);
    struct bson_element e;
    if (bson_next(&b, &e) && e.type == BSON_DOCUMENT)
        mongodb_statement_read(array->name, array->name_length, e.value, e.held, c);
}

/* Any element but the first. `*whole`: all of the collection is read, as far as was said. */
static void argument_read(const struct bson_element *e, struct mongodb_command *c, bool *whole)
{
    const char *text;
    size_t length;
    if (BSON_IS(e, "$db") && (text = bson_string(e, &length))) {
        c->database = text;
        c->database_length = length;
    } else if (BSON_IS(e, "collection") && (text = bson_string(e, &length))) {
        c->collection = text;
        c->collection_length = length;
    } else if (BSON_IS(e, "filter") || BSON_IS(e, "query") || BSON_IS(e, "pipeline")) {
        *whole &= bson_is_empty(e);
        c->filter_hash = e->held == e->size ? field_hash(e->value, e->held) : 0;
    } else if (BSON_IS(e, "limit")) {
        *whole &= bson_integer(e, 1) == 0;
    } else if (BSON_IS(e, "batchSize")) {
        int64_t size = bson_integer(e, 0);
        c->elements = size > 0 ? (uint64_t)size : 0;
    } else if (BSON_IS(e, "autocommit")) {
        c->flags |= bson_integer(e, 1) == 0 ? WIRE_IN_TRANSACTION : 0;
    } else if (e->type == BSON_ARRAY) {
        statements_read(e, c);
    }
}

bool mongodb_command_read(const uint8_t *document, size_t held, struct mongodb_command *c)
{
    struct bson b = bson_open(document, held);
    struct bson_element e;
    if (!bson_next(&b, &e) || !verb_take(e.name, e.name_length, c))
        return false;
    const struct command *known = command_find(c->verb, c->verb_length);
    bool whole = known->reads == READS_WHOLE;
    c->flags |= known->flags;
    c->secret = known->text == TEXT_SECRET;
    if (known->flags & WIRE_CURSOR)
        c->cursor = (uint64_t)bson_integer(&e, 0);
    if (known->text == TEXT_COLLECTION && !(c->collection = bson_string(&e, &c->collection_length)))
        c->collection_length = 0;
    while (bson_next(&b, &e))
        if (!c->secret)
            argument_read(&e, c, &whole);
    c->flags |= whole && b.ended ? WIRE_WHOLE : 0;
    if (FIELD_IS(c->verb, c->verb_length, "SASLSTART") || FIELD_IS(c->verb, c->verb_length, "AUTHENTICATE")) {
        memcpy(c->verb, "CONNECT", 7);
        c->verb_length = 7;
    }
    return true;
}

static void code_take(struct mongodb_reply *r, const struct bson_element *e)
{
    int64_t code = bson_integer(e, 0);
    uint64_t rest = code < 0 ? 0 - (uint64_t)code : (uint64_t)code;
    char *at = r->code + sizeof(r->code);
    do
        *--at = (char)('0' + rest % 10);
    while ((rest /= 10) > 0);
    if (code < 0)
        *--at = '-';
    if (r->status_length > 0)
        return;
    r->status = at;
    r->status_length = (size_t)(r->code + sizeof(r->code) - at);
}

static void code_name_take(struct mongodb_reply *r, const struct bson_element *e)
{
    size_t length;
    const char *name = bson_string(e, &length);
    if (!name || length == 0 || length > WIRE_TEXT_MAX)
        return;
    for (size_t i = 0; i < length; i++)
        if (!field_is_letter((uint8_t)name[i]) && !field_is_digit((uint8_t)name[i]))
            return;
    r->status = name;
    r->status_length = length;
}

/* The elements of an array that is all there; 0: it is not. */
static uint64_t array_count(const struct bson_element *array)
{
    struct bson b = bson_open(array->value, array->held);
    struct bson_element e;
    uint64_t n = 0;
    while (bson_next(&b, &e))
        n++;
    return b.ended ? n : 0;
}

static void cursor_read(const struct bson_element *cursor, struct mongodb_reply *r)
{
    struct bson b = bson_open(cursor->value, cursor->held);
    struct bson_element e;
    while (bson_next(&b, &e)) {
        if (BSON_IS(&e, "id")) {
            r->has_cursor = true;
            r->cursor = (uint64_t)bson_integer(&e, 0);
        } else if (e.type == BSON_ARRAY && (BSON_IS(&e, "firstBatch") || BSON_IS(&e, "nextBatch"))) {
            r->elements = array_count(&e);
        }
    }
}

/* "writeErrors", an array of documents, and "writeConcernError", a document: each with a code. */
static void write_error_read(const struct bson_element *error, struct mongodb_reply *r)
{
    struct bson b = bson_open(error->value, error->held);
    struct bson_element e;
    if (error->type == BSON_ARRAY) {
        if (!bson_next(&b, &e) || e.type != BSON_DOCUMENT)
            return;
        b = bson_open(e.value, e.held);
    }
    r->failed = true;
    while (bson_next(&b, &e))
        if (BSON_IS(&e, "code"))
            code_take(r, &e);
}

void mongodb_reply_read(const uint8_t *document, size_t held, struct mongodb_reply *r)
{
    struct bson b = bson_open(document, held);
    struct bson_element e;
    while (bson_next(&b, &e)) {
        if (BSON_IS(&e, "ok"))
            r->failed |= bson_integer(&e, 1) == 0;
        else if (BSON_IS(&e, "code"))
            code_take(r, &e);
        else if (BSON_IS(&e, "codeName"))
            code_name_take(r, &e);
        else if (BSON_IS(&e, "n"))
            r->elements = (uint64_t)(bson_integer(&e, 0) > 0 ? bson_integer(&e, 0) : 0);
        else if (BSON_IS(&e, "cursor") && e.type == BSON_DOCUMENT)
            cursor_read(&e, r);
        else if (BSON_IS(&e, "writeErrors") || BSON_IS(&e, "writeConcernError"))
            write_error_read(&e, r);
    }
}
