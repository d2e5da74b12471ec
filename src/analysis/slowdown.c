/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "analysis/slowdown.h"

#include <stdlib.h>
#include <string.h>

#include "analysis/arena.h"

/* A request that may still be overtaken by a sweep that begins before it ends. */
struct pending {
    uint64_t begin_ns, end_ns;
    double weight;
    bool inside;
};

struct slowdown_server {
    char *name;
    uint64_t swept_until_ns; /* latest end of any sweep so far: later requests overlap it if they begin before */
    struct pending *pending; /* requests that have not ended at the time reached */
    size_t pending_count, pending_capacity;
    bool swept;
    struct histogram inside, outside;
};

static struct slowdown_server *server_get(struct slowdown *slowdown, const char *name)
{
    for (size_t i = 0; i < slowdown->count; i++) {
        if (strcmp(slowdown->list[i].name, name) == 0)
            return &slowdown->list[i];
    }
    slowdown->list = memory_grow(slowdown->list, slowdown->count, &slowdown->capacity, sizeof(*slowdown->list));
    struct slowdown_server *server = &slowdown->list[slowdown->count++];
    size_t size = strlen(name) + 1;
    *server = (struct slowdown_server){.name = memory_get(size, 1)};
    memcpy(server->name, name, size);
    return server;
}

static void pending_settle(struct slowdown_server *server, const struct pending *request)
{
    histogram_add(request->inside ? &server->inside : &server->outside, request->end_ns - request->begin_ns,
                  request->weight);
}

/* Nothing that begins from `now_ns` on overlaps what had ended before. */
static void server_advance(struct slowdown_server *server, uint64_t now_ns)
{
    size_t kept = 0;
    for (size_t i = 0; i < server->pending_count; i++) {
        if (server->pending[i].end_ns <= now_ns)
            pending_settle(server, &server->pending[i]);
        else
            server->pending[kept++] = server->pending[i];
    }
    server->pending_count = kept;
}

void slowdown_sweep(struct slowdown *slowdown, const char *name, uint64_t begin_ns, uint64_t end_ns)
{
    struct slowdown_server *server = server_get(slowdown, name);
    server_advance(server, begin_ns);
    server->swept = true;
    if (end_ns > server->swept_until_ns)
        server->swept_until_ns = end_ns;
    for (size_t i = 0; i < server->pending_count; i++)
        server->pending[i].inside = true;
}

void slowdown_request(struct slowdown *slowdown, const char *name, uint64_t begin_ns, uint64_t end_ns, double weight)
{
    struct slowdown_server *server = server_get(slowdown, name);
    server_advance(server, begin_ns);
    server->pending =
        memory_grow(server->pending, server->pending_count, &server->pending_capacity, sizeof(*server->pending));
    server->pending[server->pending_count++] =
        (struct pending){begin_ns, end_ns, weight, begin_ns < server->swept_until_ns};
}

bool slowdown_of(struct slowdown *slowdown, const char *name, struct slowdown_result *result)
{
    struct slowdown_server *server = server_get(slowdown, name);
    server_advance(server, UINT64_MAX);
    *result = (struct slowdown_result){.inside = histogram_weight(&server->inside),
                                       .outside = histogram_weight(&server->outside),
                                       .inside_p50_ns = histogram_quantile(&server->inside, 0.5),
                                       .inside_p99_ns = histogram_quantile(&server->inside, 0.99),
                                       .outside_p50_ns = histogram_quantile(&server->outside, 0.5),
                                       .outside_p99_ns = histogram_quantile(&server->outside, 0.99)};
    return server->swept && result->inside + result->outside > 0;
}

void slowdown_free(struct slowdown *slowdown)
{
    for (size_t i = 0; i < slowdown->count; i++) {
        histogram_free(&slowdown->list[i].inside);
        histogram_free(&slowdown->list[i].outside);
        free(slowdown->list[i].pending);
        free(slowdown->list[i].name);
    }
    free(slowdown->list);
    *slowdown = (struct slowdown){NULL, 0, 0};
}
