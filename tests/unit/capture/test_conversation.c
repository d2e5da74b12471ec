/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What becomes of a conversation: counters, requests, keys, what a thread serves; its lock and its end. Times are the
 * test's own. */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "capture/conversation.h"
#include "capture/endpoint.h"
#include "capture/serving.h"
#include "capture/wait.h"
#include "isolated.h"
#include "recording.h"
#include "spoken.h"
#include "wire/fields.h"

#define US UINT64_C(1000)
#define MS UINT64_C(1000000)

static uint64_t now = RECORDING_START;
static uint32_t peer;

static void begin(uint32_t connections)
{
    recording_begin(16 << 20);
    recorder.pid = (uint32_t)getpid();
    recorder.settings.wire = 1;
    recorder.settings.keys = SETTINGS_KEYS_FULL;
    recorder.settings.connections = connections;
    conversations_init();
    peer = endpoint_intern(ENDPOINT_INET, ROLE_CLIENT, "127.0.0.1:1", 11, 0);
}

static bool say(uint32_t id, bool sent, const char *text)
{
    /* In two parts, of which the second is longer than what was moved. */
    size_t length = strlen(text);
    struct iovec parts[2] = {{(void *)text, length}, {(void *)"@never 0\n", 9}};
    return conversation_feed(id, sent, parts, 2, length, now);
}

static void exchange(uint32_t id, const char *request, uint64_t duration, const char *answer)
{
    assert_true(say(id, true, request));
    now += duration;
    assert_true(say(id, false, answer));
}

/* The number of the operation with this verb; 0: none. */
static uint32_t operation_of(struct trace *t, const char *verb)
{
    const union trace_event *e;
    trace_rewind(t);
    while (trace_next(t, &e) == 1)
        if (e->header.type == EVENT_OPERATION && e->operation.verb.length == strlen(verb) &&
            memcmp((const char *)e + e->operation.verb.offset, verb, strlen(verb)) == 0)
            return e->operation.id;
    return 0;
}

static const struct trace_counter *counter_of(struct trace *t, const char *verb)
{
    uint32_t id = operation_of(t, verb);
    for (size_t i = 0; i < trace_thread_count(t); i++) {
        const struct trace_thread *thread = trace_thread_at(t, i);
        for (size_t k = 0; k < thread->counter_count; k++)
            if (id && thread->counters[k].call == CALL_request && thread->counters[k].endpoint == id)
                return &thread->counters[k];
    }
    fail_msg("no counter for %s", verb);
    return NULL;
}

static size_t events_of(struct trace *t, uint16_t type)
{
    const union trace_event *e;
    size_t n = 0;
    trace_rewind(t);
    while (trace_next(t, &e) == 1)
        n += e->header.type == type;
    return n;
}

/* The only event of this type. */
static const union trace_event *event_of(struct trace *t, uint16_t type)
{
    const union trace_event *e;
    assert_int_equal(events_of(t, type), 1);
    trace_rewind(t);
    while (trace_next(t, &e) == 1)
        if (e->header.type == type)
            return e;
    return NULL;
}

static void requests_are_counted_exactly(void **state)
{
    (void)state;
    begin(8);
    uint32_t id = conversation_open(peer, 0);
    uint64_t total = 0;
    for (uint32_t i = 0; i < 100; i++) {
        exchange(id, "@GET k\n", US + i, i % 10 ? "!ok\n" : "!-no\n");
        total += US + i;
    }
    exchange(id, "@SET k 4000\n", 7, "!ok\n");
    struct trace *t = recording_end();
    const struct trace_counter *c = counter_of(t, "GET");
    assert_int_equal(c->count, 100);
    assert_int_equal(c->failed, 10);
    assert_int_equal(c->total_ns, total);
    assert_int_equal(c->max_ns, US + 99);
    assert_int_equal(c->bytes, 90 * (7 + 4) + 10 * (7 + 5));
    assert_int_equal(c->first_ns, RECORDING_START);
    assert_int_equal(c->flags, 0);
    assert_int_equal(counter_of(t, "SET")->count, 1);
    const union trace_event *e = event_of(t, EVENT_PROTOCOL);
    assert_int_equal(e->protocol.protocol, WIRE_REDIS);
    assert_int_equal(e->protocol.endpoint, peer);
    assert_int_equal(operation_of(t, "never"), 0); /* beyond what was moved */
    recording_close(t);
}

