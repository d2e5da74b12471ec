/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Waits in everything that runs at the end of a thread and of the process: destructors of thread_local objects, of
 * pthread keys, of static objects, and atexit handlers. Expected: exit status 0; the thread "ending" has usleep 3 (its
 * own, thread_local, key); main at least 2.
 */
#include <cstdlib>
#include <pthread.h>
#include <sys/prctl.h>
#include <unistd.h>

namespace
{
struct sleeper {
    sleeper()
    {
        touched = true;
    }
    ~sleeper()
    {
        usleep(1000);
    }
    bool touched;
};

thread_local sleeper local;
sleeper global;
pthread_key_t key;

void *ending(void *)
{
    prctl(PR_SET_NAME, "ending");
    local.touched = false;
    pthread_setspecific(key, &key);
    usleep(1000);
    return nullptr;
}

void sleep_for_key(void *)
{
    usleep(1000);
}
void sleep_at_exit()
{
    usleep(1000);
}
} // namespace

int main()
{
    pthread_t thread;
    atexit(sleep_at_exit);
    pthread_key_create(&key, sleep_for_key);
    pthread_create(&thread, nullptr, ending, nullptr);
    pthread_join(thread, nullptr);
    local.touched = false;
    usleep(1000);
    return 0;
}
