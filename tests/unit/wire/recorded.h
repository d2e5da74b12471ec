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
    bool datagrams; /* as which the conversations were recorded; set it before */
    size_t names;
    struct recorded_count counts[RECORDED_NAMES];
    uint64_t requests;  /* that are to be answered */
    uint64_t responses; /* to them */
    uint64_t failed;
    uint64_t conversations;
    uint64_t names_told; /* WIRE_NAME */
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

/* What the clients planted as values, passwords and tokens (tests/fuzz/clients). */
static inline void assert_no_secret(const char *text, size_t length)
{
    static const char *const secrets[] = {"planted", "cGxhbnRlZA", "hunter2"};
    for (size_t i = 0; i < ARRAY_SIZE(secrets); i++)
        if (length > 0 && memmem(text, length, secrets[i], strlen(secrets[i])))
            fail_msg("%.*s", (int)length, text);
}

static inline void recorded_message(void *context, const struct wire_message *m)
{
    struct recorded *r = context;
    message_check(m);
    assert_no_secret(m->verb, m->verb_length);
    assert_no_secret(m->text, m->text_length);
    assert_no_secret(m->key, m->key_length);
    assert_no_secret(m->status, m->status_length);
    if (m->kind == WIRE_REQUEST) {
        recorded_add(r, m->verb, m->verb_length, m->repeats);
        r->requests += !(m->flags & WIRE_NO_REPLY);
    } else if (m->kind == WIRE_RESPONSE) {
        r->responses++;
        r->failed += !!(m->flags & WIRE_FAILED);
    } else if (m->kind == WIRE_NAME) {
        r->names_told++;
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
    wire_start(&c, r->datagrams, WIRE_UNKNOWN);
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
    *r = (struct recorded){.datagrams = r->datagrams};
    for (struct dirent *e; (e = readdir(d));) {
        if (e->d_name[0] == '.' || strncmp(e->d_name, prefix, strlen(prefix)) != 0)
            continue;
        snprintf(path, sizeof(path), "tests/fuzz/corpus/%s/%s", protocol, e->d_name);
        enum wire_protocol is = recorded_file(r, path, step);
        r->conversations++;
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

/* Conversations whose names begin with `name`, in fragments of several sizes: <protocol>-<name>.account. */
static inline void assert_recorded(const char *protocol, const char *name, bool datagrams)
{
    static const size_t steps[] = {SIZE_MAX, 1, 7, 100};
    static struct recorded recorded;
    char account[128];
    snprintf(account, sizeof(account), "%s-%s", protocol, name);
    recorded.datagrams = datagrams;
    for (size_t i = 0; i < (datagrams ? 1 : ARRAY_SIZE(steps)); i++) {
        recorded_folder(&recorded, protocol, name, steps[i]);
        assert_account(&recorded, account);
        assert_int_equal(recorded.requests, recorded.responses);
    }
}

/* One number of an account. */
static inline uint64_t recorded_account(const char *account, const char *name)
{
    char path[512], line[128];
    uint64_t count = 0;
    size_t length = strlen(name);
    snprintf(path, sizeof(path), "tests/unit/wire/recorded/%s.account", account);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    while (fgets(line, sizeof(line), f))
        if (strncmp(line, name, length) == 0 && line[length] == ' ')
            count = strtoull(line + length, NULL, 10);
    fclose(f);
    return count;
}

#endif