/* What a conversation remembers of its operations: not those of another kind, nor of the one before in its place. */
static void operations_are_told_apart(void **state)
{
    (void)state;
    begin(1);
    uint32_t other = endpoint_intern(ENDPOINT_INET, ROLE_CLIENT, "127.0.0.1:2", 11, 0);
    uint32_t id = conversation_open(peer, 0);
    for (int i = 0; i < 3; i++) {
        exchange(id, "@GET k\n@GETX k\n@GETEXPIRE k\n@GETEXPIRED k\n@A k\n@B k\n@C k\n@D k\n@E k\n", 7,
                 "!ok\n!ok\n!ok\n!ok\n!ok\n!ok\n!ok\n!ok\n!ok\n");
        exchange(id, "@SET k\n@SET k 4000\n", 7, "!ok\n!ok\n"); /* WIRE_WRITE */
    }
    conversation_release(id);
    id = conversation_open(other, 0);
    exchange(id, "@A k\n", 7, "!ok\n");
    struct trace *t = recording_end();
    static const char *const verbs[] = {"GET", "GETX", "GETEXPIRE", "GETEXPIRED", "B", "C", "D", "E"};
    for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
        assert_int_equal(counter_of(t, verbs[i])->count, 3);
    assert_int_equal(events_of(t, EVENT_OPERATION), ARRAY_SIZE(verbs) + 4);
    recording_close(t);
}

static void long_requests_are_recorded(void **state)
{
    (void)state;
    begin(8);
    uint32_t id = conversation_open(peer, 0);
    exchange(id, "@GET key\n", 3 * MS, "!ok\n");
    struct trace *t = recording_end();
    const struct event_request copy = event_of(t, EVENT_REQUEST)->request, *e = &copy;
    assert_int_equal(e->header.time_ns, RECORDING_START);
    assert_int_equal(e->duration_ns, 3 * MS);
    assert_int_equal(e->operation, operation_of(t, "GET"));
    assert_int_equal(e->elements, 3);
    assert_int_equal(e->bytes, 9 + 4);
    assert_int_equal(e->flags, 0);
    assert_int_equal(e->first_part, UINT16_MAX);
    assert_int_not_equal(e->stack, 0);
    uint32_t key = e->key;
    const struct event_key *k = &event_of(t, EVENT_KEY)->key;
    assert_int_equal(k->id, key);
    assert_int_equal(k->hash, 1000 + 'k');
    assert_int_equal(k->text.length, 3);
    assert_memory_equal((const char *)k + k->text.offset, "key", 3);
    recording_close(t);
}

/* In flight together, so that they move from slot to slot; 80: WIRE_HASH_LATER, 2: WIRE_NO_REPLY, 100: WIRE_SWEEP. */
static void each_request_has_its_own_key(void **state)
{
    (void)state;
    begin(8);
    uint32_t id = conversation_open(peer, 0);
    exchange(id, "@GET a 80\n@GET b\n@GET c 80\n@GET d 80\n@GET e 182\n@GET f 80\n", 3 * MS,
             "!ok\n!ok\n!ok\n!ok\n!ok\n");
    struct trace *t = recording_end();
    const union trace_event *e;
    assert_int_equal(events_of(t, EVENT_REQUEST), 6);
    assert_int_equal(events_of(t, EVENT_KEY), 6);
    char seen[8] = "";
    trace_rewind(t);
    while (trace_next(t, &e) == 1) {
        if (e->header.type != EVENT_REQUEST)
            continue;
        const struct trace_key *k = trace_key_find(t, e->request.key);
        assert_non_null(k);
        assert_int_equal(strlen(k->text), 1);
        strncat(seen, k->text, 1);
        assert_true(k->hash == (*k->text == 'b' ? 1000 + 'b' : field_hash(k->text, 1)));
    }
    assert_string_equal(seen, "eabcdf");
    recording_close(t);
}

