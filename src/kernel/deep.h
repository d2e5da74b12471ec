/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The stack of one thread, put together from the records of which it was copied in parts. Not thread-safe. */
#ifndef CPROBE_KERNEL_DEEP_H
#define CPROBE_KERNEL_DEEP_H

#include <linux/types.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/offcpu.h"

struct deep;

/* Keeps a part until its stack comes. *deep: NULL at first, to be freed by deep_free. Parts that do not follow each
   other are left out with all behind them. */
void deep_add(struct deep **deep, const struct offcpu_stack_part *part);
void deep_free(struct deep *deep);

/* The bytes of this stack from its stack pointer upwards, with the parts that belong to it; *size says how many. Valid
   until the next call with `deep`; `deep` may be NULL. */
const uint8_t *deep_bytes(struct deep *deep, const struct offcpu_stack *stack, size_t *size);

#endif
