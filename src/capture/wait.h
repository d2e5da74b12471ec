/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How hooks record a wait. The shape of every hook:
 *
 *     if (!fd_blocks(fd)) return REAL(recv)(fd, …);       // cannot wait: one flag test
 *     uint64_t begin = wait_begin();
 *     ssize_t result = REAL(recv)(fd, …);                 // nothing of ours is held here: it may be cancelled, throw,
 * longjmp wait_end_fd(CALL_recv, fd, begin, result);          // leaves errno alone return result;
 */
#ifndef CPROBE_CAPTURE_WAIT_H
#define CPROBE_CAPTURE_WAIT_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "capture/recorder.h"
#include "capture/thread.h"

enum call_number {
#define CALL(number, name, category) CALL_##name = number,
#include "trace/calls.def"
#undef CALL
};

struct wait {
    uint64_t begin_ns; /* from wait_begin; 0: nothing is recorded */
    uint64_t end_ns;
    uint64_t bytes;
    uintptr_t site; /* waits on sets of descriptors: the caller's address; else 0 */
    uint32_t endpoint;
    int32_t fd; /* -1: none */
    int32_t result;
    int32_t epoll; /* with site: the epoll descriptor, -1 for poll and select */
    uint16_t call;
    uint16_t flags; /* WAIT_* */
    uint16_t error;
    uint16_t fds;         /* descriptors waited on */
    uint32_t owner;       /* locks: thread that had it, 0 where not known */
    uint32_t owner_stack; /* where it was when it left it */
};

/* Time at which the call begins, 0 where it is not to be recorded. */
static inline uint64_t wait_begin(void)
{
    if (unlikely(!recorder_on()) && !recorder_on_after_fork())
        return 0;
    if (unlikely(thread_self.in_vfork || thread_self.composite) &&
        (thread_self.in_vfork || thread_mark_holds(&thread_self, thread_self.composite, FRAME_ADDRESS)))
        return 0;
    return clock_now();
}

/* Records what the call did. Reads errno only through w->error; never changes it. */
void wait_end(const struct wait *w);

/* wait_end in two steps, for waits after which others wait for this thread (locks). wait_chosen draws, once for each
   wait: true, it is to be recorded with its stack, at once; false, it is only counted, which can be done later. */
bool wait_chosen(uint64_t duration_ns);
void wait_end_drawn(const struct wait *w, bool chosen);

/* A call on one descriptor: result < 0 failed with errno, else the number of bytes. */
void wait_end_fd(enum call_number call, int fd, uint64_t begin_ns, long result);
/* A call that was answered at once: counted, without time. */
void wait_none(enum call_number call, int fd, long result);
/* wait_end_fd where the result is not the number of bytes. */
void wait_end_bytes(enum call_number call, int fd, uint64_t begin_ns, long result, uint64_t bytes);
/* wait_end_bytes for a call that ended at `end_ns`. */
void wait_end_until(enum call_number call, int fd, uint64_t begin_ns, uint64_t end_ns, long result, uint64_t bytes);
/* connect: names the descriptor's peer. One in non-blocking mode did not wait: it is counted, without time. */
void wait_end_connect(int fd, uint64_t begin_ns, int result, const struct sockaddr *address, socklen_t length,
                      bool waited);
/* A call on a descriptor whose endpoint was found before it (close). */
void wait_end_at(enum call_number call, int fd, uint32_t endpoint, uint64_t begin_ns, long result);
/* Readiness of one descriptor (fd -1: none, a sleep): an ordinary wait for its peer. */
void wait_end_ready(enum call_number call, int fd, uint64_t begin_ns, int result);
/* A call without a descriptor; error: errno or pthread error number, 0 success. */
void wait_end_plain(enum call_number call, uint64_t begin_ns, long result, int error);
/* A call about a name, path or command. */
void wait_end_named(enum call_number call, uint64_t begin_ns, long result, int error, enum endpoint_kind kind,
                    const char *name);
/* A wait on a set of descriptors: site = return address of the hook, epoll = the set's descriptor (-1: poll, select),
   fds = how many are watched. Site and set together tell a loop's own wait from another one made inside it through the
   same library. */
void wait_end_set(enum call_number call, uintptr_t site, int epoll, uint64_t begin_ns, int result, uint32_t fds);

/* Whether a poll or select of one descriptor is made at a place where the calling thread otherwise waits on sets: a
   loop that has one client at the moment, or only its listener. A driver that waits for its one connection, and now and
   then for two, is none. Python's loops and drivers share one place: never there. */
bool wait_is_loops_own(uintptr_t site, int fd);

/*
 * A call that may itself wait in hooked functions (a resolver's plug-ins, system): what happens inside is part of it
 * and not recorded again. The mark is an address, so that leaving by longjmp, cancellation or an exception needs no
 * clean-up.
 */
static inline void wait_composite_begin(uintptr_t frame)
{
    if (!thread_mark_holds(&thread_self, thread_self.composite, frame))
        thread_self.composite = frame;
}
static inline void wait_composite_end(uintptr_t frame)
{
    if (thread_self.composite == frame)
        thread_self.composite = 0;
}

#endif