/* One request after the other has the same slot: what the first had, and the second has not, is not the second's. */
static void nothing_is_left_of_the_request_before(void **state)
{
    (void)state;
    begin(8);
    uint32_t id = conversation_open(peer, 0);
    assert_true(say(id, true, "@SCAN a 200\n"));
    now += MS;
    assert_true(say(id, false, "!~\n"));
    now += MS;
    assert_true(say(id, false, "!ok\n"));
    exchange(id, "@GET b 80\n", 3 * MS, "!ok\n");
    struct trace *t = recording_end();
    const union trace_event *e;
    uint32_t scan = operation_of(t, "SCAN");
    assert_int_equal(events_of(t, EVENT_REQUEST), 2);
    trace_rewind(t);
    while (trace_next(t, &e) == 1) {
        if (e->header.type != EVENT_REQUEST)
            continue;
        const struct trace_key *k = trace_key_find(t, e->request.key);
        bool first = e->request.operation == scan;
        assert_non_null(k);
        assert_int_equal(e->request.detail != 0, first);
        assert_int_equal(e->request.first_part, first ? UINT16_MAX / 2 : UINT16_MAX);
        assert_true(k->hash == (first ? 1000 + 'a' : field_hash("b", 1)));
    }
    recording_close(t);
}

static void keys_can_be_left_out(void **state)
{
    (void)state;
    begin(8);
    uint32_t id = conversation_open(peer, 0);
    recorder.settings.keys = SETTINGS_KEYS_OFF;
    exchange(id, "@GET key\n", 3 * MS, "!ok\n");
    struct trace *t = recording_end();
    assert_int_equal(event_of(t, EVENT_REQUEST)->request.key, 0);
    assert_int_equal(events_of(t, EVENT_KEY), 0);
    recording_close(t);
    begin(8);
    id = conversation_open(peer, 0);
    recorder.settings.keys = SETTINGS_KEYS_HASH;
    exchange(id, "@GET key\n", 3 * MS, "!ok\n");
    t = recording_end();
    const struct event_key *k = &event_of(t, EVENT_KEY)->key;
    assert_int_equal(k->hash, 1000 + 'k');
    assert_int_equal(k->text.length, 0);
    recording_close(t);
}

/* WIRE_SWEEP: recorded although it took no time, with the stack of who asked. */
static void notable_requests_are_always_recorded(void **state)
{
    (void)state;
    begin(8);
    uint32_t id = conversation_open(peer, 0);
    for (int i = 0; i < 50; i++)
        exchange(id, "@KEYS k 100\n", 1, "!ok\n");
    assert_true(say(id, true, "@WATCH k 102\n")); /* no reply will come */
    struct trace *t = recording_end();
    const union trace_event *e;
    int keys = 0, watch = 0;
    uint32_t operation = operation_of(t, "WATCH");
    trace_rewind(t);
    while (trace_next(t, &e) == 1)
        if (e->header.type == EVENT_REQUEST) {
            bool is_watch = e->request.operation == operation;
            assert_int_equal(e->request.flags, REQUEST_NOTABLE | (is_watch ? REQUEST_NO_REPLY : 0));
            assert_int_not_equal(e->request.stack, 0);
            *(is_watch ? &watch : &keys) += 1;
        }
    assert_int_equal(keys, 50);
    assert_int_equal(watch, 1);
    assert_int_equal(counter_of(t, "WATCH")->count, 1);
    recording_close(t);
}

