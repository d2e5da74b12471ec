/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "capture/trap.h"

#include <errno.h>
#include <linux/futex.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>
#include <ucontext.h>

#include "capture/cfi.h"
#include "capture/clock.h"
#include "capture/locks.h"
#include "capture/modules.h"
#include "capture/sigtrap.h"
#include "capture/stack.h"

#define DATA_MAGIC UINT64_C(0x6370) /* upper 16 bits; then epoch, index */
#define FLAG_ASYNC 1u               /* TRAP_PERF_FLAG_ASYNC */
#define FUNCTION_MAX (256u << 10)   /* bytes that are decoded to find one instruction, once */
#define CACHE 512u                  /* lengths of instructions that ended where a trap was */
#define LINK_REACH 128              /* bytes of a new node in which the old one is looked for */
#define SPARES 4u                   /* stacks taken at once of threads that have no memory for it */
#define QUIET_NS 50000000

struct trap_word trap_words[TRAP_WORDS];
int64_t trap_budget_ns;
struct trap_totals trap_totals;
uint64_t trap_test_word;
static uint32_t tests_seen;
static struct scratch spares[SPARES]; /* only the pages in use are resident */
static uint32_t spares_taken[SPARES]; /* any */

/* Reads memory that another thread may be giving back to the kernel. By the thread's own id: the first thread, whose id
   is the process's, may have ended. */
static bool read_memory(uintptr_t address, void *out, size_t size)
{
    struct iovec local = {out, size}, remote = {(void *)address, size};
    return SYS_CALL(SYS_process_vm_readv, sys_gettid(), &local, 1, &remote, 1, 0) == (long)size;
}

/* ---- which instruction it was ---- */

static uint64_t lengths[CACHE]; /* module generation << 52 | length << 48 | address */

static bool find_insn(uintptr_t end, struct insn *insn)
{
    uint64_t key = (uint64_t)modules_generation() << 52 | (end & ((UINT64_C(1) << 48) - 1));
    uint64_t *slot = &lengths[(end * UINT64_C(0x9E3779B97F4A7C15)) >> 55];
    uint64_t known = load_relaxed(slot);
    if ((known & ~(UINT64_C(15) << 48)) == key && known) {
        unsigned length = known >> 48 & 15;
        return insn_decode((const uint8_t *)end - length, length, insn) == 0;
    }
    const struct module *m = modules_find(end - 1);
    uintptr_t behind, begin = m ? cfi_function(m->eh_frame_hdr, end - 1, &behind) : 0;
    if (!begin || end - begin > FUNCTION_MAX || insn_before((const uint8_t *)begin, (const uint8_t *)end, insn) < 0)
        return false;
    store_relaxed(slot, key | (uint64_t)insn->length << 48);
    return true;
}

static uint64_t reg(const greg_t *r, unsigned number)
{
    static const uint8_t order[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                                      REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};
    return (uint64_t)r[order[number & 15]];
}

/* Where it accessed memory; false: a register that it needed was overwritten by it. */
static bool find_address(const struct insn *i, const greg_t *r, uintptr_t *out)
{
    if (!i->memory || i->segment || i->repeated ||
        (i->access == INSN_READ && i->data < 16 && (i->data == i->base || i->data == i->index)))
        return false;
    uint64_t address = (uint64_t)(int64_t)i->displacement;
    if (i->base == INSN_RIP)
        address += (uint64_t)r[REG_RIP];
    else if (i->base < 16)
        address += reg(r, i->base);
    if (i->index < 16)
        address += reg(r, i->index) * i->scale;
    *out = address;
    return true;
}

static uint64_t masked(uint64_t value, unsigned size)
{
    return size >= 8 ? value : value & ((UINT64_C(1) << (8 * size)) - 1);
}

