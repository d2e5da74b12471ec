/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How a MySQL connection begins. User names and what proves them are stepped over, never kept.
 * https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_connection_phase.html
 */
#include "wire/mysql.h"

#define GREETING_VERSION 10
#define RESPONSE_FIXED 32 /* capabilities 4, largest packet 4, character set 1, filler 23 */

/* Behind the zero byte that ends a text; p->held: there is none. */
static size_t text_end(const struct mysql_packet *p, size_t at)
{
    const uint8_t *zero = at < p->held ? memchr(p->payload + at, 0, p->held - at) : NULL;
    return zero ? (size_t)(zero - p->payload) + 1 : p->held;
}

/* Handshake v10: version, text of the server's version, thread 4, salt 8, 0, capabilities 2, character set 1, status 2,
   capabilities 2, salt's length 1, filler 6, MariaDB's capabilities 4. */
bool mysql_greeting(struct mysql *s, const struct mysql_packet *p)
{
    size_t at = text_end(p, 1);
    if (p->held < 2 || p->payload[0] != GREETING_VERSION || at + 15 > p->held)
        return false;
    s->capabilities = field_le16(p->payload + at + 13);
    if (at + 31 <= p->held) {
        s->capabilities |= (uint32_t)field_le16(p->payload + at + 18) << 16;
        s->mariadb = !(s->capabilities & CLIENT_LONG_PASSWORD);
        s->cached_metadata = s->mariadb && field_le32(p->payload + at + 27) & MARIADB_CACHE_METADATA;
    }
    s->phase = PHASE_LOGIN;
    return true;
}

static void database_say(const struct mysql_packet *p, size_t at, const struct wire_sink *sink)
{
    size_t end = text_end(p, at);
    if (at < p->held && end > at + 1)
        mysql_name(p->payload + at, end - at - (p->payload[end - 1] == 0), sink);
}

/* Behind the proof of who the user is, at `at`. */
static size_t proof_end(const struct mysql_packet *p, size_t at, uint32_t capabilities)
{
    uint64_t length;
    if (capabilities & CLIENT_PLUGIN_AUTH_LENENC) {
        if (!mysql_number(p, &at, &length))
            return p->held;
    } else if (capabilities & CLIENT_SECURE_CONNECTION) {
        if (at >= p->held)
            return p->held;
        length = p->payload[at++];
    } else {
        return text_end(p, at);
    }
    return length < p->held - at ? at + (size_t)length : p->held;
}

static void capabilities_agree(struct mysql *s, const struct mysql_packet *p)
{
    uint32_t own = field_le32(p->payload);
    bool greeted = s->capabilities != 0;
    s->capabilities = greeted ? s->capabilities & own : own;
    /* In a TLS session the greeting came outside of it. */
    if (!greeted)
        s->mariadb = !(own & CLIENT_LONG_PASSWORD);
    s->eof = s->capabilities & CLIENT_DEPRECATE_EOF ? EOF_DEPRECATED : EOF_SENT;
    bool cached = !(own & CLIENT_LONG_PASSWORD) && field_le32(p->payload + 28) & MARIADB_CACHE_METADATA;
    s->cached_metadata = cached && (s->cached_metadata || !greeted);
}

/* Of the filler 19 bytes are zero, as MariaDB keeps its capabilities in the last 4. */
bool mysql_is_response(const uint8_t *payload, size_t held)
{
    static const uint8_t zero[19];
    return held >= RESPONSE_FIXED && field_le32(payload) & CLIENT_PROTOCOL_41 &&
           memcmp(payload + 9, zero, sizeof(zero)) == 0;
}

bool mysql_login_client(struct mysql *s, const struct mysql_packet *p, const struct wire_sink *sink)
{
    struct wire_message m = {
        .kind = WIRE_REQUEST, .verb = "CONNECT", .verb_length = 7, .bytes = p->length + MYSQL_HEADER};
    if (queue_count(&s->queue) > 0) /* an answer to a challenge */
        return true;
    if (p->number == 0)
        return false;
    if (!mysql_is_response(p->payload, p->held))
        return false;
    uint32_t own = field_le32(p->payload);
    if (own & CLIENT_SSL && p->length == RESPONSE_FIXED) {
        s->phase = PHASE_OPAQUE;
        sink->message(
            sink->context,
            &(struct wire_message){.kind = WIRE_UPGRADE, .protocol = WIRE_MYSQL, .from = WIRE_CLIENT, .ttl_ms = -1});
        return true;
    }
    s->phase = PHASE_LOGIN;
    capabilities_agree(s, p);
    mysql_request(s, &m, ANSWER_LOGIN, sink);
    if (own & CLIENT_CONNECT_WITH_DB)
        database_say(p, proof_end(p, text_end(p, RESPONSE_FIXED), own), sink);
    return true;
}

void mysql_change_user(const struct mysql *s, const struct mysql_packet *p, const struct wire_sink *sink)
{
    database_say(p, proof_end(p, text_end(p, 1), s->capabilities & ~(uint32_t)CLIENT_PLUGIN_AUTH_LENENC), sink);
}
