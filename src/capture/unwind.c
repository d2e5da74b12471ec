/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "capture/unwind.h"

#include <stdbool.h>
#include <string.h>
#include <sys/uio.h>
#include <ucontext.h>

#include "base/compiler.h"
#include "base/sys.h"
#include "capture/cfi.h"
#include "capture/modules.h"
#include "trace/format.h"

#define CACHE_SIZE 8192u /* entries of 16 bytes; only the pages in use are resident */

/*
 * Rules by address, shared by all threads without a lock: the key is stored combined with the rule, so that a torn pair
 * (two threads writing one entry) does not verify. Source: R. Hyatt, T. Mann, "A lockless transposition table
 * implementation", ICGA Journal 25(1), 2002.
 */
static struct {
    uint64_t check; /* key ^ rule */
    uint64_t rule;
} cache[CACHE_SIZE];

struct walk {
    struct unwind_registers at;
    bool exact; /* at.pc is an instruction, not a return address */
    struct unwind_bounds stack;
    struct unwind_bounds foreign; /* address range that `copy` holds */
    const char *copy;
};

static struct cfi_rule rule_find(uintptr_t pc)
{
    uint64_t key = pc ^ ((uint64_t)modules_generation() << 48);
    uint64_t slot = (key * UINT64_C(0x9E3779B97F4A7C15)) >> 51;
    struct cfi_rule rule;
    uint64_t word = load_relaxed(&cache[slot].rule);
    if (likely((load_relaxed(&cache[slot].check) ^ word) == key && word)) {
        memcpy(&rule, &word, sizeof(rule));
        return rule;
    }
    const struct module *m = modules_find(pc);
    rule = m ? cfi_find(m->eh_frame_hdr, pc) : (struct cfi_rule){.kind = CFI_NONE};
    memcpy(&word, &rule, sizeof(word));
    if (word) { /* CFI_NONE is not cached: the code may be new */
        store_relaxed(&cache[slot].check, key ^ word);
        store_relaxed(&cache[slot].rule, word);
    }
    return rule;
}

static bool read_word(const struct walk *w, uintptr_t address, uintptr_t *out)
{
    if (address & 7)
        return false;
    if (address >= w->stack.low && address < w->stack.high) {
        *out = *(const uintptr_t *)address;
        return true;
    }
    if (address >= w->foreign.low && address < w->foreign.high) {
        memcpy(out, w->copy + (address - w->foreign.low), sizeof(*out));
        return true;
    }
    return false;
}

/* Copies [sp, sp + UNWIND_SCRATCH) as far as it is readable, page by page, without risking a fault. */
static void copy_foreign(struct walk *w, char *scratch, uintptr_t sp)
{
    struct iovec remote[UNWIND_SCRATCH / TRACE_PAGE + 1];
    struct iovec local = {scratch, UNWIND_SCRATCH};
    size_t n = 0, left = UNWIND_SCRATCH;
    for (uintptr_t a = sp; left; n++) {
        size_t size = TRACE_PAGE - (a & (TRACE_PAGE - 1));
        size = size < left ? size : left;
        remote[n] = (struct iovec){(void *)a, size};
        a += size;
        left -= size;
    }
    long got = SYS_CALL(SYS_process_vm_readv, sys_gettid(), &local, 1, remote, n, 0);
    if (got <= 0)
        return;
    w->copy = scratch;
    w->foreign = (struct unwind_bounds){sp, sp + ((uintptr_t)got & ~(uintptr_t)7)};
}

static void choose_stack(struct walk *w, const struct unwind_bounds *bounds, char *scratch, uint16_t *flags)
{
    if (w->at.sp >= bounds->low && w->at.sp < bounds->high) {
        w->stack = (struct unwind_bounds){w->at.sp & ~(uintptr_t)7, bounds->high & ~(uintptr_t)7};
        return;
    }
    *flags |= STACK_FOREIGN;
    if (scratch)
        copy_foreign(w, scratch, w->at.sp & ~(uintptr_t)7);
}

static bool step_frame_pointer(struct walk *w)
{
    uintptr_t bp, pc;
    if (w->at.bp < w->at.sp || !read_word(w, w->at.bp, &bp) || !read_word(w, w->at.bp + 8, &pc))
        return false;
    w->at = (struct unwind_registers){pc, w->at.bp + 16, bp};
    return true;
}

/* The kernel's signal frame: at the handler's return sp points to the ucontext (arch/x86/kernel/signal_64.c, struct
 * rt_sigframe). */
