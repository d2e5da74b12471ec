/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names: resolvers open sockets, files and plug-ins of their own; all that is one wait, for the name that was asked
 * for. */
#include "capture/hook.h"

#include "capture/endpoint.h"

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
    return LOOKUP(getaddrinfo, node ? node : service, REAL(getaddrinfo)(node, service, hints, found), result);
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
    return LOOKUP(gethostbyname, name, REAL(gethostbyname)(name), result ? 0 : EAI_NONAME);
}

EXPORT struct hostent *gethostbyname2(const char *name, int family)
{
    return LOOKUP(gethostbyname2, name, REAL(gethostbyname2)(name, family), result ? 0 : EAI_NONAME);
}

EXPORT struct hostent *gethostbyaddr(const void *address, socklen_t length, int family)
{
    return LOOKUP(gethostbyaddr, "address", REAL(gethostbyaddr)(address, length, family), result ? 0 : EAI_NONAME);
}

EXPORT int gethostbyname_r(const char *name, struct hostent *entry, char *buffer, size_t size, struct hostent **found,
                           int *error)
{
    return LOOKUP(gethostbyname_r, name, REAL(gethostbyname_r)(name, entry, buffer, size, found, error), result);
}

EXPORT int gethostbyname2_r(const char *name, int family, struct hostent *entry, char *buffer, size_t size,
                            struct hostent **found, int *error)
{
    return LOOKUP(gethostbyname2_r, name, REAL(gethostbyname2_r)(name, family, entry, buffer, size, found, error),
                  result);
}

EXPORT int gethostbyaddr_r(const void *address, socklen_t length, int family, struct hostent *entry, char *buffer,
                           size_t size, struct hostent **found, int *error)
{
    return LOOKUP(gethostbyaddr_r, "address",
                  REAL(gethostbyaddr_r)(address, length, family, entry, buffer, size, found, error), result);
}
