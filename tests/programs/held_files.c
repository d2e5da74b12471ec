/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sleeps with and without a lock on a file; each sleep takes as many tens of milliseconds as its line says. */
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

static int fd;

static void *unlock(void *unused)
{
    flock(fd, LOCK_UN);
    return unused;
}

int main(void)
{
    char path[] = "/tmp/cprobe-held.XXXXXX";
    struct flock range = {.l_type = F_WRLCK};
    pthread_t thread;

    fd = mkstemp(path);
    flock(fd, LOCK_EX);
    usleep(10000); /* held */
    flock(fd, LOCK_UN);
    usleep(20000);
    flock(fd, LOCK_EX | LOCK_NB);
    usleep(30000); /* held */
    pthread_create(&thread, NULL, unlock, NULL);
    pthread_join(thread, NULL);
    usleep(40000);
    fcntl(fd, F_SETLKW, &range);
    usleep(50000); /* held */
    close(fd);
    usleep(60000);
    unlink(path);
    return 0;
}