static bool step_signal(struct walk *w, const struct unwind_bounds *bounds)
{
    uintptr_t gregs = w->at.sp + offsetof(ucontext_t, uc_mcontext.gregs);
    struct unwind_registers r;
    if (!read_word(w, gregs + REG_RIP * 8, &r.pc) || !read_word(w, gregs + REG_RSP * 8, &r.sp) ||
        !read_word(w, gregs + REG_RBP * 8, &r.bp))
        return false;
    w->at = r;
    w->exact = true;
    if (r.sp >= bounds->low && r.sp < bounds->high) /* from a sigaltstack back to the thread's own */
        w->stack = (struct unwind_bounds){r.sp & ~(uintptr_t)7, bounds->high & ~(uintptr_t)7};
    return true;
}

static bool step_cfa(struct walk *w, struct cfi_rule rule)
{
    uintptr_t cfa, pc, bp = w->at.bp;
    switch (rule.kind) {
    case CFI_RSP:
        cfa = w->at.sp + (uintptr_t)(int64_t)rule.cfa_offset;
        break;
    case CFI_RBP:
        cfa = w->at.bp + (uintptr_t)(int64_t)rule.cfa_offset;
        break;
    case CFI_RBP_DEREF:
        if (!read_word(w, w->at.bp + (uintptr_t)(int64_t)rule.cfa_offset, &cfa))
            return false;
        break;
    case CFI_PLT:
        cfa = w->at.sp + 8 + ((intptr_t)(w->at.pc & 15) >= rule.cfa_offset ? 8 : 0);
        break;
    default:
        return false;
    }
    if (cfa <= w->at.sp || !read_word(w, cfa - 8, &pc))
        return false;
    uintptr_t slot = (rule.rbp_by_rbp ? w->at.bp : cfa) + (uintptr_t)(int64_t)rule.rbp_offset;
    if (rule.rbp_saved && slot >= w->at.sp && !read_word(w, slot, &bp)) /* below sp: has been popped already */
        return false;
    w->at = (struct unwind_registers){pc, cfa, bp};
    return true;
}

/* One step outwards. False at the end; *flags tells whether it was the real one. */
static bool step(struct walk *w, const struct unwind_bounds *bounds, uint16_t *flags)
{
    struct cfi_rule rule = rule_find(w->exact ? w->at.pc : w->at.pc - 1);
    w->exact = false;
    bool moved = false;
    if (rule.kind == CFI_END)
        *flags |= STACK_COMPLETE;
    else if (rule.kind == CFI_SIGNAL)
        moved = step_signal(w, bounds);
    else if (rule.kind == CFI_NONE)
        moved = step_frame_pointer(w);
    else
        moved = step_cfa(w, rule);
    if (moved && w->at.pc == 0) { /* thread start by convention */
        *flags |= STACK_COMPLETE;
        return false;
    }
    return moved && w->at.pc >= TRACE_PAGE;
}

static size_t walk_out(struct walk *w, const struct unwind_bounds *bounds, uint64_t *out, size_t max, uint16_t *flags)
{
    size_t n = 0;
    while (step(w, bounds, flags)) {
        if (n == 0 && modules_own(w->at.pc))
            continue;
        if (n == max) {
            *flags |= STACK_TRUNCATED;
            break;
        }
        out[n++] = w->at.pc;
    }
    return n;
}

NOINLINE size_t unwind_stack(const struct unwind_bounds *bounds, char *scratch, uint64_t *out, size_t max,
                             uint16_t *flags)
{
    struct walk w = {.exact = true};
    __asm__ volatile("lea 0(%%rip), %0\n\tmov %%rsp, %1\n\tmov %%rbp, %2" /* none of them may be rbp itself */
                     : "=a"(w.at.pc), "=c"(w.at.sp), "=d"(w.at.bp));
    choose_stack(&w, bounds, scratch, flags);
    return walk_out(&w, bounds, out, max, flags);
}

size_t unwind_interrupted(const struct unwind_registers *at, const struct unwind_bounds *bounds, char *scratch,
                          uint64_t *out, size_t max, uint16_t *flags)
{
    struct walk w = {.at = *at, .exact = true};
    if (max == 0)
        return 0;
    out[0] = at->pc;
    *flags |= STACK_EXACT_PC;
    choose_stack(&w, bounds, scratch, flags);
    return 1 + walk_out(&w, bounds, out + 1, max - 1, flags);
}