/* The part of it that lies in the word: offset, size, value. False: it does not touch the word, or is not known. */
static bool place(const struct trap_word *w, struct trap_access *a, const struct insn *i, const greg_t *r)
{
    uintptr_t at;
    if (i->access == INSN_NONE || i->size == 0)
        return false;
    if (!find_address(i, r, &at)) {
        /* as large as the word, and what was loaded is what is there: it was all of the word */
        if (i->size != w->length || i->data >= 16 || masked(reg(r, i->data), i->size) != a->memory)
            return false;
        at = w->address;
    }
    if (at + i->size <= w->address || at >= w->address + w->length)
        return false;
    uintptr_t from = at > w->address ? at : w->address;
    uintptr_t to = at + i->size < w->address + w->length ? at + i->size : w->address + w->length;
    a->offset = (uint8_t)(from - w->address);
    a->size = (uint8_t)(to - from);
    a->value = masked(a->memory >> (8 * a->offset), a->size);
    if (from != at || to != at + i->size || i->access == INSN_MODIFY || (i->data >= 16 && !i->has_value))
        return true;
    a->value = masked(i->data < 16 ? reg(r, i->data) : (uint64_t)i->value, a->size);
    a->flags |= TRAP_EXACT;
    return true;
}

/* The C library's own plain accesses are how its locks work; those of memcpy and the like are the program's. */
static bool runtime(uintptr_t pc)
{
    static const struct module *libc;
    if (!libc)
        libc = modules_find((uintptr_t)&__errno_location);
    return libc && pc >= libc->start && pc < libc->end;
}

static void describe(const struct trap_word *w, struct trap_access *a, const greg_t *r)
{
    struct insn insn = {.length = 0, .data = INSN_NO_REG};
    a->end = a->begin = (uintptr_t)r[REG_RIP];
    a->size = w->length;
    bool known = find_insn(a->end, &insn) && place(w, a, &insn, r);
    if (runtime(a->end) && !insn.repeated && insn.size <= 8)
        a->flags |= TRAP_LOCKED;
    if (known) {
        a->access = insn.access;
        a->data = insn.data;
        a->begin = a->end - insn.length;
        a->flags |= insn.locked ? TRAP_LOCKED : 0;
        return;
    }
    a->access = w->reads ? INSN_NONE : INSN_WRITE;
    a->data = INSN_NO_REG;
    a->value = a->memory;
    a->flags |= TRAP_UNSURE;
}

/* ---- locks ---- */

static void note_locks(struct trap_access *a)
{
    const struct lockset *s = &lockset_self;
    for (uint32_t i = 0; i < s->depth && a->lock_count < TRAP_LOCKS; i++)
        if (locks_held(&s->held[i]))
            a->locks[a->lock_count++] = s->held[i].lock << 1 | (s->held[i].flags & HELD_SHARED);
}

bool trap_locked(const struct trap_access *a, const struct trap_access *b)
{
    if (a->lock_count == TRAP_LOCKS || b->lock_count == TRAP_LOCKS)
        return true; /* there may be more */
    for (uint32_t i = 0; i < a->lock_count; i++)
        for (uint32_t j = 0; j < b->lock_count; j++)
            if (a->locks[i] >> 1 == b->locks[j] >> 1 && !(a->locks[i] & b->locks[j] & 1))
                return true;
    return false;
}

bool trap_overlap(const struct trap_access *a, const struct trap_access *b)
{
    return a->offset < b->offset + b->size && b->offset < a->offset + a->size;
}

/* ---- holding ---- */

static uint32_t count_of(const struct trap_word *w)
{
    uint32_t count = load_acquire(&w->count);
    return count < TRAP_ACCESSES ? count : TRAP_ACCESSES;
}

static bool writes(const struct trap_access *a)
{
    return a->access & INSN_WRITE;
}

/* Whether another thread was here without a lock in common, one of the two writing: it may come again. */
static bool contested(const struct trap_word *w, const struct trap_access *a)
{
    if (a->flags & (TRAP_LOCKED | TRAP_UNSURE) || a->access == INSN_NONE)
        return false;
    for (uint32_t i = 0, n = count_of(w); i < n; i++) {
        const struct trap_access *b = &w->accesses[i];
        if (b != a && load_acquire(&b->ready) && b->tid != a->tid && (writes(a) || writes(b)) &&
            !(b->flags & TRAP_LOCKED) && trap_overlap(a, b) && !trap_locked(a, b))
            return true;
    }
    return false;
}

