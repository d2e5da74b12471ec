/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kernel/memory.h"

#include <sys/uio.h>

bool memory_read(pid_t pid, uint64_t address, void *to, size_t size)
{
    struct iovec local = {to, size}, remote = {(void *)(uintptr_t)address, size};
    return process_vm_readv(pid, &local, 1, &remote, 1, 0) == (ssize_t)size;
}
