/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is wanted of HTTP/2's header blocks: method, path and authority of a request, statuses of a response. */
#ifndef CPROBE_WIRE_HTTP2_FIELDS_H
#define CPROBE_WIRE_HTTP2_FIELDS_H

#include "base/compiler.h"
#include "wire/hpack.h"
#include "wire/http2_values.h"
#include "wire/wire.h"

/* All zero at the start of a conversation. */
struct http2_request {
    struct http2_values values;
    uint64_t host_hash;   /* of the last authority reported */
    uint16_t path_length; /* of the path in `text`, behind which one more string at a time is decoded */
    uint8_t verb_length;  /* 0: not known */
    bool path_known;
    bool path_cut;
    char verb[WIRE_VERB_MAX];
    uint8_t text[HTTP2_VALUE_MAX + 50];
};

struct http2_response {
    uint8_t status; /* enum http2_status */
    uint8_t grpc;   /* likewise */
    uint8_t text[14];
};

/* The context that the readers want. */
struct http2_block {
    struct http2_request *request;
    struct http2_response *response;
    struct hpack *table; /* of the direction that is read */
    const struct wire_sink *sink;
};

/* Fields of one more block of one direction; a host is reported when it is not the one reported before. */
extern const struct hpack_reader http2_request_reader HIDDEN;
extern const struct hpack_reader http2_response_reader HIDDEN;

/* A block begins. */
void http2_request_begin(struct http2_request *r);
void http2_response_begin(struct http2_response *r);

/* Fills `m`, whose text is put into `text`, of WIRE_TEXT_MAX bytes, with what the block said. */
void http2_request_fill(const struct http2_request *r, struct wire_message *m, char *text);

#endif
