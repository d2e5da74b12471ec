/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Recorded conversations (tests/fuzz/corpus/<protocol>) against the account that the server gave of them
 * (tests/unit/wire/recorded/<protocol>.account): what was understood is what was served. Tests run in the top of the
 * source tree.
 */
#ifndef CPROBE_TESTS_WIRE_RECORDED_H
#define CPROBE_TESTS_WIRE_RECORDED_H

#include "wire/conversation.h"

#include <dirent.h>

#define RECORDED_NAMES 256

struct recorded_count {
    char name[WIRE_VERB_MAX + 1];
    uint64_t count;
};

struct recorded {
    size_t names;
    struct recorded_count counts[RECORDED_NAMES];
    uint64_t requests;  /* that are to be answered */
    uint64_t responses; /* to them */
    uint64_t failed;
};

static inline void recorded_add(struct recorded *r, const char *name, size_t length, uint64_t count)
{
    size_t i = 0;
    while (i < r->names && (strlen(r->counts[i].name) != length || memcmp(r->counts[i].name, name, length) != 0))
        i++;
    if (i == r->names) {
        assert_true(r->names < RECORDED_NAMES && length <= WIRE_VERB_MAX);
        memcpy(r->counts[r->names++].name, name, length);
    }
    r->counts[i].count += count;
}

static inline uint64_t recorded_count(const struct recorded *r, const char *name)
{
    for (size_t i = 0; i < r->names; i++)
        if (strcmp(r->counts[i].name, name) == 0)
            return r->counts[i].count;
    return 0;
}

static inline void recorded_message(void *context, const struct wire_message *m)
{
    struct recorded *r = context;
    message_check(m);
    if (m->kind == WIRE_REQUEST) {
        recorded_add(r, m->verb, m->verb_length, m->repeats);
        r->requests += !(m->flags & WIRE_NO_REPLY);
    } else if (m->kind == WIRE_RESPONSE) {
        r->responses++;
        r->failed += !!(m->flags & WIRE_FAILED);
    }
}

/* A file's chunks, in parts of at most `step` bytes, through recognition; the protocol it was recognised as. */
static inline enum wire_protocol recorded_file(struct recorded *r, const char *path, size_t step)
{
    static uint8_t bytes[UINT16_MAX];
    const struct wire_sink sink = {recorded_message, r};
    struct wire_conversation c;
    uint8_t head[3];
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    wire_start(&c, false, WIRE_UNKNOWN);
    while (fread(head, 1, sizeof(head), f) == sizeof(head)) {
        size_t length = head[1] | (size_t)head[2] << 8;
        assert_int_equal(fread(bytes, 1, length, f), length);
        for (size_t at = 0; at < length; at += step)
            wire_feed(&c, head[0] ? WIRE_SERVER : WIRE_CLIENT, bytes + at, length - at < step ? length - at : step,
                      &sink);
    }
    fclose(f);
    return c.protocol;
}

/* All conversations of a protocol whose names begin with `prefix`. */
static inline void recorded_folder(struct recorded *r, const char *protocol, const char *prefix, size_t step)
{
    char path[512];
    snprintf(path, sizeof(path), "tests/fuzz/corpus/%s", protocol);
    DIR *d = opendir(path);
    if (!d)
        fail_msg("%s: run from the top of the source tree", path);
    memset(r, 0, sizeof(*r));
    for (struct dirent *e; (e = readdir(d));) {
        if (e->d_name[0] == '.' || strncmp(e->d_name, prefix, strlen(prefix)) != 0)
            continue;
        snprintf(path, sizeof(path), "tests/fuzz/corpus/%s/%s", protocol, e->d_name);
        enum wire_protocol is = recorded_file(r, path, step);
        if (is != wire_protocol_find(protocol, strlen(protocol)))
            fail_msg("%s: recognised as %s", path, wire_protocol_name(is));
    }
    closedir(d);
}

/* Every line "operation count" of the account is what was understood; "failed" are failed responses. */
static inline void assert_account(const struct recorded *r, const char *account)
{
    char path[512], line[128];
    size_t lines = 0;
    snprintf(path, sizeof(path), "tests/unit/wire/recorded/%s.account", account);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    for (; fgets(line, sizeof(line), f); lines++) {
        char *space = strrchr(line, ' ');
        assert_non_null(space);
        *space = '\0';
        uint64_t served = strtoull(space + 1, NULL, 10);
        uint64_t understood = strcmp(line, "failed") == 0 ? r->failed : recorded_count(r, line);
        if (served != understood)
            fail_msg("%s: the server counted %" PRIu64 ", the parser %" PRIu64, line, served, understood);
    }
    fclose(f);
    assert_true(lines > 0);
}

#endif