static void stacks_are_bounded(void **state)
{
    (void)state;
    begin(8);
    uint32_t id = conversation_open(peer, 0);
    for (int i = 0; i < 1100; i++)
        exchange(id, "@KEYS k 100\n", 1, "!ok\n");
    struct trace *t = recording_end();
    assert_int_equal(events_of(t, EVENT_REQUEST), 1100);
    assert_int_equal(trace_info(t)->lost[TRACE_LOST_STACKS], 100);
    recording_close(t);
}

/* More in flight than there are slots: counts and failures are right all the same. */
static void deep_pipelines(void **state)
{
    (void)state;
    begin(8);
    uint32_t id = conversation_open(peer, 0);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 300; i++)
            assert_true(say(id, true, i % 3 ? "@GET k\n" : "@SET k\n"));
        now += MS;
        for (int i = 0; i < 300; i++)
            assert_true(say(id, false, i % 30 ? "!ok\n" : "!-no\n"));
    }
    struct trace *t = recording_end();
    assert_int_equal(counter_of(t, "GET")->count, 600);
    assert_int_equal(counter_of(t, "GET")->failed, 0);
    assert_int_equal(counter_of(t, "GET")->total_ns, 600 * MS);
    assert_int_equal(counter_of(t, "SET")->count, 300);
    assert_int_equal(counter_of(t, "SET")->failed, 30);
    recording_close(t);
}

static void deeper_than_the_crowd(void **state)
{
    (void)state;
    begin(8);
    uint32_t id = conversation_open(peer, 0);
    for (int i = 0; i < 3000; i++)
        assert_true(say(id, true, "@GET k\n"));
    for (int i = 0; i < 3000; i++)
        assert_true(say(id, false, "!ok\n"));
    struct trace *t = recording_end();
    assert_int_equal(counter_of(t, "GET")->count, 3000);
    recording_close(t);
}

static void without_an_answer(void **state)
{
    (void)state;
    begin(8);
    uint32_t id = conversation_open(peer, 0);
    assert_true(say(id, true, "@GET k\n"));
    for (int i = 0; i < 100; i++)
        assert_true(say(id, true, "@SET k\n"));
    conversation_retain(id);
    conversation_release(id);
    assert_int_not_equal(conversation_operation(id, false), 0);
    now += MS;
    conversation_release(id);
    assert_int_equal(conversation_operation(id, false), 0);
    assert_false(say(id, false, "!ok\n")); /* nobody's number any more */
    struct trace *t = recording_end();
    assert_int_equal(counter_of(t, "GET")->failed, 1);
    assert_int_equal(counter_of(t, "SET")->count, 100);
    assert_int_equal(counter_of(t, "SET")->failed, 100);
    assert_true(events_of(t, EVENT_REQUEST) > 0);
    recording_close(t);
}

static void places_are_reused(void **state)
{
    (void)state;
    begin(2);
    uint32_t a = conversation_open(peer, 0), b = conversation_open(peer, 0);
    assert_true(a && b && a != b);
    assert_int_equal(conversation_open(peer, 0), 0);
    assert_int_equal(conversation_open(peer, 0), 0);
    exchange(a, "@GET k\n", 1, "!ok\n");
    conversation_release(a);
    uint32_t c = conversation_open(peer, 0);
    assert_true(c && c != a);
    assert_false(say(a, true, "@GET k\n"));
    exchange(c, "@SET k\n", 1, "!ok\n");
    conversation_release(a); /* once too often: not c's */
    exchange(c, "@SET k\n", 1, "!ok\n");
    struct trace *t = recording_end();
    assert_int_equal(trace_note_count(t), 1);
    assert_int_equal(counter_of(t, "GET")->count, 1);
    assert_int_equal(counter_of(t, "SET")->count, 2);
    recording_close(t);
}

