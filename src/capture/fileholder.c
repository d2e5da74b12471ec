/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "capture/fileholder.h"

#include <stdbool.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "capture/procfile.h"

/* 1: FLOCK  ADVISORY  WRITE 4711 08:01:1234 0 EOF; those who wait have "->" before the kind. */
uint32_t fileholder_parse(const char *line, dev_t device, ino_t inode)
{
    uint64_t pid, upper, lower, number;
    const char *p = strchr(line, ':');
    if (!p || strncmp(p, ": FLOCK ", 8) != 0)
        return 0;
    p += 2;
    for (int words = 0; words < 3; words++) { /* the kind, how binding it is, how it is shared */
        p += strcspn(p, " ");
        p += strspn(p, " ");
    }
    if (!(p = procfile_number(p, 10, ' ', &pid)) || !(p = procfile_number(p, 16, ':', &upper)) ||
        !(p = procfile_number(p, 16, ':', &lower)) || !procfile_number(p, 10, ' ', &number))
        return 0;
    return upper == major(device) && lower == minor(device) && number == inode ? (uint32_t)pid : 0;
}

struct search {
    dev_t device;
    ino_t inode;
    uint32_t pid;
};

static bool search_line(void *context, const char *line)
{
    struct search *s = context;
    s->pid = fileholder_parse(line, s->device, s->inode);
    return s->pid != 0;
}

uint32_t fileholder_find(dev_t device, ino_t inode)
{
    struct search s = {device, inode, 0};
    procfile_lines("/proc/locks", search_line, &s);
    return s.pid;
}
