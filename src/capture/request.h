/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What becomes of messages: exact counters, sampled REQUEST records, and what the thread is serving. */
#ifndef CPROBE_CAPTURE_REQUEST_H
#define CPROBE_CAPTURE_REQUEST_H

#include "capture/conversation.h"
#include "capture/thread.h"

/* One chunk on its way through the parser: the context of its sink. The thread has entered the recorder and has the
   conversation. */
struct feeding {
    struct conversation *conversation;
    struct thread *thread;
    uint64_t now_ns; /* 0: not read yet */
    bool served;     /* a request of this chunk is what the thread serves now */
    bool left;       /* another thread has left this chunk: its stack, and what it serves, are not known here */
};

/* wire_sink.message */
void request_message(void *feeding, const struct wire_message *message);

/* The connection ends: what has no answer will have none. */
void requests_give_up(struct feeding *feeding);

#endif
