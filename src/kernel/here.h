/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CPROBE_KERNEL_HERE_H
#define CPROBE_KERNEL_HERE_H

#include <stdbool.h>

#include "kernel/images.h"

/* Whether the file of this image can be found by its path from here, so that whoever reads the trace on this machine
   can look up functions in it: not where it was deleted, or replaced, or lies in a container. The same build counts. */
bool here_has(const struct image *image);

#endif
