/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "capture/thread.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "base/sys.h"
#include "capture/lock.h"
#include "capture/oncpu.h"
#include "capture/real.h"
#include "capture/recorder.h"
#include "capture/sampler.h"
#include "capture/serving.h"
#include "capture/slots.h"
#include "capture/stack.h"

/* Destructors run up to PTHREAD_DESTRUCTOR_ITERATIONS (4) times as long as keys are set again; the recorder leaves in
   the last round, so that waits in the program's own destructors are still recorded. */
#define LAST_ROUND 4

#define GUESSED_STACK (UINT64_C(256) << 10) /* of a thread that was not created through pthread_create */
#define MAIN_STACK_MAX (UINT64_C(64) << 20)

extern void *__libc_stack_end; /* ld.so: the main thread's stack at program start */

TLS_INITIAL_EXEC struct thread thread_self;

#define UNLIMITED_STACK (UINT64_C(2) << 20) /* glibc's default where ulimit -s is unlimited, pthread_attr_init(3) */

static uintptr_t default_stack = UNLIMITED_STACK; /* of threads created without attributes: RLIMIT_STACK at start */

/* glibc places the thread control block at the top of a thread's stack, so the thread pointer bounds it. */
static uintptr_t thread_pointer(void)
{
    uintptr_t tp;
    __asm__("mov %%fs:0, %0" : "=r"(tp));
    return tp;
}

void thread_init(void)
{
    struct rlimit limit = {8u << 20, 8u << 20};
    SYS_CALL(SYS_prlimit64, 0, RLIMIT_STACK, NULL, &limit, 0, 0);
    uint64_t size = limit.rlim_cur < MAIN_STACK_MAX ? limit.rlim_cur : MAIN_STACK_MAX;
    uintptr_t main_high = (uintptr_t)__libc_stack_end;
    if (limit.rlim_cur != RLIM_INFINITY)
        default_stack = limit.rlim_cur;
    thread_self.stack = (struct unwind_bounds){main_high - size, main_high};
    thread_self.start_ns = clock_now();
}

uintptr_t thread_default_stack(void)
{
    return default_stack;
}

void thread_begin(uintptr_t size)
{
    struct thread *t = &thread_self;
    uintptr_t high = thread_pointer();
    t->stack = (struct unwind_bounds){high - size, high};
    t->start_ns = clock_now();
}

static void write_event(const struct thread *t, const char *name)
{
    uint32_t cursor = sizeof(struct event_thread);
    size_t length = strnlen(name, 16);
    if (writer_log_scarce(&recorder.writer))
        return; /* the slot has the name for as long as it is the thread's */
    struct event_thread *e = (void *)writer_log_reserve(&recorder.writer, cursor, (uint32_t)length);
    if (!e)
        return;
    e->header.time_ns = clock_now();
    e->start_ns = t->start_ns;
    e->tid = t->tid;
    e->slot = t->slot->number;
    e->name = writer_log_string(&e->header, &cursor, name, length);
    writer_log_commit(&e->header, EVENT_THREAD);
}

bool thread_prepare(struct thread *t, uint64_t now_ns)
{
    if (t->ended || load_relaxed(&recorder.writer.frozen))
        return false;
    if (!t->stack.high) {
        uintptr_t high = thread_pointer();
        t->stack = (struct unwind_bounds){high - GUESSED_STACK, high};
    }
    if (!t->start_ns)
        t->start_ns = now_ns;
    t->tid = (uint32_t)sys_gettid();
    t->random = (((uint64_t)add_relaxed(&recorder.unique, 1) << 32) ^ now_ns ^ t->tid) | 1;
    t->credit_ns = sampler_draw(&t->random, recorder.settings.sample_ns);
    t->owner_credit_ns = sampler_draw(&t->random, recorder.settings.sample_ns);
    t->request_shift = 0;
    t->request_credit_ns = sampler_draw(&t->random, recorder.settings.sample_ns);
    t->slot = slot_take(t->tid, t->start_ns);
    if (!t->slot) {
        writer_lose(&recorder.writer, TRACE_LOST_RING_FULL, 1);
        return false;
    }
    SYS_CALL(SYS_prctl, PR_GET_NAME, t->slot->data->name, 0, 0, 0, 0);
    write_event(t, t->slot->data->name);
    if (recorder.thread_key >= 0)
        REAL(pthread_setspecific)((pthread_key_t)recorder.thread_key, t);
    return true;
}

void thread_complete(struct thread *t, uint64_t now_ns)
{
    if (!t->slot)
        return;
    struct trace_thread_slot *data = t->slot->data;
    data->cpu_last_ns = clock_thread_cpu();
    data->cpu_last_at_ns = now_ns;
    if (!data->cpu_first_at_ns) {
        data->cpu_first_ns = 0; /* CPU clocks start with the thread */
        data->cpu_first_at_ns = data->start_ns;
    }
    SYS_CALL(SYS_prctl, PR_GET_NAME, data->name, 0, 0, 0, 0);
    store_release(&data->end_ns, now_ns);
}

void thread_reopen(struct thread *t)
{
    store_release(&t->slot->data->end_ns, 0);
}

void thread_exit(void *value)
{
    struct thread *t = value;
    if (++t->rounds < LAST_ROUND) {
        REAL(pthread_setspecific)((pthread_key_t)recorder.thread_key, t);
        return;
    }
    lock_thread_ended();
    if (!t->slot || load_relaxed(&recorder.writer.frozen))
        return;
    t->ended = 1;
    oncpu_unwatch(t);
    thread_complete(t, clock_now());
    writer_ring_release(&recorder.writer, t->ring);
    slot_give(t->slot);
    t->slot = NULL;
    t->ring = NULL;
    memset(t->quick, 0, sizeof(t->quick));
    serving_forget(t);
    if (t->scratch)
        sys_munmap(t->scratch, sizeof(*t->scratch));
    t->scratch = NULL;
}

void thread_forked(struct thread *t)
{
    struct unwind_bounds stack = t->stack;
    struct scratch *scratch = t->scratch;
    struct fibers *fibers = t->fibers;
    void *alternate_stack = t->alternate_stack; /* timers are not inherited, memory is */
    memset(t, 0, sizeof(*t));
    t->alternate_stack = alternate_stack;
    t->stack = stack;
    t->scratch = scratch;
    t->fibers = fibers;
    t->start_ns = clock_now();
}
