/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CPROBE_KERNEL_MEMORY_H
#define CPROBE_KERNEL_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Reads `size` bytes of another process (process_vm_readv). False: not all of them are there, or the process is gone.
 */
bool memory_read(pid_t pid, uint64_t address, void *to, size_t size);

#endif
