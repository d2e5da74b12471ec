/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * TLS: nothing of it can be read but the server name that the client asks for (SNI), which is reported as WIRE_NAME
 * with a hash of the client's random as key: both ends' sessions know that, too. After the client's first message the
 * conversation is opaque.
 *
 * Source: RFC 8446 (sections 4.1.2 and 5.1), RFC 6066 (section 3). ClientHello is walked through byte by byte, as its
 * extensions come in any order and it may be longer than WIRE_HEAD and cut into records anywhere.
 */
#include "base/compiler.h"
#include "wire/fields.h"
#include "wire/parser.h"

#define RECORD_HEADER 5
#define RECORD_MAX (16384 + 2048) /* TLS 1.2 ciphertext */
#define RECORD_CIPHERED_MIN 17
#define HELLO_MIN 42
#define RANDOM_SIZE 32

#define CHANGE_CIPHER_SPEC 20
#define ALERT 21
#define HANDSHAKE 22
#define APPLICATION_DATA 23

#define CLIENT_HELLO 1
#define SERVER_HELLO 2
#define EXTENSION_SERVER_NAME 0

/* The fields of ClientHello, in order; in brackets what happens to the bytes. */
enum field {
    HELLO_HEADER,   /* [kept] message type, 24 bits length */
    RANDOM,         /* [kept] version, random */
    SESSION_LENGTH, /* [kept] */
    SESSION,        /* [skipped] */
    CIPHERS_LENGTH,
    CIPHERS,
    METHODS_LENGTH,
    METHODS,
    EXTENSIONS_LENGTH,
    EXTENSION_HEADER, /* [kept] type, length; again and again */
    EXTENSION,        /* [skipped] */
    NAME_HEADER,      /* [kept] length of the list, type, length of the name */
    NAME,             /* [kept] */
    OPAQUE
};

struct tls_state {
    uint8_t field;  /* enum field */
    uint8_t header; /* bytes of the record's header that were seen */
    uint16_t used;  /* bytes of `kept` */
    uint32_t left;  /* bytes of the field still to come */
    uint32_t record_left;
    uint32_t extension_left; /* after the server name: the list goes no further for us */
    uint64_t random;         /* hash */
    uint8_t record[RECORD_HEADER];
    uint8_t kept[WIRE_TEXT_MAX];
};
_Static_assert(sizeof(struct tls_state) <= WIRE_STATE_SIZE, "state of a conversation");

static void field_begin(struct tls_state *s, enum field field, uint32_t length)
{
    s->field = (uint8_t)field;
    s->left = length;
    s->used = 0;
}

static void tls_start(void *state)
{
    field_begin(state, HELLO_HEADER, 4);
}

static bool name_is_host(const uint8_t *name, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (!field_is_letter(name[i]) && !field_is_digit(name[i]) && name[i] != '.' && name[i] != '-' && name[i] != '_')
            return false;
    return length > 0;
}

/* The greeting is understood; length 0: it names no server. */
static void name_report(const struct tls_state *s, size_t length, const struct wire_sink *sink)
{
    bool host = name_is_host(s->kept, length);
    struct wire_message m = {.kind = WIRE_NAME,
                             .protocol = WIRE_TLS,
                             .from = WIRE_CLIENT,
                             .text = host ? (const char *)s->kept : NULL,
                             .text_length = host ? length : 0,
                             .key_hash = s->random,
                             .ttl_ms = -1};
    sink->message(sink->context, &m);
}

/* The next extension; behind the last one: no server was named. */
static void extension_begin(struct tls_state *s, const struct wire_sink *sink)
{
    if (s->extension_left >= 4) {
        field_begin(s, EXTENSION_HEADER, 4);
        return;
    }
    name_report(s, 0, sink);
    field_begin(s, OPAQUE, 0);
}

/* A field is complete: which one comes next. A field of no bytes is complete at once. */
static void field_end(struct tls_state *s, const struct wire_sink *sink)
{
    const uint8_t *k = s->kept;
    switch ((enum field)s->field) {
    case HELLO_HEADER:
        field_begin(s, k[0] == CLIENT_HELLO ? RANDOM : OPAQUE, 2 + RANDOM_SIZE);
        break;
    case RANDOM:
        s->random = field_hash(k + 2, RANDOM_SIZE);
        field_begin(s, SESSION_LENGTH, 1);
        break;
    case SESSION_LENGTH:
        field_begin(s, SESSION, k[0]);
        break;
    case SESSION:
        field_begin(s, CIPHERS_LENGTH, 2);
        break;
    case CIPHERS_LENGTH:
        field_begin(s, CIPHERS, field_be16(k));
        break;
    case CIPHERS:
        field_begin(s, METHODS_LENGTH, 1);
        break;
    case METHODS_LENGTH:
        field_begin(s, METHODS, k[0]);
        break;
    case METHODS:
        field_begin(s, EXTENSIONS_LENGTH, 2);
        break;
    case EXTENSIONS_LENGTH:
        s->extension_left = field_be16(k);
        extension_begin(s, sink);
        break;
    case EXTENSION_HEADER: {
        uint32_t length = field_be16(k + 2);
        bool fits = length + 4 <= s->extension_left;
        s->extension_left -= fits ? length + 4 : s->extension_left;
        bool named = field_be16(k) == EXTENSION_SERVER_NAME && length >= 5;
        field_begin(s, !fits ? OPAQUE : named ? NAME_HEADER : EXTENSION, named ? 5 : length);
        break;
    }
    case EXTENSION:
        extension_begin(s, sink);
        break;
    case NAME_HEADER: {
        uint32_t length = field_be16(k + 3);
        field_begin(s, k[2] == 0 && length < sizeof(s->kept) ? NAME : OPAQUE, length);
        break;
    }
    case NAME:
        name_report(s, s->used, sink);
        field_begin(s, OPAQUE, 0);
        break;
    case OPAQUE:
        break;
    }
}

