/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether code could order threads by itself, without any call that is interposed: by atomic instructions, fences, or
 * by spinning. Where it can, what looks like an unlocked change may be a lock-free structure or somebody's own lock.
 *
 * The functions of a stack are read, and all that they call, up to a limit. Whatever is not understood makes the answer
 * no: calls through registers and memory (but those that lead to the next frame), jump tables, generated code, code
 * without call frame information. libc and the compiler's runtime are not looked into: there, what orders threads is
 * interposed.
 *
 * Plain stores and loads order threads on x86-64 as well (a ring between one producer and one consumer); no reading of
 * code tells those from a race.
 */
#ifndef CPROBE_CAPTURE_PLAIN_H
#define CPROBE_CAPTURE_PLAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PLAIN_FUNCTIONS 128u /* looked at in one question, */
#define PLAIN_BYTES 32768u   /* with so much code: about 100 µs */

/* frames: return addresses, innermost first, of a complete stack. True: certainly plain. Reads mapped code only; takes
   about 2 KiB of stack; any thread. */
bool plain_stack(const uint64_t *frames, size_t count);

#endif
