/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Locks that other processes may have as well: those made PTHREAD_PROCESS_SHARED, and named semaphores. What tells that
 * a lock of one process is that of another one is where it lies in what both have mapped: device, inode and offset
 * there, as /proc/self/maps has them (proc(5)); an anonymous shared mapping has an inode of its own.
 *
 * No allocation, no locks; any thread; async-signal-safe. errno stays as it was.
 */
#ifndef CPROBE_CAPTURE_SHARED_H
#define CPROBE_CAPTURE_SHARED_H

#include <stdbool.h>
#include <stdint.h>

struct shared_place {
    uint64_t device; /* major << 32 | minor */
    uint64_t inode;
    uint64_t offset;
};

/* Whether the lock was made to be shared, as glibc's own structs say. It is read: it must be there. */
bool shared_kind(uintptr_t lock, unsigned kind);

/* Finds the mapping of an address: a system call or several, with many mappings hundreds of microseconds. False: there
   is none, or it is not shared. */
bool shared_find(uintptr_t address, struct shared_place *out);

/* The mapping of an address in text as /proc/PID/maps has it. False: it is not there, or not a shared one. */
bool shared_parse(const char *line, uintptr_t address, struct shared_place *out);

#endif
