/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "wire/http2_status.h"

#include "base/compiler.h"
#include "wire/fields.h"

#define PER_CLASS 50 /* of each hundred, as many are told apart */

/* https://grpc.github.io/grpc/core/md_doc_statuscodes.html */
static const char *const grpc_names[] = {
    "OK",        "CANCELLED",       "UNKNOWN",           "INVALID_ARGUMENT",   "DEADLINE_EXCEEDED",
    "NOT_FOUND", "ALREADY_EXISTS",  "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION",
    "ABORTED",   "OUT_OF_RANGE",    "UNIMPLEMENTED",     "INTERNAL",           "UNAVAILABLE",
    "DATA_LOSS", "UNAUTHENTICATED",
};
_Static_assert(ARRAY_SIZE(grpc_names) == HTTP2_GRPC_LAST - HTTP2_GRPC + 1, "a code for each name");

static const char *const reset_names[] = {
    "NO_ERROR",
    "PROTOCOL_ERROR",
    "INTERNAL_ERROR",
    "FLOW_CONTROL_ERROR",
    "SETTINGS_TIMEOUT",
    "STREAM_CLOSED",
    "FRAME_SIZE_ERROR",
    "REFUSED_STREAM",
    "CANCEL",
    "COMPRESSION_ERROR",
    "CONNECT_ERROR",
    "ENHANCE_YOUR_CALM",
    "INADEQUATE_SECURITY",
    "HTTP_1_1_REQUIRED",
};

uint8_t http2_status_encode(const uint8_t *value, size_t length)
{
    uint64_t status;
    if (length != 3 || !field_decimal(value, length, &status) || status < 100 || status >= 600)
        return HTTP2_STATUS_UNKNOWN;
    if (status < 200)
        return HTTP2_INTERIM;
    if (status % 100 >= PER_CLASS)
        return HTTP2_STATUS_UNKNOWN;
    return (uint8_t)(HTTP2_STATUS + (status / 100 - 2) * PER_CLASS + status % 100);
}

uint8_t http2_grpc_encode(const uint8_t *value, size_t length)
{
    uint64_t status;
    if (!field_decimal(value, length, &status) || status >= ARRAY_SIZE(grpc_names))
        return HTTP2_GRPC_UNKNOWN;
    return (uint8_t)(HTTP2_GRPC + status);
}

bool http2_status_failed(uint8_t code)
{
    return (code >= HTTP2_STATUS + 2 * PER_CLASS && code < HTTP2_GRPC) ||
           (code > HTTP2_GRPC && code <= HTTP2_GRPC_LAST);
}

size_t http2_status_text(uint8_t code, char *text)
{
    if (code >= HTTP2_GRPC && code <= HTTP2_GRPC_LAST) {
        const char *name = grpc_names[code - HTTP2_GRPC];
        size_t length = 0;
        for (; name[length]; length++)
            text[length] = name[length];
        return length;
    }
    if (code < HTTP2_STATUS || code >= HTTP2_GRPC)
        return 0;
    unsigned status =
        200 + (unsigned)(code - HTTP2_STATUS) / PER_CLASS * 100 + (unsigned)(code - HTTP2_STATUS) % PER_CLASS;
    text[0] = (char)('0' + status / 100);
    text[1] = (char)('0' + status / 10 % 10);
    text[2] = (char)('0' + status % 10);
    return 3;
}

const char *http2_reset_name(uint32_t code)
{
    return code < ARRAY_SIZE(reset_names) ? reset_names[code] : "";
}
