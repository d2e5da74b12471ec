/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kernel/fd_kinds.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/compiler.h"

#define VALID_NS UINT64_C(20000000)

static enum endpoint_kind kind_read(pid_t pid, int fd)
{
    static const struct {
        const char *beginning;
        enum endpoint_kind kind;
    } kinds[] = {
        {"socket:", ENDPOINT_SOCKET},
        {"pipe:", ENDPOINT_PIPE},
        {"anon_inode:[eventpoll]", ENDPOINT_WAITSET},
        {"anon_inode:[eventfd]", ENDPOINT_EVENTFD},
        {"anon_inode:[timerfd]", ENDPOINT_TIMERFD},
        {"/dev/pts/", ENDPOINT_TTY},
        {"/dev/tty", ENDPOINT_TTY},
        {"/", ENDPOINT_FILE},
    };
    char path[64], text[256];
    snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)pid, fd);
    ssize_t n = readlink(path, text, sizeof(text) - 1);
    if (n < 0)
        return ENDPOINT_NONE;
    text[n] = '\0';
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
        if (strncmp(text, kinds[i].beginning, strlen(kinds[i].beginning)) == 0)
            return kinds[i].kind;
    return ENDPOINT_OTHER;
}

enum endpoint_kind fd_kinds_get(struct fd_kinds *k, pid_t pid, int fd, uint64_t now_ns)
{
    size_t i = (size_t)(unsigned)fd % FD_KINDS;
    if (!k->known[i].read_ns || k->known[i].fd != fd || now_ns - k->known[i].read_ns > VALID_NS) {
        k->known[i].kind = kind_read(pid, fd);
        k->known[i].fd = fd;
        k->known[i].read_ns = now_ns;
    }
    return k->known[i].kind;
}
