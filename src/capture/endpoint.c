/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "capture/endpoint.h"

#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>

#include "base/compiler.h"
#include "capture/modules.h"
#include "capture/put.h"
#include "capture/recorder.h"

#define TABLE_SIZE 8192u
#define TABLE_FILES 2048u /* files are many: at most so many of them have a number of their own */
#define PROBES 64u        /* looked at before the table counts as full */
#define FIRST_ID 2u

static struct {
    uint64_t hash[TABLE_SIZE]; /* 0: free. number = index + FIRST_ID */
    uint32_t files;
} table;

/* FNV-1a, http://www.isthe.com/chongo/tech/comp/fnv/ */
static uint64_t hash_bytes(uint64_t h, const void *bytes, size_t length)
{
    const uint8_t *p = bytes;
    for (size_t i = 0; i < length; i++)
        h = (h ^ p[i]) * UINT64_C(0x100000001b3);
    return h;
}

static void write_event(uint32_t id, enum endpoint_kind kind, enum endpoint_role role, const char *text, size_t length,
                        uintptr_t pc)
{
    uint32_t cursor = sizeof(struct event_endpoint);
    struct event_endpoint *e = (void *)writer_log_reserve(&recorder.writer, cursor, (uint32_t)length);
    if (!e)
        return;
    e->header.time_ns = clock_now();
    e->pc = pc;
    e->id = id;
    e->kind = (uint16_t)kind;
    e->role = (uint16_t)role;
    e->modules = modules_generation();
    e->text = writer_log_string(&e->header, &cursor, text, length);
    writer_log_commit(&e->header, EVENT_ENDPOINT);
}

uint32_t endpoint_intern(enum endpoint_kind kind, enum endpoint_role role, const char *text, size_t length,
                         uintptr_t pc)
{
    uint64_t key[2] = {pc, ((uint64_t)kind << 32) | (uint64_t)role};
    if (length > ENDPOINT_TEXT_MAX)
        length = ENDPOINT_TEXT_MAX;
    uint64_t h = hash_bytes(hash_bytes(UINT64_C(0xcbf29ce484222325), key, sizeof(key)), text, length);
    h |= h == 0;
    uint32_t at = (uint32_t)(h % TABLE_SIZE);
    for (uint32_t i = 0; i < PROBES; i++, at = (at + 1) % TABLE_SIZE) {
        uint64_t found = load_acquire(&table.hash[at]);
        if (found == h)
            return at + FIRST_ID;
        if (found)
            continue;
        bool file = kind == ENDPOINT_FILE && length;
        if (file && load_relaxed(&table.files) >= TABLE_FILES)
            return ENDPOINT_OVERFLOW;
        if (cas_acq_rel(&table.hash[at], &found, h)) {
            add_relaxed(&table.files, file);
            write_event(at + FIRST_ID, kind, role, text, length, pc);
            return at + FIRST_ID;
        }
        if (found == h)
            return at + FIRST_ID;
    }
    return ENDPOINT_OVERFLOW;
}

bool endpoint_known(uint32_t id)
{
    return id >= FIRST_ID && id - FIRST_ID < TABLE_SIZE && load_acquire(&table.hash[id - FIRST_ID]);
}

/* ---- text of addresses; no inet_ntop here, which uses stdio
 * ----------------------------------------------------------- */

static size_t put_inet(char *out, const uint8_t *a)
{
    size_t n = 0;
    for (int i = 0; i < 4; i++) {
        if (i)
            out[n++] = '.';
        n = (size_t)(put_unsigned(out + n, a[i], 10) - out);
    }
    return n;
}

/* RFC 5952: the longest run of two or more zero groups becomes "::", the first of equals. */
static size_t put_inet6(char *out, const uint8_t *a)
{
    uint32_t group[8];
    int best = -1, best_length = 1;
    for (int i = 0; i < 8; i++)
        group[i] = ((uint32_t)a[2 * i] << 8) | a[2 * i + 1];
    for (int i = 0; i < 8; i++) {
        int length = 0;
        while (i + length < 8 && group[i + length] == 0)
            length++;
        if (length > best_length) {
            best = i;
            best_length = length;
        }
    }
    size_t n = 0;
    for (int i = 0; i < 8; i++) {
        if (i == best) {
            out[n++] = ':';
            if (i == 0)
                out[n++] = ':';
            i += best_length - 1;
            continue;
        }
        n = (size_t)(put_unsigned(out + n, group[i], 16) - out);
        if (i < 7)
            out[n++] = ':';
    }
    return n;
}

static size_t put_port(char *out, uint16_t network_order)
{
    out[0] = ':';
    return (size_t)(put_unsigned(out + 1, ntohs(network_order), 10) - out);
}

static size_t format_unix(const struct sockaddr_un *un, socklen_t length, char *text)
{
    size_t size = length > offsetof(struct sockaddr_un, sun_path) ? length - offsetof(struct sockaddr_un, sun_path) : 0;
    if (size > sizeof(un->sun_path))
        size = sizeof(un->sun_path);
    if (size && un->sun_path[0] == '\0') {
        text[0] = '@';
        memcpy(text + 1, un->sun_path + 1, size - 1);
        return size;
    }
    size = strnlen(un->sun_path, size);
    memcpy(text, un->sun_path, size);
    return size;
}

size_t endpoint_format(const struct sockaddr *address, socklen_t length, char text[ENDPOINT_TEXT_MAX],
                       enum endpoint_kind *kind)
{
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    *kind = ENDPOINT_SOCKET;
    if (!address || length < sizeof(sa_family_t))
        return 0;
    if (address->sa_family == AF_UNIX) {
        *kind = ENDPOINT_UNIX;
        return format_unix((const struct sockaddr_un *)address, length, text);
    }
    if (address->sa_family == AF_INET && length >= sizeof(struct sockaddr_in)) {
        struct sockaddr_in in;
        memcpy(&in, address, sizeof(in));
        *kind = ENDPOINT_INET;
        size_t n = put_inet(text, (const uint8_t *)&in.sin_addr);
        return n + put_port(text + n, in.sin_port);
    }
    if (address->sa_family == AF_INET6 && length >= sizeof(struct sockaddr_in6)) {
        struct sockaddr_in6 in6;
        memcpy(&in6, address, sizeof(in6));
        const uint8_t *a = in6.sin6_addr.s6_addr;
        if (memcmp(a, mapped, sizeof(mapped)) == 0) {
            *kind = ENDPOINT_INET;
            size_t n = put_inet(text, a + 12);
            return n + put_port(text + n, in6.sin6_port);
        }
        *kind = ENDPOINT_INET6;
        size_t n = 0;
        text[n++] = '[';
        n += put_inet6(text + n, a);
        text[n++] = ']';
        return n + put_port(text + n, in6.sin6_port);
    }
    return 0;
}

uint32_t endpoint_address(enum endpoint_role role, const struct sockaddr *address, socklen_t length)
{
    char text[ENDPOINT_TEXT_MAX];
    enum endpoint_kind kind;
    size_t n = endpoint_format(address, length, text, &kind);
    if (kind == ENDPOINT_SOCKET)
        return 0;
    return endpoint_intern(kind, role, text, n, 0);
}