static void what_is_not_understood_is_given_up(void **state)
{
    (void)state;
    begin(8);
    uint32_t id = conversation_open(peer, 0);
    bool useful = true;
    int chunks = 0;
    while (useful && chunks++ < 10000)
        useful = say(id, true, "\x01\x02\x03 nobody speaks so \x05\n");
    assert_false(useful);
    recording_close(recording_end());
}

/* A handler that interrupted the recorder on this thread leaves what it has to it. */
static void bytes_in_a_handler(void **state)
{
    (void)state;
    begin(8);
    uint32_t id = conversation_open(peer, 0);
    exchange(id, "@GET k\n", 1, "!ok\n");
    assert_true(thread_enter(&thread_self, FRAME_ADDRESS));
    assert_true(say(id, true, "@SET k\n"));
    thread_leave(&thread_self);
    now += 5 * MS;
    assert_true(say(id, false, "!ok\n"));
    exchange(id, "@GET k\n", 1, "!ok\n");
    struct trace *t = recording_end();
    assert_int_equal(counter_of(t, "GET")->count, 2);
    assert_int_equal(counter_of(t, "SET")->count, 1);
    assert_int_equal(counter_of(t, "SET")->failed, 0);
    assert_int_equal(counter_of(t, "SET")->total_ns, 5 * MS);
    assert_int_equal(spoken_gaps[WIRE_CLIENT], 0);
    recording_close(t);
}

/* What nobody could keep. */
static void bytes_beyond_all_room_are_a_gap(void **state)
{
    static char much[300000];
    (void)state;
    begin(8);
    uint32_t id = conversation_open(peer, 0);
    exchange(id, "@GET k\n", 1, "!ok\n");
    assert_true(thread_enter(&thread_self, FRAME_ADDRESS));
    assert_true(conversation_feed(id, true, &(struct iovec){much, sizeof(much)}, 1, sizeof(much), now));
    thread_leave(&thread_self);
    exchange(id, "@GET k\n", 1, "!ok\n");
    assert_int_equal(spoken_gaps[WIRE_CLIENT], 1);
    assert_int_equal(spoken_lost[WIRE_CLIENT], sizeof(much));
    conversation_gap(id, false, 100);
    assert_int_equal(spoken_lost[WIRE_SERVER], 100);
    struct trace *t = recording_end();
    assert_int_equal(counter_of(t, "GET")->count, 2);
    recording_close(t);
}

/* ---- a sender and a receiver on one connection ------------------------------------------------------------------- */

enum { TALKED = 4000 };
static uint32_t talk_id, talk_sent;

/* Each is fed before it is sent, i.e. before it can be answered. */
static void *talk_send(void *unused)
{
    (void)unused;
    for (int i = 0; i < TALKED; i++) {
        const char *text = i % 100 == 50 ? "@SLOW k\n" : "@SET k\n";
        assert_true(conversation_sending(talk_id, &(struct iovec){(void *)text, strlen(text)}, 1, strlen(text)));
        conversation_sent(talk_id, strlen(text), strlen(text));
        store_release(&talk_sent, (uint32_t)i + 1);
    }
    return NULL;
}

static void sum_of(struct trace *t, const char *verb, uint64_t *count, uint64_t *failed)
{
    uint32_t id = operation_of(t, verb);
    for (size_t i = 0; i < trace_thread_count(t); i++) {
        const struct trace_thread *thread = trace_thread_at(t, i);
        for (size_t k = 0; k < thread->counter_count; k++)
            if (thread->counters[k].call == CALL_request && thread->counters[k].endpoint == id) {
                *count += thread->counters[k].count;
                *failed += thread->counters[k].failed;
            }
    }
}

