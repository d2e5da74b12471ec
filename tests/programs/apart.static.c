/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Linked statically: a preload library is not loaded at all. Expected: "done", status 0, no trace and no word. */
#include <stdio.h>
#include <unistd.h>

int main(void)
{
    usleep(1000);
    puts("done");
    return 0;
}
