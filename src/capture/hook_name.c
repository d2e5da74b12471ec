/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names: resolvers open sockets, files and plug-ins of their own; all that is one wait, for the name that was asked
 * for. */
#include "capture/hook.h"

#include "capture/endpoint.h"
#include "capture/facts.h"

#define ADDRESSES 16 /* of one lookup that are kept */

/* `failed`: the error to report, 0 for success; evaluated after the call. */
#define LOOKUP(call, name, expression, failed)                                         \
    ({                                                                                 \
        uint64_t lookup_begin = wait_begin();                                          \
        if (lookup_begin)                                                              \
            wait_composite_begin(FRAME_ADDRESS);                                       \
        __auto_type result = (expression);                                             \
        if (lookup_begin)                                                              \
            wait_composite_end(FRAME_ADDRESS);                                         \
        wait_end_named(CALL_##call, lookup_begin, 0, (failed), ENDPOINT_NAME, (name)); \
        result;                                                                        \
    })

EXPORT int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **found)
{
    int error = LOOKUP(getaddrinfo, node ? node : service, REAL(getaddrinfo)(node, service, hints, found), result);
    if (error == 0 && node) {
        int left = ADDRESSES;
        for (const struct addrinfo *a = *found; a && left; a = a->ai_next, left--)
            fact_address(node, a->ai_addr, a->ai_addrlen);
    }
    return error;
}

/* The addresses that a lookup by one of the older functions has found. */
static struct hostent *told(const char *name, struct hostent *entry)
{
    struct sockaddr_in in = {.sin_family = AF_INET};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
    for (int i = 0; entry && i < ADDRESSES && entry->h_addr_list[i]; i++) {
        if (entry->h_addrtype == AF_INET) {
            memcpy(&in.sin_addr, entry->h_addr_list[i], sizeof(in.sin_addr));
            fact_address(name, (struct sockaddr *)&in, sizeof(in));
        } else if (entry->h_addrtype == AF_INET6) {
            memcpy(&in6.sin6_addr, entry->h_addr_list[i], sizeof(in6.sin6_addr));
            fact_address(name, (struct sockaddr *)&in6, sizeof(in6));
        }
    }
    return entry;
}

/* The address as text; `text` has room for ENDPOINT_TEXT_MAX bytes. */
static const char *address_text(const struct sockaddr *address, socklen_t length, char *text)
{
    enum endpoint_kind kind;
    text[endpoint_format(address, length, text, &kind)] = '\0';
    return text;
}

EXPORT int getnameinfo(const struct sockaddr *address, socklen_t length, char *host, socklen_t host_size, char *service,
                       socklen_t service_size, int flags)
{
    char text[ENDPOINT_TEXT_MAX + 1];
    return LOOKUP(getnameinfo, address_text(address, length, text),
                  REAL(getnameinfo)(address, length, host, host_size, service, service_size, flags), result);
}

EXPORT struct hostent *gethostbyname(const char *name)
{
    return told(name, LOOKUP(gethostbyname, name, REAL(gethostbyname)(name), result ? 0 : EAI_NONAME));
}

EXPORT struct hostent *gethostbyname2(const char *name, int family)
{
    return told(name, LOOKUP(gethostbyname2, name, REAL(gethostbyname2)(name, family), result ? 0 : EAI_NONAME));
}

EXPORT struct hostent *gethostbyaddr(const void *address, socklen_t length, int family)
{
    return LOOKUP(gethostbyaddr, "address", REAL(gethostbyaddr)(address, length, family), result ? 0 : EAI_NONAME);
}

EXPORT int gethostbyname_r(const char *name, struct hostent *entry, char *buffer, size_t size, struct hostent **found,
                           int *error)
{
    int failed = LOOKUP(gethostbyname_r, name, REAL(gethostbyname_r)(name, entry, buffer, size, found, error), result);
    told(name, failed ? NULL : *found);
    return failed;
}

EXPORT int gethostbyname2_r(const char *name, int family, struct hostent *entry, char *buffer, size_t size,
                            struct hostent **found, int *error)
{
    int failed =
        LOOKUP(gethostbyname2_r, name, REAL(gethostbyname2_r)(name, family, entry, buffer, size, found, error), result);
    told(name, failed ? NULL : *found);
    return failed;
}

EXPORT int gethostbyaddr_r(const void *address, socklen_t length, int family, struct hostent *entry, char *buffer,
                           size_t size, struct hostent **found, int *error)
{
    return LOOKUP(gethostbyaddr_r, "address",
                  REAL(gethostbyaddr_r)(address, length, family, entry, buffer, size, found, error), result);
}