/* Nobody waits for the one that is at work for long, and nothing is missed. */
static void sender_and_receiver(void **state)
{
    uint64_t set = 0, slow = 0, failed = 0;
    pthread_t sender;
    (void)state;
    begin(8);
    talk_id = conversation_open(peer, 0);
    exchange(talk_id, "@GET k\n", 1, "!ok\n");
    assert_int_equal(pthread_create(&sender, NULL, talk_send, NULL), 0);
    for (uint32_t answered = 0; answered < TALKED; answered++) {
        while (load_acquire(&talk_sent) <= answered)
            sched_yield();
        assert_true(conversation_received(talk_id, "!ok\n", 4));
    }
    pthread_join(sender, NULL);
    conversation_release(talk_id);
    assert_int_equal(spoken_gaps[WIRE_CLIENT] + spoken_gaps[WIRE_SERVER], 0);
    struct trace *t = recording_end();
    sum_of(t, "SET", &set, &failed);
    sum_of(t, "SLOW", &slow, &failed);
    assert_int_equal(slow, TALKED / 100);
    assert_int_equal(set, TALKED - TALKED / 100);
    assert_int_equal(failed, 0);
    recording_close(t);
}

static bool sending(uint32_t id, const char *text)
{
    return conversation_sending(id, &(struct iovec){(void *)text, strlen(text)}, 1, strlen(text));
}

/* What a call did not send is sent by the next one, and counts once. */
static void sends_that_fall_short(void **state)
{
    (void)state;
    begin(8);
    uint32_t id = conversation_open(peer, 0);
    exchange(id, "@GET k\n", 1, "!ok\n");
    assert_true(sending(id, "@SET k\n"));
    conversation_sent(id, 7, 0); /* would have waited */
    assert_true(sending(id, "@SET k\n@SET k\n"));
    conversation_sent(id, 14, 10);
    assert_true(sending(id, "T k\n"));
    conversation_sent(id, 4, 4);
    assert_true(sending(id, "@SET k\n"));
    conversation_sent(id, 7, 3);
    assert_true(sending(id, "T k\n"));
    conversation_sent(id, 4, 4);
    assert_true(sending(id, "@SET k\n")); /* two threads at once */
    assert_true(sending(id, "@SET k\n"));
    conversation_sent(id, 7, 7);
    conversation_sent(id, 7, 7);
    for (int i = 0; i < 5; i++)
        assert_true(say(id, false, "!ok\n"));
    struct trace *t = recording_end();
    assert_int_equal(counter_of(t, "SET")->count, 5);
    assert_int_equal(counter_of(t, "SET")->failed, 0);
    recording_close(t);
}

/* The side of a server: what the thread is at work on. */
static void serving(void **state)
{
    (void)state;
    uint64_t fiber;
    begin(8);
    uint32_t a = conversation_open(peer, CONVERSATION_SERVER), b = conversation_open(peer, CONVERSATION_SERVER);
    assert_true(say(a, false, "@HGETALL k 400\n"));
    uint32_t large = conversation_operation(a, false);
    assert_int_not_equal(large, 0);
    assert_int_equal(serving_now(&thread_self, &fiber), large);
    now += 5 * MS;
    assert_true(say(b, false, "@GET k\n"));
    uint32_t small = conversation_operation(b, false);
    assert_int_equal(serving_now(&thread_self, &fiber), small);
    now += MS;
    assert_true(say(b, true, "!ok\n"));
    assert_int_equal(serving_now(&thread_self, &fiber), 0);
    assert_true(say(a, true, "!ok\n"));
    assert_int_equal(serving_turn(&thread_self, now), large);
    assert_int_equal(serving_turn(&thread_self, now), 0);
    struct trace *t = recording_end();
    assert_int_equal(counter_of(t, "GET")->flags, WAIT_SERVER_SIDE);
    const union trace_event *e;
    trace_rewind(t);
    while (trace_next(t, &e) == 1)
        if (e->header.type == EVENT_REQUEST)
            assert_true(e->request.flags & REQUEST_SERVER);
    recording_close(t);
}

