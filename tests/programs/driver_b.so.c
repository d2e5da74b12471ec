/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A driver library for unloading.c: the twin of driver_a, loaded where that was. */
#include <unistd.h>

int driver_wait(void);
int driver_wait(void)
{
    int result = usleep(20000);
    return result + 1;
}
