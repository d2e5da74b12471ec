/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What recording through the kernel needs, and which of it is there. */
#ifndef CPROBE_KERNEL_SUPPORT_H
#define CPROBE_KERNEL_SUPPORT_H

#include <stdbool.h>
#include <stddef.h>

/* One thing that is needed or useful. Strings live as long as the program. */
struct support {
    const char *name;
    bool there;
    bool needed;         /* without it nothing is recorded through the kernel */
    const char *meaning; /* what it is good for, or what to do where it is missing */
};

size_t support_count(void);
struct support support_at(size_t i);

/* 0, or -EPERM (a privilege is missing) or -ENOTSUP (the kernel or this build lacks something) with a sentence that
   says what is missing. */
int support_check(char *error, size_t error_size);

/* What recording through the kernel adds to preloading, and what it needs: for those who have to do without. */
const char *support_explanation(void);

#endif
