/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where shared memory lies and who has a file locked, from the kernel's text. */
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cmocka.h>

#include "capture/fileholder.h"
#include "capture/procfile.h"
#include "capture/shared.h"
#include "trace/format.h"

static void kinds(void **state)
{
    pthread_mutexattr_t attributes;
    pthread_rwlockattr_t rw_attributes;
    pthread_condattr_t condition_attributes;
    pthread_mutex_t mutex;
    pthread_rwlock_t rwlock;
    pthread_cond_t condition;
    sem_t semaphore;
    (void)state;
    pthread_mutexattr_init(&attributes);
    pthread_rwlockattr_init(&rw_attributes);
    pthread_condattr_init(&condition_attributes);
    for (int shared = 0; shared < 2; shared++) {
        pthread_mutexattr_setpshared(&attributes, shared);
        pthread_rwlockattr_setpshared(&rw_attributes, shared);
        pthread_condattr_setpshared(&condition_attributes, shared);
        pthread_mutex_init(&mutex, &attributes);
        pthread_rwlock_init(&rwlock, &rw_attributes);
        pthread_cond_init(&condition, &condition_attributes);
        sem_init(&semaphore, shared, 1);
        assert_int_equal(shared_kind((uintptr_t)&mutex, LOCK_KIND_MUTEX), shared);
        assert_int_equal(shared_kind((uintptr_t)&rwlock, LOCK_KIND_RWLOCK), shared);
        assert_int_equal(shared_kind((uintptr_t)&condition, LOCK_KIND_CONDITION), shared);
        assert_int_equal(shared_kind((uintptr_t)&semaphore, LOCK_KIND_SEMAPHORE), shared);
    }
}

static void mappings(void **state)
{
    struct shared_place place;
    (void)state;
    const char *line = "7f1000000000-7f1000003000 rw-s 00002000 08:1f 4711                /srv/a file";
    assert_true(shared_parse(line, 0x7f1000001040, &place));
    assert_true(place.device == (UINT64_C(8) << 32 | 0x1f) && place.inode == 4711 && place.offset == 0x3040);
    assert_false(shared_parse(line, 0x7f1000003000, &place));
    assert_false(shared_parse(line, 0x7f0fffffffff, &place));
    assert_false(shared_parse("7f1000000000-7f1000003000 rw-p 00002000 08:1f 4711 /a", 0x7f1000000000, &place));
    for (const char *p = line; *p; p++) /* cut anywhere, it says the same or nothing */
        shared_parse(p, 0x7f1000000000, &place);
    char *memory = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(shared_find((uintptr_t)memory + 5000, &place));
    assert_int_equal(place.offset, 5000);
    assert_int_not_equal(place.inode, 0);
    assert_false(shared_find((uintptr_t)&place, &place));
}

static void holders(void **state)
{
    dev_t device = makedev(8, 0x1f);
    (void)state;
    assert_int_equal(fileholder_parse("1: FLOCK  ADVISORY  WRITE 4711 08:1f:1234 0 EOF", device, 1234), 4711);
    assert_int_equal(fileholder_parse("22: FLOCK  ADVISORY  READ 1 08:1f:1234 0 EOF", device, 1234), 1);
    assert_int_equal(fileholder_parse("1: FLOCK  ADVISORY  WRITE 4711 08:1f:1235 0 EOF", device, 1234), 0);
    assert_int_equal(fileholder_parse("1: FLOCK  ADVISORY  WRITE 4711 08:10:1234 0 EOF", device, 1234), 0);
    assert_int_equal(fileholder_parse("1: -> FLOCK  ADVISORY  WRITE 4711 08:1f:1234 0 EOF", device, 1234), 0);
    assert_int_equal(fileholder_parse("1: POSIX  ADVISORY  WRITE 4711 08:1f:1234 0 EOF", device, 1234), 0);
    assert_int_equal(fileholder_parse("1: FLOCK  ADVISORY", device, 1234), 0);
    assert_int_equal(fileholder_parse("", device, 1234), 0);
}

static bool count_line(void *context, const char *line)
{
    size_t *counts = context;
    counts[0]++;
    counts[1] += strlen(line) + 1;
    return false;
}

static void lines(void **state)
{
    char path[] = "/tmp/cprobe-lines.XXXXXX";
    size_t counts[2] = {0};
    (void)state;
    int fd = mkstemp(path);
    FILE *file = fdopen(fd, "w");
    for (int i = 0; i < 3000; i++)
        fprintf(file, "%*d\n", i % 40, i);
    long size = ftell(file);
    fclose(file);
    assert_false(procfile_lines(path, count_line, counts));
    assert_int_equal(counts[0], 3000);
    assert_int_equal(counts[1], size);
    unlink(path);
    assert_false(procfile_lines(path, count_line, counts));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kinds),
        cmocka_unit_test(mappings),
        cmocka_unit_test(holders),
        cmocka_unit_test(lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
