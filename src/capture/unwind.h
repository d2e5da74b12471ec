/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Walks the calling thread's native stack by call frame information (cfi.h), about 5 ns a frame once the rules are
 * cached. Frames without information (JIT code) are stepped over by frame pointer. Reads only inside the thread's own
 * stack, or, where the code runs on another (coroutine, sigaltstack), a copy of its nearest bytes made by the kernel:
 * stale or hostile contents cannot fault.
 */
#ifndef CPROBE_CAPTURE_UNWIND_H
#define CPROBE_CAPTURE_UNWIND_H

#include <stddef.h>
#include <stdint.h>

/* The stack of a thread: [low, high). low may be a guess that is too high by what the program has used since. */
struct unwind_bounds {
    uintptr_t low, high;
};

/*
 * Return addresses, innermost first, of the callers outside of libcprobe.so. Adds STACK_COMPLETE, STACK_TRUNCATED,
 * STACK_FOREIGN to *flags. scratch: UNWIND_SCRATCH bytes used for foreign stacks, NULL: such a stack gives what can be
 * read without.
 */
#define UNWIND_SCRATCH 16384
size_t unwind_stack(const struct unwind_bounds *bounds, char *scratch, uint64_t *out, size_t max, uint16_t *flags);

/* The same from registers that were interrupted by a signal (ucontext); out[0] is the exact pc. */
struct unwind_registers {
    uintptr_t pc, sp, bp;
};
size_t unwind_interrupted(const struct unwind_registers *at, const struct unwind_bounds *bounds, char *scratch,
                          uint64_t *out, size_t max, uint16_t *flags);

#endif
