/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which words are looked at next. Ranges drawn from the watchlist give new ones; those that turn out to be written are
 * suspects, which come again until it is known how they are protected. The watcher only.
 */
#ifndef CPROBE_CAPTURE_SUSPECTS_H
#define CPROBE_CAPTURE_SUSPECTS_H

#include <stdint.h>

#include "capture/trap.h"

/* Makes up to `most` of the trap_words ready, the first ones; returns how many. random: any bits. */
uint32_t suspects_choose(uint32_t most, uint64_t random);

/* The breakpoints are off: writes what was found at the word, and learns from it. */
void suspects_learn(struct trap_word *w);

void suspects_forked(void);

#endif
