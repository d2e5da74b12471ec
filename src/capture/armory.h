/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The program's threads and their breakpoints. Threads are those of /proc/self/task, however they were created. One
 * that blocks SIGTRAP is left alone: the signal would wait, and might be what its sigwait() returns.
 *
 * At most ARMORY_EVENTS breakpoints are open at once; where there are more threads than that, a part of them drawn
 * anew now and then. Used by the watcher only, in whose table of descriptors they are.
 */
#ifndef CPROBE_CAPTURE_ARMORY_H
#define CPROBE_CAPTURE_ARMORY_H

#include <stdbool.h>
#include <stdint.h>

#define ARMORY_EVENTS 256u

/* Looks which threads there are. random: any bits. 0, or negative errno of the first breakpoint that could not be
   opened where none could. */
int armory_scan(uint32_t random);

/* The latest scan left new threads to the next one: only some are taken at a time. */
bool armory_incomplete(void);

/* Threads with breakpoints, and how many each has (0 … TRAP_WORDS). */
uint32_t armory_threads(void);
uint32_t armory_words(void);

/* Threads that there are, the watcher not counted, as of the latest scan. */
uint32_t armory_tasks(void);

/* Switches the breakpoints of the first `words` trap_words on for all threads, for `hits` hits each. */
void armory_arm(uint32_t words, uint32_t hits);
void armory_disarm(uint32_t words);

/* Closes everything. */
void armory_close(void);

/* In the child after fork: forgets everything; the descriptors are the parent's. */
void armory_forked(void);

#endif