static void ring(struct trap_word *w)
{
    __atomic_fetch_add(&w->bell, 1, __ATOMIC_RELEASE);
    SYS_CALL(SYS_futex, &w->bell, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static void hold(struct trap_word *w, struct trap_access *a)
{
    uint32_t none = 0, bell = load_acquire(&w->bell);
    if (load_relaxed(&w->holds) >= TRAP_HOLDS || load_relaxed(&trap_budget_ns) <= 0 ||
        !cas_acq_rel(&w->holder, &none, a->tid))
        return;
    add_relaxed(&w->holds, 1);
    add_relaxed(&trap_totals.holds, 1);
    uint64_t begin = clock_now(), now = begin, end = begin + w->hold_ns;
    store_relaxed(&a->until_ns, UINT64_MAX);
    store_release(&a->ready, 1);
    while (now < end && load_acquire(&w->bell) == bell && !load_relaxed(&w->gone)) {
        struct timespec rest = {0, (long)(end - now)};
        SYS_CALL(SYS_futex, &w->bell, FUTEX_WAIT_PRIVATE, bell, &rest, NULL, 0);
        now = clock_now();
    }
    store_release(&a->until_ns, clock_now());
    store_release(&w->holder, 0);
}

/* Another thread is being held at this word: is what this one does what was waited for? */
static void meet(struct trap_word *w, uint32_t holder, const struct trap_access *a)
{
    for (uint32_t i = count_of(w); i > 0; i--) {
        const struct trap_access *h = &w->accesses[i - 1];
        if (h->tid != holder || load_relaxed(&h->until_ns) != UINT64_MAX)
            continue;
        if (writes(a) && !trap_locked(a, h) && trap_overlap(a, h))
            ring(w);
        return;
    }
}

/* The latest access of this thread at which it was held. */
static const struct trap_access *held_before(const struct trap_word *w, const struct trap_access *a)
{
    for (uint32_t i = count_of(w); i > 0; i--) {
        const struct trap_access *b = &w->accesses[i - 1];
        if (b != a && b->tid == a->tid && load_acquire(&b->ready))
            return load_relaxed(&b->until_ns) ? b : NULL;
    }
    return NULL;
}

/* A list's head is replaced by a node that leads to the old head. */
static bool links(const struct trap_access *a, const struct trap_access *before)
{
    uint64_t node[LINK_REACH / sizeof(uint64_t)];
    if (!(a->flags & TRAP_EXACT) || a->access != INSN_WRITE || a->size != 8 || before->value < 4096 || (a->value & 7) ||
        a->value < 4096 || a->value == before->value || !read_memory(a->value, node, sizeof(node)))
        return false;
    for (size_t i = 0; i < sizeof(node) / sizeof(node[0]); i++)
        if (node[i] == before->value)
            return true;
    return false;
}

/* ---- the handler ---- */

/* A thread that has not waited yet has no slot, and nobody would give its scratch memory back when it ends. */
static bool scratch_borrow(struct thread *t)
{
    for (uint32_t i = 0; i < SPARES; i++)
        if (!exchange_acq_rel(&spares_taken[i], 1)) {
            t->scratch = &spares[i];
            return true;
        }
    return false;
}

static void scratch_return(struct thread *t)
{
    store_release(&spares_taken[t->scratch - spares], 0);
    t->scratch = NULL;
}

static void take_stack(struct thread *t, struct trap_access *a, const greg_t *r)
{
    struct unwind_registers at = {a->begin, (uintptr_t)r[REG_RSP], (uintptr_t)r[REG_RBP]};
    bool borrows = !t->scratch && !t->slot;
    a->lockset = locks_set(0);
    if (borrows && !scratch_borrow(t))
        return;
    a->stack = stack_capture_interrupted(t, &at);
    if (borrows)
        scratch_return(t);
}

static void note(struct trap_word *w, struct thread *t, const greg_t *r)
{
    uint32_t index = add_relaxed(&w->count, 1);
    if (index >= TRAP_ACCESSES || load_relaxed(&w->gone))
        return;
    struct trap_access *a = &w->accesses[index];
    a->time_ns = clock_now();
    a->tid = (uint32_t)sys_gettid();
    if (!read_memory(w->address, &a->memory, w->length))
        a->flags |= TRAP_UNSURE;
    describe(w, a, r);
    note_locks(a);
    uint32_t holder = load_acquire(&w->holder);
    const struct trap_access *before = held_before(w, a);
    bool waits = w->reads && !holder && contested(w, a);
    if (waits || holder || before)
        take_stack(t, a, r);
    if (before && links(a, before))
        a->flags |= TRAP_LINKED;
    if (waits)
        hold(w, a);
    store_release(&a->ready, 1);
    if (holder && holder != a->tid)
        meet(w, holder, a);
}

static struct trap_word *word_of(uint64_t data)
{
    struct trap_word *w = &trap_words[data & (TRAP_WORDS - 1)];
    return data == trap_data(w) ? w : NULL;
}

static void trapped(uint64_t data, uint32_t flags, const void *context)
{
    struct thread *t = &thread_self;
    const greg_t *r = ((const ucontext_t *)context)->uc_mcontext.gregs;
    if (data == TRAP_TEST_DATA)
        add_relaxed(&tests_seen, 1);
    struct trap_word *w = word_of(data);
    add_relaxed(&trap_words[data & (TRAP_WORDS - 1)].hits, data >> 48 == DATA_MAGIC);
    if (!w || flags & FLAG_ASYNC || t->in_vfork || !recorder_on() || modules_own((uintptr_t)r[REG_RIP]))
        return;
    uint64_t begin = clock_now();
    add_relaxed(&w->inside, 1);
    if (word_of(data) && thread_enter(t, FRAME_ADDRESS)) {
        note(w, t, r);
        thread_leave(t);
    }
    __atomic_fetch_sub(&w->inside, 1, __ATOMIC_RELEASE);
    /* what is beyond this the thread spent waiting for a processor, as it would have elsewhere */
    uint64_t most = w->hold_ns * 2 + TRAP_COST_NS, took = clock_now() - begin;
    uint64_t cost = (took < most ? took : most) + TRAP_COST_NS;
    __atomic_fetch_sub(&trap_budget_ns, (int64_t)cost, __ATOMIC_RELAXED);
    add_relaxed(&trap_totals.ns, cost);
    add_relaxed(&trap_totals.traps, 1);
}

int trap_init(void)
{
    return sigtrap_take(trapped);
}

uint64_t trap_data(const struct trap_word *w)
{
    return DATA_MAGIC << 48 | (uint64_t)load_acquire(&w->epoch) << 8 | (uint64_t)(w - trap_words);
}

uint32_t trap_test(void)
{
    uint32_t before = load_relaxed(&tests_seen);
    __atomic_store_n(&trap_test_word, trap_test_word + 1, __ATOMIC_SEQ_CST);
    signal_fence();
    return load_relaxed(&tests_seen) - before;
}

/* ---- the watcher's side ---- */

void trap_word_arm(struct trap_word *w, const struct watch_range *range, uintptr_t address, unsigned length, bool reads,
                   uint64_t hold_ns)
{
    memset(w->accesses, 0, sizeof(w->accesses[0]) * count_of(w));
    w->address = address;
    w->length = (uint8_t)length;
    w->reads = reads;
    w->range = *range;
    w->hold_ns = hold_ns;
    w->gone = w->holder = w->holds = w->count = 0; /* not inside: a late handler may be about to leave */
    store_release(&w->epoch, w->epoch + 1);
}

bool trap_word_quiet(struct trap_word *w)
{
    uint64_t begin = clock_now();
    store_release(&w->epoch, w->epoch + 1);
    ring(w);
    while (load_acquire(&w->inside)) {
        struct timespec moment = {0, 50000};
        if (clock_now() - begin > QUIET_NS)
            return false;
        SYS_CALL(SYS_nanosleep, &moment, NULL, 0, 0, 0, 0);
    }
    return true;
}

void trap_leaving(uintptr_t start, uint32_t size)
{
    for (int i = 0; i < TRAP_WORDS; i++) {
        uintptr_t at = load_relaxed(&trap_words[i].address);
        if (at >= start && at - start < size)
            store_relaxed(&trap_words[i].gone, 1);
    }
}
