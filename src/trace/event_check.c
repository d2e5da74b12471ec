/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The validation of single events, generated from events.def. */
#include "trace/reader_private.h"

/* Recorders write 1/probability, at least 1 and at most mean/1 ns. */
#define WEIGHT_MAX 1e15f

static bool str_fits(const struct event_header *header, size_t fixed, event_str_t str)
{
    return str.length == 0 || (str.offset >= fixed && (uint32_t)str.offset + str.length <= header->size);
}

/* CHECK_<type>: what has to hold for a field of that type */
#define CHECK_uint64_t(field) 1
#define CHECK_uint32_t(field) 1
#define CHECK_uint16_t(field) 1
#define CHECK_int32_t(field) 1
#define CHECK_int64_t(field) 1
#define CHECK_float(field) ((field) > 0.0f && (field) <= WEIGHT_MAX)
#define CHECK_event_str_t(field) str_fits(header, fixed, (field))

/* fields_fit_<event>: whether each field of such an event is usable */
#define F(type, name) &&CHECK_##type(e->name)
#define EVENT(ID, number, event, class, size, fields)            \
    static bool fields_fit_##event(const union trace_event *any) \
    {                                                            \
        const struct event_##event *e = &any->event;             \
        const struct event_header *header = &e->header;          \
        const size_t fixed = sizeof(*e);                         \
        (void)header, (void)fixed;                               \
        return true fields;                                      \
    }
#include "trace/events.def"
#undef EVENT
#undef F

static const struct {
    enum event_class class;
    uint32_t size; /* least; 0: no event has this number */
    bool (*fields_fit)(const union trace_event *e);
} kinds[] = {
#define EVENT(ID, number, name, class, size, fields) [number] = {EVENT_CLASS_##class, size, fields_fit_##name},
#include "trace/events.def"
#undef EVENT
};

#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

static uint64_t sched_largest(const struct event_sched *e)
{
    const uint64_t times[] = {e->begin_ns, e->oncpu_ns, e->blocked_ns, e->runqueue_ns, e->preempted_ns};
    uint64_t largest = 0;
    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++)
        if (times[i] > largest)
            largest = times[i];
    return largest;
}

static const char *times_check(const union trace_event *e)
{
    uint64_t ns = e->header.time_ns;
    uint64_t more_ns = 0;
    if (e->header.type == EVENT_WAIT)
        more_ns = e->wait.duration_ns;
    else if (e->header.type == EVENT_TURN)
        more_ns = e->turn.duration_ns;
    else if (e->header.type == EVENT_CPU)
        more_ns = e->cpu.turn_start_ns;
    else if (e->header.type == EVENT_OFFCPU)
        more_ns = e->offcpu.duration_ns > e->offcpu.runqueue_ns ? e->offcpu.duration_ns : e->offcpu.runqueue_ns;
    else if (e->header.type == EVENT_REQUEST)
        more_ns = e->request.duration_ns;
    else if (e->header.type == EVENT_CONNECT)
        more_ns = e->connect.duration_ns;
    else if (e->header.type == EVENT_HOLD)
        more_ns = e->hold.duration_ns > e->hold.waited_ns ? e->hold.duration_ns : e->hold.waited_ns;
    else if (e->header.type == EVENT_MUTATE)
        more_ns = e->mutate.duration_ns;
    else if (e->header.type == EVENT_OVERLAP)
        more_ns = e->overlap.other_begin_ns;
    else if (e->header.type == EVENT_SYSCALL)
        more_ns = e->syscall.max_ns;
    else if (e->header.type == EVENT_SCHED)
        more_ns = sched_largest(&e->sched);
    else if (e->header.type == EVENT_WAKE)
        more_ns = e->wake.wait_ns;
    return ns < TIME_MAX_NS && more_ns < TIME_MAX_NS ? NULL : "an event with an impossible time";
}

const char *event_check(const union trace_event *e, enum event_class class)
{
    const struct event_header *h = &e->header;
    if (h->magic != EVENT_MAGIC)
        return "something that is not an event";
    if (h->size % EVENT_ALIGN != 0 || (class == EVENT_CLASS_RING && h->size != RING_RECORD_SIZE) ||
        h->size > LOG_RECORD_MAX)
        return "an event of impossible size";

    if (h->type >= KINDS || !kinds[h->type].size)
        return "an event of unknown type";
    if (kinds[h->type].class != class)
        return "an event in the wrong kind of segment";
    if (h->size < kinds[h->type].size || !kinds[h->type].fields_fit(e))
        return "an event with impossible content";
    return times_check(e);
}

uint64_t event_end_ns(const union trace_event *e)
{
    if (e->header.type == EVENT_WAIT)
        return e->header.time_ns + e->wait.duration_ns;
    if (e->header.type == EVENT_TURN)
        return e->header.time_ns + e->turn.duration_ns;
    if (e->header.type == EVENT_REQUEST)
        return e->header.time_ns + e->request.duration_ns;
    if (e->header.type == EVENT_CONNECT)
        return e->header.time_ns + e->connect.duration_ns;
    if (e->header.type == EVENT_MUTATE)
        return e->header.time_ns + e->mutate.duration_ns;
    if (e->header.type == EVENT_OFFCPU)
        return e->header.time_ns + e->offcpu.duration_ns + e->offcpu.runqueue_ns;
    return e->header.time_ns;
}
