/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A protocol for tests, in the place of redis: lines of a client ("@VERB key flags", flags in hexadecimal) and of a
 * server ("!" and a status, "!-" and one for failures, "!~" for an answer's first byte). Chunks are whole lines. Gaps
 * are counted. Of "SLOW" the parser does not come back for two milliseconds, as if it had lost its processor.
 */
#ifndef CPROBE_TESTS_SPOKEN_H
#define CPROBE_TESTS_SPOKEN_H

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "wire/parser.h"

struct spoken {
    uint32_t asked, answered;
};

static uint64_t spoken_gaps[2], spoken_lost[2];

static enum wire_guess spoken_guess(const uint8_t *bytes, size_t length, enum wire_side from)
{
    return length && bytes[0] == (from == WIRE_CLIENT ? '@' : '!') ? WIRE_GUESS_YES : WIRE_GUESS_NO;
}

static void spoken_start(void *state)
{
    (void)state;
}

static void spoken_line(struct spoken *s, enum wire_side from, const char *line, size_t length,
                        const struct wire_sink *sink)
{
    struct wire_message m = {.protocol = WIRE_REDIS, .from = from, .bytes = length + 1, .repeats = 1, .ttl_ms = -1};
    char verb[32] = "", key[32] = "";
    sscanf(line + 1, "%31s %31s %x", verb, key, &m.flags);
    m.text = m.status = "";
    if (strcmp(verb, "SLOW") == 0)
        usleep(2000);
    if (from == WIRE_CLIENT) {
        m.kind = strcmp(verb, "STARTTLS") ? WIRE_REQUEST : WIRE_UPGRADE;
        m.sequence = m.flags & WIRE_NO_REPLY ? s->asked : s->asked++;
        m.key = key;
        m.key_length = strlen(key);
        m.key_hash = m.key_length && !(m.flags & WIRE_HASH_LATER) ? 1000 + (uint64_t)key[0] : 0;
        m.cursor = m.flags & WIRE_CURSOR ? 7 : 0;
    } else if (verb[0] == '~') {
        m.kind = WIRE_FIRST;
        m.sequence = s->answered;
    } else {
        m.kind = WIRE_RESPONSE;
        m.sequence = s->answered++;
        m.flags = verb[0] == '-' ? WIRE_FAILED : 0;
        m.elements = 3;
    }
    m.verb = verb;
    m.verb_length = strlen(verb);
    sink->message(sink->context, &m);
}

static bool spoken_feed(void *state, enum wire_side from, const uint8_t *bytes, size_t length,
                        const struct wire_sink *sink)
{
    const char *p = (const char *)bytes, *end = p + length;
    for (const char *stop; p < end; p = stop + 1) {
        char line[128] = "";
        stop = memchr(p, '\n', (size_t)(end - p));
        if (!stop || (*p != '@' && *p != '!') || (size_t)(stop - p) >= sizeof(line))
            return false;
        memcpy(line, p, (size_t)(stop - p));
        spoken_line(state, from, line, (size_t)(stop - p), sink);
    }
    return true;
}

static void spoken_gap(void *state, enum wire_side from, uint64_t length)
{
    (void)state;
    spoken_gaps[from]++;
    spoken_lost[from] += length;
}

const struct wire_parser redis_parser = {
    .guess = spoken_guess, .start = spoken_start, .feed = spoken_feed, .gap = spoken_gap};

#endif
