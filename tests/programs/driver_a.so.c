/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A driver library for unloading.c: driver_wait waits. driver_b is the same under another name. */
#include <unistd.h>

int driver_wait(void);
int driver_wait(void)
{
    int result = usleep(20000);
    return result + 1;
}
