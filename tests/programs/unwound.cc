/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Unwinds through frames of hooks: cancellation and pthread_exit with C++ objects on the stack, and exceptions thrown
 * inside of a hooked call (a stream whose reads are the program's own). Expected: what is printed is the same as
 * without the recorder, and main's usleep is counted 4 times.
 */
#include <cxxabi.h>
#include <pthread.h>
#include <stdexcept>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

namespace
{
int pair[2];

struct guard {
    const char *name;
    explicit guard(const char *n) : name(n)
    {
    }
    ~guard()
    {
        printf("  left %s\n", name);
    }
};

void pause_raw()
{
    timespec t = {0, 20000000};
    syscall(SYS_nanosleep, &t, nullptr);
}

__attribute__((noinline)) void receive()
{
    guard g("receive");
    char c;
    recv(pair[0], &c, 1, 0);
}

void *receiving(void *)
{
    guard g("thread");
    try {
        receive();
    } catch (abi::__forced_unwind &) {
        printf("  forced unwind\n");
        throw;
    }
    return nullptr;
}

__attribute__((noinline)) void leave(int depth)
{
    guard g("leave");
    if (depth > 0)
        leave(depth - 1);
    else if (depth == 0)
        pthread_exit(reinterpret_cast<void *>(5));
}

void *leaving(void *)
{
    usleep(100);
    leave(2);
    return nullptr;
}

ssize_t throwing_read(void *, char *, size_t)
{
    usleep(100);
    throw std::runtime_error("from inside of fread");
}

void read_stream()
{
    cookie_io_functions_t functions = {throwing_read, nullptr, nullptr, nullptr};
    FILE *stream = fopencookie(nullptr, "r", functions);
    char c;
    try {
        guard g("fread");
        if (fread(&c, 1, 1, stream) != 1)
            printf("  nothing\n");
    } catch (const std::exception &e) {
        printf("  %s\n", e.what());
    }
}
} // namespace

int main()
{
    pthread_t thread;
    void *result;
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0)
        return 1;
    for (int i = 0; i < 2; i++) {
        printf("cancelled:\n");
        pthread_create(&thread, nullptr, receiving, nullptr);
        pause_raw();
        pthread_cancel(thread);
        pthread_join(thread, &result);
        printf("  %d\n", result == PTHREAD_CANCELED);
        usleep(1000);
    }
    printf("pthread_exit:\n");
    pthread_create(&thread, nullptr, leaving, nullptr);
    pthread_join(thread, &result);
    printf("  %ld\n", reinterpret_cast<long>(result));
    printf("exception:\n");
    read_stream();
    usleep(1000);
    return 0;
}
