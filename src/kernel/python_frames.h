/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CPROBE_KERNEL_PYTHON_FRAMES_H
#define CPROBE_KERNEL_PYTHON_FRAMES_H

#include "kernel/codes.h"

/*
 * The frames that were copied, as PY_FRAME of trace/format.h, innermost first; at most `max`, *count says how many.
 * False: the chain leads to something that is not a frame, or code could not be read. Adds STACK_TRUNCATED to *flags
 * where there were more.
 */
bool python_frames_take(struct codes *codes, const struct python_layout *layout, const struct offcpu_python *record,
                        uint64_t *out, size_t max, size_t *count, uint16_t *flags);

#endif
