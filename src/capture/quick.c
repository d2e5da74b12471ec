/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "capture/quick.h"

#include <errno.h>

#include "capture/fdtable.h"
#include "capture/real.h"
#include "capture/thread.h"

void quick_open(void)
{
    char *tp = quick_thread_pointer();
    recorder_gate.thread = (uintptr_t)((char *)&thread_self - tp);
    recorder_gate.error = (uintptr_t)((char *)&errno - tp);
    recorder_gate.send = REAL(send);
    recorder_gate.recv = REAL(recv);
    store_release(&recorder_gate.fds, QUICK_FDS);
}

void quick_close(void)
{
    store_relaxed(&recorder_gate.fds, 0);
}

void quick_remember(enum quick_call call, int fd, struct trace_counter *counter)
{
    struct quick_counter *q = &thread_self.quick[call];
    const struct fd_entry *e = fd_entry_at(fd);
    const uint16_t other = FD_NONBLOCK | FD_LOWAT | FD_TALKS | FD_CONNECTING | FD_ASKS;
    uint64_t word = e ? load_relaxed(&e->word) : 0;
    uint16_t flags = (uint16_t)(word >> 32);
    if (!counter || (flags & (FD_KNOWN | other)) != FD_KNOWN || counter->endpoint != (uint32_t)word ||
        counter->flags != (flags & FD_SERVER ? WAIT_SERVER_SIDE : 0))
        return;
    q->counter = NULL;
    signal_fence();
    q->word = word;
    signal_fence();
    q->counter = counter;
    quick_enter(fd);
}

/*
 * Whoever changes an entry clears the copy afterwards. If that was before this copy was made, then the change itself
 * was too, and is seen by the second look: the fence keeps that behind the store.
 */
void quick_enter(int fd)
{
    const struct fd_entry *e = fd_entry_at(fd);
    if ((uint32_t)fd >= load_relaxed(&recorder_gate.fds) || !e || thread_self.in_vfork)
        return;
    uint64_t word = load_relaxed(&e->word);
    if (!(e->flags & FD_KNOWN) || load_relaxed(&recorder_gate.words[fd]) == word)
        return;
    store_relaxed(&recorder_gate.words[fd], word);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (load_relaxed(&e->word) != word)
        store_relaxed(&recorder_gate.words[fd], 0);
}
