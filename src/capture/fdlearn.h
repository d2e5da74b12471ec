/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What can be found out about a descriptor that was there before anybody looked: fdtable's eyes. System calls only. */
#ifndef CPROBE_CAPTURE_FDLEARN_H
#define CPROBE_CAPTURE_FDLEARN_H

#include <stdint.h>
#include <sys/types.h>

#include "trace/format.h"

/* readlink of /proc/self/fd/FD */
long fd_readlink(int fd, char *out, size_t size);

/* mode: st_mode */
enum endpoint_kind fd_kind(int fd, mode_t mode);

/* FD_* flags of a socket, and of a connection that was accepted its endpoint. Which side this is shows in the
   addresses: see the definition. */
uint16_t fd_socket_flags(int fd, uint32_t *endpoint);

#endif
