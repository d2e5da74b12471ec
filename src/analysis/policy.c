/* SPDX-License-Identifier: GPL-2.0-or-later */
#define _GNU_SOURCE
#include "analysis/policy.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/arena.h"
#include "base/compiler.h"
#include "base/nearest.h"
#include "wire/wire.h"

#define ADDRESS_BYTES 16
#define TEXT_SIZE 512

/* An address in network byte order: 4 or 16 bytes; size 0: none. */
struct address {
    unsigned char bytes[ADDRESS_BYTES];
    size_t size;
};

struct policy_entry {
    char *protocol; /* pattern; NULL: any */
    char *host;     /* pattern of names and paths; NULL: any */
    char *port;     /* pattern; NULL: any */
    char *process;  /* pattern; NULL: all */
    struct address network;
    unsigned prefix; /* bits of network that count */
};

struct policy {
    struct policy_entry *list;
    size_t count, capacity;
};

/* A peer's address in its parts. */
struct target {
    const char *protocol, *name;
    char host[TEXT_SIZE]; /* without brackets */
    const char *port;     /* "" for a Unix socket */
    struct address address;
    bool path;
};

struct policy *policy_new(void)
{
    return memory_get(1, sizeof(struct policy));
}

static void entry_free(struct policy_entry *entry)
{
    free(entry->protocol);
    free(entry->host);
    free(entry->port);
    free(entry->process);
}

void policy_free(struct policy *policy)
{
    if (!policy)
        return;
    for (size_t i = 0; i < policy->count; i++)
        entry_free(&policy->list[i]);
    free(policy->list);
    free(policy);
}

static char *text_new(const char *text, size_t length)
{
    char *copy = memory_get(length + 1, 1);
    memcpy(copy, text, length);
    return copy;
}

/* ---- reading an entry ---- */

static bool text_is_pattern(const char *text)
{
    return strpbrk(text, "*?") != NULL;
}

static struct address address_read(const char *text)
{
    struct address address = {.size = 0};
    if (inet_pton(AF_INET, text, address.bytes) == 1)
        address.size = 4;
    else if (inet_pton(AF_INET6, text, address.bytes) == 1)
        address.size = ADDRESS_BYTES;
    return address;
}

static bool name_is_path(const char *host)
{
    return host[0] == '/' || host[0] == '@';
}

/* A name that cannot be a protocol's would be an entry that never fits. */
static int protocol_check(const char *protocol, char *error, size_t error_size)
{
    const char *names[WIRE_PROTOCOLS];
    size_t count = 0;
    for (int i = 1; i < WIRE_PROTOCOLS; i++) {
        const char *name = wire_protocol_name((enum wire_protocol)i);
        if (strcmp(name, "unknown") == 0)
            continue;
        names[count++] = name;
        if (fnmatch(protocol, name, 0) == 0)
            return 0;
    }
    const char *nearest = nearest_name(protocol, names, count);
    snprintf(error, error_size, nearest ? "unknown protocol '%s'; did you mean '%s'?" : "unknown protocol '%s'",
             protocol, nearest);
    return -EINVAL;
}

/* "10.0.0.0/8": sets network and prefix. */
static int range_read(struct policy_entry *entry, const char *host, char *error, size_t error_size)
{
    const char *slash = strchr(host, '/');
    char base[TEXT_SIZE], *end;
    snprintf(base, sizeof(base), "%.*s", (int)(slash - host), host);
    entry->network = address_read(base);
    unsigned long bits = strtoul(slash + 1, &end, 10);
    if (entry->network.size == 0 || end == slash + 1 || *end || bits > 8 * entry->network.size) {
        snprintf(error, error_size, "'%s' is not a range of addresses such as 10.0.0.0/8", host);
        return -EINVAL;
    }
    entry->prefix = (unsigned)bits;
    return 0;
}

static int host_read(struct policy_entry *entry, const char *host, char *error, size_t error_size)
{
    if (host[0] == '\0' || strcmp(host, "*") == 0)
        return 0;
    if (!name_is_path(host) && strchr(host, '/'))
        return range_read(entry, host, error, error_size);
    entry->network = address_read(host);
    entry->prefix = (unsigned)(8 * entry->network.size);
    if (entry->network.size == 0)
        entry->host = text_new(host, strlen(host));
    return 0;
}

static int port_read(struct policy_entry *entry, const char *port, char *error, size_t error_size)
{
    size_t digits = strspn(port, "0123456789*?");
    if (strcmp(port, "*") == 0)
        return 0;
    if (digits == 0 || port[digits] || (!text_is_pattern(port) && strtoul(port, NULL, 10) > UINT16_MAX)) {
        snprintf(error, error_size, "'%s' is not a port", port);
        return -EINVAL;
    }
    entry->port = text_new(port, strlen(port));
    return 0;
}

/* HOST[:PORT], where an IPv6 address stands in brackets if a port follows. */
static int place_read(struct policy_entry *entry, const char *place, char *error, size_t error_size)
{
    char host[TEXT_SIZE];
    const char *port = NULL;
    if (strlen(place) >= sizeof(host)) {
        snprintf(error, error_size, "a host is at most %zu characters long", sizeof(host) - 1);
        return -EINVAL;
    }
    snprintf(host, sizeof(host), "%s", place);
    char *bracket = host[0] == '[' ? strchr(host, ']') : NULL, *colon = strchr(host, ':');
    if (bracket) {
        bool follows = bracket[1] == ':';
        port = follows ? place + (bracket - host) + 2 : NULL;
        if (follows)
            bracket[1] = '\0';
        memmove(bracket, bracket + 1, strlen(bracket)); /* what is left may be a prefix length */
        memmove(host, host + 1, strlen(host));
    } else if (!name_is_path(host) && colon && !strchr(colon + 1, ':')) {
        port = place + (colon - host) + 1;
        *colon = '\0';
    }
    int result = host_read(entry, host, error, error_size);
    return result == 0 && port ? port_read(entry, port, error, error_size) : result;
}

