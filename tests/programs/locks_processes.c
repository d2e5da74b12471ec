/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * locks_processes hang|inversion|ordered|gated DIRECTORY: two processes that lock two files below DIRECTORY.
 *
 * hang: each has locked one and waits for the other's; "hanging" is printed when both are about to wait. inversion:
 * they take turns, in conflicting order. ordered: they take turns, in the same order. gated: in conflicting order, but
 * with a third file locked.
 *
 * Expected: hang, a deadlock of both processes; inversion, lock-order-inversion; ordered and gated, nothing.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *mode;
static int files[3];
static int *arrived;

static int file_open(const char *directory, const char *name)
{
    char path[512];
    snprintf(path, sizeof(path), "%s/%s", directory, name);
    return open(path, O_RDWR | O_CREAT, 0600);
}

static void meet(void)
{
    if (strcmp(mode, "hang") != 0)
        return;
    if (__atomic_add_fetch(arrived, 1, __ATOMIC_ACQ_REL) == 2) {
        puts("hanging");
        fflush(stdout);
    }
    while (__atomic_load_n(arrived, __ATOMIC_ACQUIRE) < 2)
        usleep(1000);
}

static void transfer(int from, int to)
{
    flock(files[from], LOCK_EX);
    meet();
    flock(files[to], LOCK_EX);
    flock(files[to], LOCK_UN);
    flock(files[from], LOCK_UN);
}

static void work(const char *directory, int number)
{
    int second = number == 1 && strcmp(mode, "ordered") != 0;
    files[0] = file_open(directory, "accounts");
    files[1] = file_open(directory, "orders");
    files[2] = file_open(directory, "gate");
    if (strcmp(mode, "gated") == 0)
        flock(files[2], LOCK_EX);
    transfer(second, !second);
    flock(files[2], LOCK_UN);
}

int main(int argc, char **argv)
{
    if (argc < 3)
        return 2;
    mode = argv[1];
    arrived = mmap(NULL, sizeof(*arrived), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t child = fork();
    if (child == 0) {
        work(argv[2], 0);
        return 0;
    }
    if (strcmp(mode, "hang") != 0)
        waitpid(child, NULL, 0);
    work(argv[2], 1);
    waitpid(child, NULL, 0);
    return 0;
}
