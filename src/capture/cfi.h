/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Call frame information: from an address in code to the rule that finds the caller's registers.
 *
 * Source: DWARF 5 section 6.4; Linux Standard Base 5.0, "Exception Frames" (.eh_frame, .eh_frame_hdr); System V ABI
 * x86_64.
 *
 * Why not libunwind here: measured on version 1.6.2, its unw_step makes two rt_sigprocmask calls, a mincore and a write
 * to a pipe of its own for every frame (15 µs for 25 frames) and calls dl_iterate_phdr, whose lock a forked child may
 * inherit locked; its fast path (unw_backtrace, 0.2 µs) follows saved registers without checking them, and a greenlet's
 * outermost frame holds stale ones. A server must not be exposed to any of that. This reader makes no system call,
 * takes no lock and reads only inside the object's own unwind tables; the walk (unwind.c) reads only inside the stack.
 * The unit test compares it with libunwind frame by frame.
 */
#ifndef CPROBE_CAPTURE_CFI_H
#define CPROBE_CAPTURE_CFI_H

#include <stdint.h>

enum cfi_kind {
    CFI_NONE = 0,      /* no information: follow the frame pointer */
    CFI_RSP = 1,       /* CFA = rsp + offset */
    CFI_RBP = 2,       /* CFA = rbp + offset */
    CFI_RBP_DEREF = 3, /* CFA = *(rbp + offset): functions that realign their stack */
    CFI_PLT = 4,       /* CFA = rsp + 8 + ((rip & 15) >= offset) * 8: what linkers emit for .plt */
    CFI_SIGNAL = 5,    /* a signal frame: the interrupted registers are in the ucontext at rsp */
    CFI_END = 6,       /* the outermost frame: the return address is undefined */
    CFI_UNKNOWN = 7,   /* information is there but of a form that does not occur at calls: the walk ends */
};

/* One word, so that a cache entry can be read and written without a lock. The return address is always at CFA - 8. */
struct cfi_rule {
    uint64_t kind : 4;
    uint64_t rbp_saved : 1;  /* caller's rbp is at CFA + rbp_offset; else it is unchanged */
    uint64_t rbp_by_rbp : 1; /* … at rbp + rbp_offset: functions that realign their stack */
    uint64_t reserved : 2;
    int64_t cfa_offset : 28;
    int64_t rbp_offset : 28;
};
_Static_assert(sizeof(struct cfi_rule) == 8, "one word");

/* The rule at `pc` from the object whose PT_GNU_EH_FRAME segment is mapped at `eh_frame_hdr` (NULL: none). pc: an
   address inside the instruction in question, for callers the return address minus one. Pure; any thread. */
struct cfi_rule cfi_find(const void *eh_frame_hdr, uintptr_t pc);

/* Where the function (or the part of it) that contains `pc` begins, and *end: behind its last byte; 0: not known. Pure;
   any thread. */
uintptr_t cfi_function(const void *eh_frame_hdr, uintptr_t pc, uintptr_t *end);

#endif