static bool field_is_kept(const struct tls_state *s)
{
    return s->field != SESSION && s->field != CIPHERS && s->field != METHODS && s->field != EXTENSION;
}

/* Bytes of the handshake, from one record; at least one. */
static void hello_feed(struct tls_state *s, const uint8_t *bytes, size_t length, const struct wire_sink *sink)
{
    while (length > 0 && s->field != OPAQUE) {
        size_t n = s->left < length ? s->left : length;
        if (field_is_kept(s)) {
            memcpy(s->kept + s->used, bytes, n);
            s->used = (uint16_t)(s->used + n);
        }
        s->left -= (uint32_t)n;
        bytes += n;
        length -= n;
        while (s->left == 0 && s->field != OPAQUE)
            field_end(s, sink);
    }
}

static bool tls_feed(void *state, enum wire_side from, const uint8_t *bytes, size_t length,
                     const struct wire_sink *sink)
{
    struct tls_state *s = state;
    if (from != WIRE_CLIENT)
        return true;
    while (length > 0 && s->field != OPAQUE) {
        if (s->header < RECORD_HEADER) {
            s->record[s->header++] = *bytes++;
            length--;
            s->record_left = field_be16(s->record + 3);
            if (s->header == RECORD_HEADER && (s->record[0] != HANDSHAKE || s->record_left == 0))
                s->field = OPAQUE;
            continue;
        }
        size_t n = s->record_left < length ? s->record_left : length;
        hello_feed(s, bytes, n, sink);
        bytes += n;
        length -= n;
        s->record_left -= (uint32_t)n;
        if (s->record_left == 0)
            s->header = 0;
    }
    return true;
}

static void tls_gap(void *state, enum wire_side from, uint64_t length)
{
    struct tls_state *s = state;
    (void)length;
    if (from == WIRE_CLIENT)
        s->field = OPAQUE;
}

/* What may stand in a record of this type: the plain and the ciphered form of handshakes cannot be told apart. */
static bool record_length_fits(uint8_t type, uint16_t length)
{
    switch (type) {
    case CHANGE_CIPHER_SPEC:
        return length == 1;
    case ALERT:
        return length == 2 || (length >= RECORD_CIPHERED_MIN && length <= 256);
    case APPLICATION_DATA:
        return length >= RECORD_CIPHERED_MIN && length <= RECORD_MAX;
    default:
        return type == HANDSHAKE && length >= 4 && length <= RECORD_MAX;
    }
}

static enum wire_guess tls_guess(const uint8_t *bytes, size_t length, enum wire_side from)
{
    if (bytes[0] < CHANGE_CIPHER_SPEC || bytes[0] > APPLICATION_DATA || (length > 1 && bytes[1] != 3) ||
        (length > 2 && bytes[2] > 4))
        return WIRE_GUESS_NO;
    if (length < RECORD_HEADER)
        return WIRE_GUESS_MORE;
    if (!record_length_fits(bytes[0], field_be16(bytes + 3)))
        return WIRE_GUESS_NO;
    if (bytes[0] != HANDSHAKE)
        return WIRE_GUESS_YES;
    uint8_t hello = from == WIRE_CLIENT ? CLIENT_HELLO : SERVER_HELLO;
    if (length > RECORD_HEADER && bytes[RECORD_HEADER] != hello)
        return WIRE_GUESS_NO;
    if (length < RECORD_HEADER + 6)
        return WIRE_GUESS_MORE;
    bool hello_fits = field_be24(bytes + RECORD_HEADER + 1) >= HELLO_MIN - 4 && bytes[RECORD_HEADER + 4] == 3;
    return hello_fits ? WIRE_GUESS_YES : WIRE_GUESS_NO;
}

const struct wire_parser tls_parser = {.guess = tls_guess, .start = tls_start, .feed = tls_feed, .gap = tls_gap};