/* Of requests that came at once, the one that is likely to take long. */
static void serving_a_pipeline(void **state)
{
    (void)state;
    uint64_t fiber;
    begin(8);
    uint32_t id = conversation_open(peer, CONVERSATION_SERVER);
    assert_true(say(id, false, "@GET k\n@KEYS k 100\n@SET k\n"));
    uint32_t chosen = serving_now(&thread_self, &fiber);
    now += MS;
    assert_true(say(id, true, "!ok\n!ok\n!ok\n"));
    assert_int_equal(serving_turn(&thread_self, now), chosen);
    struct trace *t = recording_end();
    assert_int_equal(chosen, operation_of(t, "KEYS"));
    recording_close(t);
}

/* What is inside TLS goes on where the protocol agreed on it. */
static void tls_takes_over(void **state)
{
    (void)state;
    begin(8);
    uint32_t id = conversation_open(peer, CONVERSATION_EARLIER);
    exchange(id, "@GET k\n", 1, "!ok\n");
    assert_true(say(id, true, "@STARTTLS\n"));
    assert_false(conversation_secured(id));
    conversation_secure(id);
    assert_true(conversation_secured(id));
    exchange(id, "@GET k\n", 1, "!ok\n");
    struct trace *t = recording_end();
    assert_int_equal(counter_of(t, "GET")->count, 2);
    const union trace_event *e;
    uint16_t flags = 0;
    trace_rewind(t);
    while (trace_next(t, &e) == 1)
        if (e->header.type == EVENT_PROTOCOL)
            flags |= e->protocol.flags;
    assert_int_equal(flags, PROTOCOL_TLS | PROTOCOL_EARLIER);
    recording_close(t);
}

static void what_is_in_flight_at_the_end(void **state)
{
    (void)state;
    begin(8);
    uint32_t id = conversation_open(peer, 0);
    exchange(id, "@GET k\n", 1, "!ok\n");
    assert_true(say(id, true, "@BRPOP k\n"));
    conversations_finish();
    struct trace *t = recording_end();
    assert_int_equal(counter_of(t, "BRPOP")->count, 1);
    assert_int_equal(counter_of(t, "BRPOP")->failed, 1);
    recording_close(t);
}

/* A process that was forked goes on with its copy; what its parent was in the middle of is started anew. */
static void after_a_fork(void **state)
{
    (void)state;
    begin(8);
    uint32_t id = conversation_open(peer, 0);
    exchange(id, "@GET k\n", 1, "!ok\n");
    recorder.pid++;
    exchange(id, "@GET k\n", 1, "!ok\n");
    assert_int_equal(spoken_gaps[WIRE_CLIENT], 0);
    struct trace *t = recording_end();
    assert_int_equal(counter_of(t, "GET")->count, 2);
    recording_close(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_are_counted_exactly),
        cmocka_unit_test(operations_are_told_apart),
        cmocka_unit_test(long_requests_are_recorded),
        cmocka_unit_test(each_request_has_its_own_key),
        cmocka_unit_test(nothing_is_left_of_the_request_before),
        cmocka_unit_test(keys_can_be_left_out),
        cmocka_unit_test(notable_requests_are_always_recorded),
        cmocka_unit_test(stacks_are_bounded),
        cmocka_unit_test(deep_pipelines),
        cmocka_unit_test(deeper_than_the_crowd),
        cmocka_unit_test(without_an_answer),
        cmocka_unit_test(places_are_reused),
        cmocka_unit_test(what_is_not_understood_is_given_up),
        cmocka_unit_test(bytes_in_a_handler),
        cmocka_unit_test(bytes_beyond_all_room_are_a_gap),
        cmocka_unit_test(sender_and_receiver),
        cmocka_unit_test(sends_that_fall_short),
        cmocka_unit_test(serving),
        cmocka_unit_test(serving_a_pipeline),
        cmocka_unit_test(tls_takes_over),
        cmocka_unit_test(what_is_in_flight_at_the_end),
        cmocka_unit_test(after_a_fork),
    };
    return isolated_run(tests, ARRAY_SIZE(tests));
}