int policy_allow(struct policy *policy, const char *text, const char *process, char *error, size_t error_size)
{
    struct policy_entry entry = {.process = process ? text_new(process, strlen(process)) : NULL};
    const char *scheme = strstr(text, "://"), *place = scheme ? scheme + 3 : text;
    int result = 0;
    if (scheme) {
        entry.protocol = text_new(text, (size_t)(scheme - text));
        result = protocol_check(entry.protocol, error, error_size);
    }
    if (result == 0 && place[0] == '\0') {
        snprintf(error, error_size, "'%s' names no host; '*' is any", text);
        result = -EINVAL;
    }
    if (result == 0)
        result = place_read(&entry, place, error, error_size);
    if (result < 0) {
        entry_free(&entry);
        return result;
    }
    policy->list = memory_grow(policy->list, policy->count, &policy->capacity, sizeof(*policy->list));
    policy->list[policy->count++] = entry;
    return 0;
}

/* ---- judging ---- */

static struct target target_of(const struct peer *peer)
{
    struct target target = {.protocol = peer->protocol, .name = peer->name, .port = ""};
    const char *colon = strrchr(peer->address, ':');
    target.path = strcmp(peer->family, "unix") == 0;
    size_t length = colon && !target.path ? (size_t)(colon - peer->address) : strlen(peer->address);
    const char *host = peer->address;
    if (colon && !target.path)
        target.port = colon + 1;
    if (length >= 2 && host[0] == '[' && host[length - 1] == ']') {
        host++;
        length -= 2;
    }
    snprintf(target.host, sizeof(target.host), "%.*s", (int)length, host);
    if (!target.path)
        target.address = address_read(target.host);
    return target;
}

static bool address_is_loopback(const struct address *address)
{
    static const unsigned char loopback6[ADDRESS_BYTES] = {[ADDRESS_BYTES - 1] = 1};
    return (address->size == 4 && address->bytes[0] == 127) ||
           (address->size == ADDRESS_BYTES && memcmp(address->bytes, loopback6, ADDRESS_BYTES) == 0);
}

static bool network_fits(const struct policy_entry *entry, const struct address *address)
{
    if (address->size != entry->network.size)
        return false;
    unsigned whole = entry->prefix / 8, rest = entry->prefix % 8;
    unsigned char mask = (unsigned char)(0xff00u >> rest);
    return memcmp(entry->network.bytes, address->bytes, whole) == 0 &&
           (rest == 0 || ((entry->network.bytes[whole] ^ address->bytes[whole]) & mask) == 0);
}

static bool host_fits(const struct policy_entry *entry, const struct target *target)
{
    if (entry->network.size > 0)
        return network_fits(entry, &target->address);
    if (!entry->host)
        return true;
    if (strcasecmp(entry->host, "localhost") == 0 && address_is_loopback(&target->address))
        return true;
    return fnmatch(entry->host, target->host, 0) == 0 ||
           (target->name && fnmatch(entry->host, target->name, FNM_CASEFOLD) == 0);
}

static bool protocol_fits(const struct policy_entry *entry, const struct target *target)
{
    if (!entry->protocol)
        return true;
    if (strcmp(target->protocol, "unknown") == 0)
        return entry->host || entry->network.size > 0 || entry->port;
    return fnmatch(entry->protocol, target->protocol, 0) == 0;
}

static bool process_fits(const char *pattern, const struct process_info *process)
{
    return !pattern || (process->name && fnmatch(pattern, process->name, 0) == 0) ||
           (process->exe && fnmatch(pattern, process->exe, 0) == 0) ||
           (process->cmdline && fnmatch(pattern, process->cmdline, 0) == 0);
}

bool policy_allows(const struct policy *policy, const struct process_info *process, const struct peer *peer)
{
    struct target target = target_of(peer);
    for (size_t i = 0; i < policy->count; i++) {
        const struct policy_entry *entry = &policy->list[i];
        if (process_fits(entry->process, process) && protocol_fits(entry, &target) && host_fits(entry, &target) &&
            (!entry->port || fnmatch(entry->port, target.port, 0) == 0))
            return true;
    }
    return false;
}

bool policy_excuses(const struct peer *peer)
{
    static const char *const paths[] = {
        "/run/nscd/*",    "/var/run/nscd/*",  "/run/systemd/*",      "/var/run/systemd/*",
        "/var/lib/sss/*", "/run/dbus/*",      "/var/run/dbus/*",     "/dev/log",
        "/run/uuidd/*",   "/var/run/uuidd/*", "/run/avahi-daemon/*", "/var/run/avahi-daemon/*"};
    struct target target = target_of(peer);
    if (strcmp(peer->protocol, "dns") == 0)
        return true;
    if (!target.path)
        return strcmp(peer->protocol, "unknown") == 0 && strcmp(target.port, "53") == 0;
    for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
        if (fnmatch(paths[i], target.host, 0) == 0)
            return true;
    }
    return false;
}

char *policy_entry_of(const struct peer *peer)
{
    char *entry = NULL;
    bool known = strcmp(peer->protocol, "unknown") != 0;
    if (asprintf(&entry, "%s%s%s", known ? peer->protocol : "", known ? "://" : "", peer->address) < 0)
        return NULL;
    return entry;
}
