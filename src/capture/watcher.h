/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who moves the breakpoints from word to word, and what that may cost.
 *
 * It is a thread of its own. The program's threads would have to be asked in hooks: then a program that computes
 * without calling anything would never be watched, arming (up to some hundred µs) would be added to somebody's request,
 * and every lock would pay for looking at a deadline. The thread exists only where something is watched and the program
 * has several threads; it has all signals blocked but SIGTRAP, is not recorded, and ends when it would be the last one.
 * Its table of descriptors is its own (close_range(2), CLOSE_RANGE_UNSHARE): breakpoints take none of the program's,
 * and no loop of the program can close them. After fork the child has none, until it creates a thread itself.
 *
 * What a window costs is measured and paid from two accounts that fill up with time, each with 0.4 % of the processors
 * that the program can use: arming, and the traps (their handlers, what the kernel needs for one, and the time for
 * which threads are held). With nothing left nothing is armed, and no thread is held.
 *
 * Words of ranges drawn from the watchlist are armed for writes first; those that are written then for all accesses,
 * with threads held (trap.h). Where one learns that locks protect a word it is left.
 */
#ifndef CPROBE_CAPTURE_WATCHER_H
#define CPROBE_CAPTURE_WATCHER_H

#include "base/compiler.h"

/* At start. */
void watcher_init(void);

/* Threads were created. Any thread. */
void watcher_news(void);

/* Writes what was done so far (event WATCHING). At the end of the process; any thread. */
void watcher_tell(void);

/* Ends the watching for good, before the process may make no more system calls of its choice. Waits for a moment. */
void watcher_stop(void);

/* In the child after fork. */
void watcher_forked(void);

#endif
