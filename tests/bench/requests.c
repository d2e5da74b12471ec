/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * requests [PIPELINE [CONNECTIONS]]: nanoseconds of CPU time that a Redis request with its reply costs where it is
 * understood, without the calls that move it: of the parser alone, and of the recorder with the parser, as the server
 * and as the client. The least of many rounds, as other load on the machine only ever adds.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "capture/clock.h"
#include "capture/conversation.h"
#include "capture/endpoint.h"
#include "capture/recording.h"

#define ROUNDS 200
#define REQUESTS_A_ROUND 8000
#define PIPELINE_MAX 256
#define CONNECTIONS_MAX 1000
#define MESSAGE_MAX 128

struct chunk {
    char bytes[PIPELINE_MAX * MESSAGE_MAX];
    size_t length;
};

static struct chunk asked, told;
static int pipeline, connections;
static uint64_t messages;

static void chunk_fill(struct chunk *c, const char *set, const char *get)
{
    for (int i = 0; i < pipeline; i++) {
        const char *text = i % 2 ? get : set;
        memcpy(c->bytes + c->length, text, strlen(text));
        c->length += strlen(text);
    }
}

static void message_count(void *context, const struct wire_message *m)
{
    (void)context;
    messages += m->sequence + m->key_hash ? 1 : 2;
}

static uint64_t cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * UINT64_C(1000000000) + (uint64_t)t.tv_nsec;
}

/* Nanoseconds a request: the least of all rounds of `turn` on each connection. */
static double measure(void (*turn)(int connection))
{
    double least = 0;
    for (int round = 0; round < ROUNDS; round++) {
        int turns = 0;
        uint64_t begin = cpu_ns();
        for (; turns * pipeline < REQUESTS_A_ROUND; turns++)
            turn(turns % connections);
        double each = (double)(cpu_ns() - begin) / (turns * pipeline);
        if (round == 0 || each < least)
            least = each;
    }
    return least;
}

static struct wire_conversation parsed[CONNECTIONS_MAX];
static uint32_t followed[2][CONNECTIONS_MAX]; /* by the server, by the client */

static void parse(int connection)
{
    const struct wire_sink sink = {message_count, NULL};
    wire_feed(&parsed[connection], WIRE_CLIENT, asked.bytes, asked.length, &sink);
    wire_feed(&parsed[connection], WIRE_SERVER, told.bytes, told.length, &sink);
}

static void feed(uint32_t id, bool sent, const struct chunk *c)
{
    struct iovec part = {(void *)c->bytes, c->length};
    if (sent) {
        conversation_sending(id, &part, 1, c->length);
        conversation_sent(id, c->length, c->length);
    } else {
        conversation_received(id, part.iov_base, part.iov_len);
    }
}

static void serve(int connection)
{
    feed(followed[0][connection], false, &asked);
    feed(followed[0][connection], true, &told);
}

static void ask(int connection)
{
    feed(followed[1][connection], true, &asked);
    feed(followed[1][connection], false, &told);
}

static void recorder_begin(void)
{
    recording_begin(64 << 20);
    clock_init();
    recorder.pid = (uint32_t)getpid();
    recorder.settings.wire = 1;
    recorder.settings.keys = SETTINGS_KEYS_FULL;
    recorder.settings.connections = 2 * CONNECTIONS_MAX;
    conversations_init();
    uint32_t peer = endpoint_intern(ENDPOINT_INET, ROLE_CLIENT, "127.0.0.1:1", 11, 0);
    for (int i = 0; i < connections; i++) {
        followed[0][i] = conversation_open(peer, CONVERSATION_SERVER);
        followed[1][i] = conversation_open(peer, 0);
    }
}

int main(int argc, char **argv)
{
    pipeline = argc > 1 ? atoi(argv[1]) : 1;
    connections = argc > 2 ? atoi(argv[2]) : 50;
    if (pipeline < 1 || pipeline > PIPELINE_MAX || connections < 1 || connections > CONNECTIONS_MAX)
        return 2;
    chunk_fill(&asked, "*3\r\n$3\r\nSET\r\n$16\r\nkey:__rand_int__\r\n$3\r\nxxx\r\n",
               "*2\r\n$3\r\nGET\r\n$16\r\nkey:__rand_int__\r\n");
    chunk_fill(&told, "+OK\r\n", "$3\r\nxxx\r\n");
    for (int i = 0; i < connections; i++)
        wire_start(&parsed[i], false, WIRE_UNKNOWN);
    recorder_begin();
    double of_parser = measure(parse), of_server = measure(serve), of_client = measure(ask);
    recording_close(recording_end());
    printf("parsed %.1f  served %.1f  asked %.1f\n", of_parser, of_server, of_client);
    return messages == 0;
}
