// SPDX-License-Identifier: GPL-2.0-or-later
//
// Names memory to watch itself, through cprobe.h. Prints what each call returned: 0, or without the recorder (or with
// CPROBE_WATCH=off) -1.
//
// Expected: the regions "table" (64 bytes, on the stack), "again" (in place of "block", 32 bytes of the heap, watched
// until it is freed) and "from a thread" are watched; C++ and C are served by the same header.
#include "../../src/capture/cprobe.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <pthread.h>

static int in_thread[4];

static void *thread(void *)
{
    printf("thread %d\n", cprobe_watch(in_thread, sizeof(in_thread), "from a thread"));
    return nullptr;
}

int main()
{
    int table[16] = {};
    void *block = malloc(32), *other = malloc(32);
    pthread_t started;

    errno = EDOM;
    printf("table %d\n", cprobe_watch(table, sizeof(table), "table"));
    printf("block %d\n", cprobe_watch(block, 32, "block"));
    printf("again %d\n", cprobe_watch(block, 32, "again"));
    printf("no name %d\n", cprobe_watch(other, 32, nullptr));
    printf("nothing %d %d\n", cprobe_watch(nullptr, 8, "nothing"), cprobe_watch(table, 0, "nothing"));
    printf("unwatch %d\n", cprobe_unwatch(table));
    printf("unwatch again %d\n", cprobe_unwatch(table));
    void *volatile gone = block;
    free(block);
    printf("unwatch freed %d\n", cprobe_unwatch(gone));
    printf("errno kept %d\n", errno == EDOM);
    for (int i = 0; i < 10000; i++)
        if (cprobe_watch(table, sizeof(table), "table") != cprobe_unwatch(table))
            return 1;
    if (pthread_create(&started, nullptr, thread, nullptr) != 0 || pthread_join(started, nullptr) != 0)
        return 1;
    free(other);
    return 0;
}
