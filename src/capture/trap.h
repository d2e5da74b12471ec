/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What happens in a thread that touches a word with a breakpoint: the signal handler, which notes the access, and holds
 * the thread for a bounded moment where another thread has been at the same word without a lock in common. Whoever
 * touches the word during that moment was kept away by nothing.
 *
 * A word is filled by the watcher (trap_word_arm) while no breakpoint on it is on, written by the handlers of any
 * thread, and read by the watcher again after the breakpoints are off and trap_word_quiet() says that no handler is
 * under way. How what was noted is judged: conflict.h.
 *
 * The handler runs with all signals blocked, on the thread's alternate stack where it has one. It makes no call but
 * process_vm_readv and futex. A signal that arrives late (SIGTRAP was blocked at the access: TRAP_PERF_FLAG_ASYNC) is
 * ignored. What is not the recorder's goes to the program's own action (sigtrap.h).
 */
#ifndef CPROBE_CAPTURE_TRAP_H
#define CPROBE_CAPTURE_TRAP_H

#include <stdbool.h>
#include <stdint.h>

#include "capture/insn.h"
#include "capture/watchlist.h"

#define TRAP_WORDS 4 /* debug registers of the processor */
#define TRAP_ACCESSES 48
#define TRAP_LOCKS 4
#define TRAP_HOLDS 4       /* at one word in one window */
#define TRAP_COST_NS 25000 /* of a hit, beside the handler's own time: measured 17 to 26 µs on virtual machines */

enum trap_flags {
    TRAP_LOCKED = 0x01, /* one access to all processors, or of the C library's locks */
    TRAP_UNSURE = 0x02, /* instruction or address not known for certain: never proof of anything */
    TRAP_EXACT = 0x04,  /* `value` was read from the register or the instruction, not from memory afterwards */
    TRAP_LINKED = 0x08, /* a store of a pointer to memory that holds what this thread had loaded here before */
};

struct trap_access {
    uint64_t time_ns;
    uint64_t until_ns; /* held until then; 0: not held */
    uint64_t value;    /* loaded or stored; of `size` bytes */
    uint64_t memory;   /* the word's bytes right afterwards */
    uintptr_t begin;   /* of the instruction */
    uintptr_t end;
    uintptr_t locks[TRAP_LOCKS]; /* held; bit 0: for reading */
    uint32_t lock_count;         /* TRAP_LOCKS: perhaps more */
    uint32_t tid;
    uint32_t stack; /* 0: not taken */
    uint32_t lockset;
    uint32_t ready; /* stored last (release) */
    uint8_t access; /* enum insn_access */
    uint8_t size;   /* bytes */
    uint8_t offset; /* in the word */
    uint8_t flags;  /* enum trap_flags */
    uint8_t data;   /* register, as in struct insn */
};

struct trap_word {
    uintptr_t address;
    uint8_t length; /* bytes */
    bool reads;     /* reads are noted too, and threads held */
    uint32_t epoch; /* which window this is: late signals of another one are told apart */
    struct watch_range range;
    uint64_t hold_ns;
    uint32_t gone;   /* the memory was freed meanwhile */
    uint32_t inside; /* handlers under way: never reset, as late ones come and go at any time */
    uint32_t holder; /* thread being held; 0: none */
    uint32_t bell;   /* futex: changes when the holder is to go on */
    uint32_t holds;
    uint32_t count; /* accesses; may be more than there is room for */
    uint32_t hits;  /* signals since the breakpoints were last asked how often they fired */
    struct trap_access accesses[TRAP_ACCESSES];
};

extern HIDDEN struct trap_word trap_words[TRAP_WORDS];

/* What was done so far. Any thread. */
struct trap_totals {
    uint64_t traps, holds, ns;
};
extern HIDDEN struct trap_totals trap_totals;

/* CPU time that may yet be used, ns; negative: overdrawn. Any thread. */
extern HIDDEN int64_t trap_budget_ns;

/* Takes SIGTRAP, keeping the program's action. 0 or negative errno. Once per process; forked children have it too. */
int trap_init(void);

/* Makes a word ready. The watcher, with all breakpoints off and the word quiet. */
void trap_word_arm(struct trap_word *w, const struct watch_range *range, uintptr_t address, unsigned length, bool reads,
                   uint64_t hold_ns);
/* What the signal of this word carries. */
uint64_t trap_data(const struct trap_word *w);
/* Lets a held thread go and waits until no handler works on the word. False: one never ended; the word is not to be
   used in this window. */
bool trap_word_quiet(struct trap_word *w);

/* Whether two accesses have a lock in common that keeps them apart (not both for reading); also where one holds more
   locks than are noted. */
bool trap_locked(const struct trap_access *a, const struct trap_access *b);
/* Whether they touch the same bytes. */
bool trap_overlap(const struct trap_access *a, const struct trap_access *b);

/* Memory is about to be freed: what is noted of it from now on is of somebody else. */
void trap_leaving(uintptr_t start, uint32_t size);

/* Touches a word of the recorder's own that has a breakpoint on the calling thread. How often that was noticed. */
uint32_t trap_test(void);
extern HIDDEN uint64_t trap_test_word;
#define TRAP_TEST_DATA UINT64_C(0x637072626f745354)

#endif
