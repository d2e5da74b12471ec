/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "wire/http2_fields.h"

#include <string.h>

#include "wire/fields.h"
#include "wire/http2_status.h"
#include "wire/path.h"

#define UNKNOWN_VERB "REQUEST"

static uint8_t *request_room(void *context, size_t *size)
{
    struct http2_request *r = ((struct http2_block *)context)->request;
    *size = sizeof(r->text) - r->path_length;
    return r->text + r->path_length;
}

static void method_take(struct http2_request *r, const uint8_t *value, size_t length)
{
    r->verb_length = 0;
    if (length > WIRE_VERB_MAX)
        return;
    for (size_t i = 0; i < length; i++)
        if (value[i] != '-' && (uint8_t)(value[i] - 'A') >= 26)
            return;
    memcpy(r->verb, value, length);
    r->verb_length = (uint8_t)length;
}

static void path_take(struct http2_request *r, const uint8_t *value, size_t length, bool cut)
{
    if (r->path_length > 0)
        return;
    r->path_cut = cut || length > HTTP2_VALUE_MAX;
    r->path_length = (uint16_t)(length < HTTP2_VALUE_MAX ? length : HTTP2_VALUE_MAX);
    r->path_known = true;
    memmove(r->text, value, r->path_length);
}

static void authority_take(struct http2_block *block, const uint8_t *value, size_t length, bool cut)
{
    struct wire_message m = {.kind = WIRE_NAME, .text = (const char *)value, .text_length = length};
    if (cut || length > WIRE_TEXT_MAX || !path_is_host(value, length))
        return;
    uint64_t hash = field_hash(value, length);
    if (hash == block->request->host_hash)
        return;
    block->request->host_hash = hash;
    m.protocol = WIRE_HTTP2;
    m.from = WIRE_CLIENT;
    m.ttl_ms = -1;
    block->sink->message(block->sink->context, &m);
}

static uint8_t request_field(void *context, enum hpack_name name, const uint8_t *value, size_t length, bool cut,
                             bool kept)
{
    struct http2_block *block = context;
    struct http2_request *r = block->request;
    uint8_t code = HTTP2_VALUE_OTHER;
    if (name == HPACK_AUTHORITY) {
        authority_take(block, value, length, cut);
        return HTTP2_VALUE_AUTHORITY;
    }
    if (name != HPACK_METHOD && name != HPACK_PATH)
        return code;
    if (kept)
        code = http2_value_keep(&r->values, name, value, cut ? 0 : length, block->table);
    if (name == HPACK_METHOD)
        method_take(r, value, cut ? 0 : length);
    else
        path_take(r, value, length, cut);
    return code;
}

static void request_entry(void *context, uint8_t code)
{
    struct http2_request *r = ((struct http2_block *)context)->request;
    enum hpack_name name;
    size_t length;
    const uint8_t *value = http2_value_find(&r->values, code, &name, &length);
    if (!value)
        return;
    if (name == HPACK_METHOD)
        method_take(r, value, length);
    else
        path_take(r, value, length, false);
}

static enum hpack_name request_name(void *context, uint8_t code)
{
    const struct http2_request *r = ((struct http2_block *)context)->request;
    enum hpack_name name = HPACK_OTHER;
    size_t length;
    if (code == HTTP2_VALUE_AUTHORITY)
        name = HPACK_AUTHORITY;
    else if (code == HTTP2_VALUE_PATH)
        name = HPACK_PATH;
    else if (code == HTTP2_VALUE_METHOD)
        name = HPACK_METHOD;
    else
        http2_value_find(&r->values, code, &name, &length);
    return name;
}

const struct hpack_reader http2_request_reader = {request_field, request_entry, request_name, request_room};

void http2_request_begin(struct http2_request *r)
{
    r->path_length = 0;
    r->path_known = r->path_cut = false;
    r->verb_length = 0;
}

void http2_request_fill(const struct http2_request *r, struct wire_message *m, char *text)
{
    struct path_text out = {text, WIRE_TEXT_MAX, 0, r->path_cut};
    m->verb = r->verb_length ? r->verb : UNKNOWN_VERB;
    m->verb_length = r->verb_length ? r->verb_length : sizeof(UNKNOWN_VERB) - 1;
    if (!r->verb_length || (!r->path_known && !FIELD_IS(r->verb, r->verb_length, "CONNECT")))
        m->flags |= WIRE_COMPRESSED;
    if (!r->path_known || !path_template(r->text, r->path_length, &out))
        return;
    m->text = text;
    m->text_length = out.length;
    m->flags |= out.cut ? WIRE_TRUNCATED : 0;
    m->key_hash = r->path_cut ? 0 : field_hash(r->text, r->path_length);
}

static uint8_t *response_room(void *context, size_t *size)
{
    struct http2_response *r = ((struct http2_block *)context)->response;
    *size = sizeof(r->text);
    return r->text;
}

static void response_entry(void *context, uint8_t code)
{
    struct http2_response *r = ((struct http2_block *)context)->response;
    if (http2_is_grpc(code))
        r->grpc = code;
    else if (code != HTTP2_NONE)
        r->status = code;
}

static uint8_t response_field(void *context, enum hpack_name name, const uint8_t *value, size_t length, bool cut,
                              bool kept)
{
    uint8_t code = HTTP2_NONE;
    (void)kept;
    if (name == HPACK_STATUS)
        code = http2_status_encode(value, cut ? 0 : length);
    else if (name == HPACK_GRPC_STATUS)
        code = http2_grpc_encode(value, cut ? 0 : length);
    response_entry(context, code);
    return code;
}

static enum hpack_name response_name(void *context, uint8_t code)
{
    (void)context;
    if (code == HTTP2_NONE)
        return HPACK_OTHER;
    return http2_is_grpc(code) ? HPACK_GRPC_STATUS : HPACK_STATUS;
}

const struct hpack_reader http2_response_reader = {response_field, response_entry, response_name, response_room};

void http2_response_begin(struct http2_response *r)
{
    r->status = r->grpc = HTTP2_NONE;
}
