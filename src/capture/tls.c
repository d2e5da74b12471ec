/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "capture/tls.h"

#include <errno.h>

#include "base/compiler.h"
#include "capture/conversation.h"
#include "capture/recorder.h"
#include "capture/traffic.h"
#include "wire/fields.h"

#define SESSIONS 8192u
#define PROBES 16u
#define GREETINGS 1024u
#define NONE UINT32_MAX /* the session has no conversation that can be found */
#define LOOKS_MAX 8     /* how often one is looked for */

struct session {
    uintptr_t session; /* any; 0: free */
    uint32_t conversation;
    uint32_t looks;
};
static struct session sessions[SESSIONS];

struct greeting {
    uint64_t hash;
    uint32_t conversation;
};
static struct greeting greetings[GREETINGS];

static uint32_t place_of(uintptr_t session)
{
    return (uint32_t)((session >> 4) * UINT64_C(0x9E3779B97F4A7C15) >> 40);
}

static struct session *session_find(void *session, bool enter)
{
    uint32_t at = place_of((uintptr_t)session);
    for (uint32_t i = 0; i < PROBES; i++) {
        struct session *s = &sessions[(at + i) % SESSIONS];
        uintptr_t found = load_acquire(&s->session);
        if (found == (uintptr_t)session)
            return s;
    }
    for (uint32_t i = 0; enter && i < PROBES; i++) { /* places become free again, in any order */
        struct session *s = &sessions[(at + i) % SESSIONS];
        uintptr_t none = 0;
        if (!load_relaxed(&s->session) && cas_acq_rel(&s->session, &none, (uintptr_t)session))
            return s;
    }
    return NULL;
}

static uint32_t greeting_find(uint64_t hash)
{
    const struct greeting *g = &greetings[hash % GREETINGS];
    return load_acquire(&g->hash) == hash ? load_relaxed(&g->conversation) : 0;
}

void tls_greeted(uint64_t random_hash, uint32_t conversation)
{
    struct greeting *g = &greetings[random_hash % GREETINGS];
    store_relaxed(&g->hash, 0);
    store_relaxed(&g->conversation, conversation);
    store_release(&g->hash, random_hash);
}

static uint32_t conversation_of(void *session, const struct tls_library *tls, const struct link_map *library, bool sent)
{
    uint8_t random[TLS_RANDOM_SIZE];
    int fd = tls->descriptor(library, session, sent);
    if (fd >= 0)
        return traffic_session(fd);
    return tls->random(library, session, random) ? greeting_find(field_hash(random, sizeof(random))) : 0;
}

static COLD void session_begin(struct session *s, void *session, const struct tls_library *tls,
                               const struct link_map *library, bool sent)
{
    uint32_t id = conversation_of(session, tls, library, sent);
    if (!id) {
        if (++s->looks >= LOOKS_MAX)
            store_release(&s->conversation, NONE);
        return;
    }
    conversation_retain(id);
    conversation_secure(id);
    store_release(&s->conversation, id);
}

void tls_moved(void *session, const struct tls_library *tls, const struct link_map *library, bool sent,
               const void *bytes, size_t size)
{
    int saved = errno;
    struct session *s = recorder_on() && library ? session_find(session, true) : NULL;
    const struct iovec part = {(void *)bytes, size};
    if (!s)
        return;
    if (unlikely(!load_acquire(&s->conversation)))
        session_begin(s, session, tls, library, sent);
    uint32_t id = load_acquire(&s->conversation);
    if (id && id != NONE && !conversation_feed(id, sent, &part, 1, size, 0)) {
        conversation_release(id);
        store_release(&s->conversation, NONE);
    }
    errno = saved;
}

void tls_unseen(void *session, bool sent, uint64_t size)
{
    const struct session *s = session_find(session, false);
    uint32_t id = s ? load_acquire(&s->conversation) : 0;
    int saved = errno;
    if (id && id != NONE)
        conversation_gap(id, sent, size);
    errno = saved;
}

void tls_freed(void *session)
{
    struct session *s = session ? session_find(session, false) : NULL;
    int saved = errno;
    if (!s)
        return;
    uint32_t id = exchange_acq_rel(&s->conversation, 0);
    s->looks = 0;
    store_release(&s->session, 0);
    if (id && id != NONE)
        conversation_release(id);
    errno = saved;
}
