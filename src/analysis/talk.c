/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "analysis/talk.h"

#include <math.h>
#include <stdlib.h>

#include "analysis/arena.h"
#include "analysis/model.h"

#define FIRST_PART_WHOLE 65535.0
#define WEIGHT_MAX 1e9

/* The sampler's own probability (src/capture/sampler.h): an exponential credit with this mean, longer for a thread with
   many requests. */
double request_weight(const struct trace_info *info, const struct event_request *request)
{
    double mean = ldexp((double)info->sample_mean_ns, request->flags >> REQUEST_SHIFT);
    double duration = request->duration_ns > 0 ? (double)request->duration_ns : 1;
    if ((request->flags & REQUEST_NOTABLE) || duration >= mean)
        return 1;
    double weight = 1 / -expm1(-duration / mean);
    return weight < WEIGHT_MAX ? weight : WEIGHT_MAX;
}

uint64_t request_first_byte_ns(const struct event_request *request)
{
    return (uint64_t)((double)request->duration_ns * request->first_part / FIRST_PART_WHOLE);
}

struct item_key {
    const struct talk_table *table;
    const struct model_process *process;
    uint32_t number;
};

static bool operation_equal(const void *context, uint32_t item)
{
    const struct item_key *key = context;
    const struct talk_operation *known = &key->table->operations[item];
    return known->process == key->process && known->operation == key->number;
}

static bool connects_equal(const void *context, uint32_t item)
{
    const struct item_key *key = context;
    const struct talk_connects *known = &key->table->connects[item];
    return known->process == key->process && known->endpoint == key->number;
}

static uint64_t key_hash(const struct item_key *key)
{
    return profile_hash(profile_hash(PROFILE_HASH_START, (uintptr_t)key->process), key->number);
}

void talk_add_request(struct talk_table *table, const struct model_process *process,
                      const struct event_request *request)
{
    struct item_key key = {table, process, request->operation};
    bool added;
    if (request->flags & (REQUEST_NO_REPLY | REQUEST_GIVEN_UP))
        return;
    uint32_t item = profile_index_put(&table->operation_index, key_hash(&key), operation_equal, &key, &added);
    if (added) {
        table->operations =
            memory_grow(table->operations, item, &table->operation_capacity, sizeof(*table->operations));
        table->operations[item] = (struct talk_operation){.process = process, .operation = request->operation};
    }
    double weight = request_weight(process->source->info, request);
    histogram_add(&table->operations[item].durations, request->duration_ns, weight);
    histogram_add(&table->operations[item].first_bytes, request_first_byte_ns(request), weight);
}

void talk_add_connect(struct talk_table *table, const struct model_process *process,
                      const struct event_connect *connect)
{
    struct item_key key = {table, process, connect->endpoint};
    bool added;
    uint32_t item = profile_index_put(&table->connect_index, key_hash(&key), connects_equal, &key, &added);
    if (added) {
        table->connects = memory_grow(table->connects, item, &table->connect_capacity, sizeof(*table->connects));
        table->connects[item] = (struct talk_connects){.process = process, .endpoint = connect->endpoint};
    }
    struct talk_connects *connects = &table->connects[item];
    double weight = connect->weight >= 1 && connect->weight < (float)WEIGHT_MAX ? (double)connect->weight : 1;
    if (connect->error == 0 && !(connect->flags & CONNECT_GIVEN_UP)) {
        connects->succeeded += weight;
        return;
    }
    connects->failed += weight;
    connects->failed_ns += weight * (double)connect->duration_ns;
    connects->error = connect->error;
}

void talk_free(struct talk_table *table)
{
    for (size_t i = 0; i < table->operation_index.count; i++) {
        histogram_free(&table->operations[i].durations);
        histogram_free(&table->operations[i].first_bytes);
    }
    free(table->operations);
    free(table->connects);
    profile_index_free(&table->operation_index);
    profile_index_free(&table->connect_index);
    *table = (struct talk_table){.operations = NULL};
}
