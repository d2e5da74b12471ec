/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "analysis/conversation.h"

#include <string.h>

#include "base/compiler.h"

#define ADDRESS_SIZE 128

static const struct {
    const char *title, *asked;
} words[WIRE_PROTOCOLS] = {
#define WORDS(ID, title, asked) [WIRE_##ID] = {title, asked},
#include "analysis/protocol_words.def"
#undef WORDS
};

const char *protocol_title(uint16_t protocol)
{
    return protocol < ARRAY_SIZE(words) ? words[protocol].title : NULL;
}

const char *protocol_asked(uint16_t protocol)
{
    return protocol < ARRAY_SIZE(words) && words[protocol].asked ? words[protocol].asked : "request";
}

/* Index of the first PROTOCOL event of the endpoint. */
static size_t protocols_of(const struct trace *trace, uint32_t endpoint)
{
    size_t low = 0, high = trace_protocol_count(trace);
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (trace_protocol_at(trace, middle)->endpoint < endpoint)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The event may be missing where the room for rare events was used up: its operations tell as well. */
static enum wire_protocol protocol_of_operations(const struct trace *trace, uint32_t endpoint)
{
    for (size_t i = 0; i < trace_operation_count(trace); i++) {
        const struct trace_operation *operation = trace_operation_at(trace, i);
        if (operation->endpoint == endpoint && operation->protocol < WIRE_PROTOCOLS)
            return (enum wire_protocol)operation->protocol;
    }
    return WIRE_UNKNOWN;
}

enum wire_protocol conversation_protocol(const struct trace *trace, uint32_t endpoint, bool *tls)
{
    enum wire_protocol protocol = WIRE_UNKNOWN;
    bool inside = false;
    for (size_t i = protocols_of(trace, endpoint); i < trace_protocol_count(trace); i++) {
        const struct trace_protocol *event = trace_protocol_at(trace, i);
        if (event->endpoint != endpoint)
            break;
        inside |= event->protocol == WIRE_TLS || (event->flags & PROTOCOL_TLS);
        if (event->protocol != WIRE_UNKNOWN && event->protocol < WIRE_PROTOCOLS &&
            (event->protocol != WIRE_TLS || protocol == WIRE_UNKNOWN))
            protocol = (enum wire_protocol)event->protocol;
    }
    if (tls)
        *tls = inside;
    return protocol != WIRE_UNKNOWN || endpoint <= ENDPOINT_OVERFLOW ? protocol
                                                                     : protocol_of_operations(trace, endpoint);
}

/* A TLS client says which server it means. */
static const char *server_name(const struct trace *trace, uint32_t endpoint)
{
    for (size_t i = protocols_of(trace, endpoint); i < trace_protocol_count(trace); i++) {
        const struct trace_protocol *event = trace_protocol_at(trace, i);
        if (event->endpoint != endpoint)
            break;
        if (event->protocol == WIRE_TLS && event->name[0])
            return event->name;
    }
    return NULL;
}

const char *conversation_host(const struct trace *trace, uint32_t endpoint, const char *address)
{
    char host[ADDRESS_SIZE];
    const char *port = strrchr(address, ':');
    size_t length = port ? (size_t)(port - address) : strlen(address);
    const struct trace_address *found = NULL;
    if (length < sizeof(host)) {
        memcpy(host, address, length);
        host[length] = '\0';
        found = trace_address_find(trace, host);
        if (!found && length > 1 && host[0] == '[') { /* [::1] may be kept without its brackets */
            host[length - 1] = '\0';
            found = trace_address_find(trace, host + 1);
        }
    }
    return found ? found->name : server_name(trace, endpoint);
}

const char *operation_words(const struct trace_operation *operation, struct arena *arena)
{
    size_t verb = strlen(operation->verb);
    if (operation->text[0] == '\0')
        return operation->verb;
    if (verb == 0 || strncasecmp(operation->text, operation->verb, verb) == 0)
        return operation->text;
    return arena_format(arena, "%s %s", operation->verb, operation->text);
}

const struct trace_operation *operation_find(const struct trace *trace, uint32_t id)
{
    const struct trace_operation *operation = id > ENDPOINT_OVERFLOW ? trace_operation_find(trace, id) : NULL;
    return operation && (operation->verb[0] || operation->text[0]) ? operation : NULL;
}
