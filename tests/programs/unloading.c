/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * unloading LIBRARY…: loads each library, waits inside of it and unloads it. Prints where driver_wait was: the same
 * address for all. Expected: every stack names the library that was there when it waited.
 */
#include <dlfcn.h>
#include <stdio.h>

int main(int count, char **arguments)
{
    for (int i = 1; i < count; i++) {
        void *library = dlopen(arguments[i], RTLD_NOW);
        int (*driver_wait)(void) = library ? (int (*)(void))dlsym(library, "driver_wait") : NULL;
        if (!driver_wait || driver_wait() != 1)
            return 1;
        printf("%p\n", (void *)driver_wait);
        dlclose(library);
    }
    return 0;
}
