/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which process has a file locked with flock: the kernel's list, /proc/locks (proc(5)), read anew each time. No
 * allocation, no locks; any thread. errno stays as it was.
 */
#ifndef CPROBE_CAPTURE_FILEHOLDER_H
#define CPROBE_CAPTURE_FILEHOLDER_H

#include <stdint.h>
#include <sys/types.h>

/* The process that took the lock, 0: not found. Where several share it, one of them. */
uint32_t fileholder_find(dev_t device, ino_t inode);

/* The same from one line of the list. */
uint32_t fileholder_parse(const char *line, dev_t device, ino_t inode);

#endif
