/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Locks that are held while their memory is freed or made another lock, and those of which only the list says so. */
#include <malloc.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "capture/lock.h"
#include "capture/lock_memory.h"
#include "isolated.h"
#include "recording.h"

struct object {
    char name[100];
    pthread_mutex_t mutex;
    pthread_rwlock_t rwlock;
    pthread_spinlock_t spin;
};

static struct object *object_new(void)
{
    struct object *object = calloc(1, sizeof(*object));
    pthread_spin_init(&object->spin, 0);
    return object;
}

static unsigned misuses(struct trace *t, uint16_t kind)
{
    const union trace_event *e;
    unsigned n = 0;
    trace_rewind(t);
    while (trace_next(t, &e) == 1)
        n += e->header.type == EVENT_MISUSE && e->misuse.kind == kind;
    return n;
}

static void freed(void *block)
{
    if (lock_memory_near(block))
        lock_memory_freed(block, (uintptr_t)malloc_usable_size);
}

static void freed_while_held(void **state)
{
    struct object *object = object_new();
    (void)state;
    recording_begin(4 << 20);
    pthread_mutex_lock(&object->mutex);
    lockset_push(&object->mutex, 0x10, LOCK_KIND_MUTEX, 0);
    pthread_rwlock_rdlock(&object->rwlock);
    lockset_push(&object->rwlock, 0x20, LOCK_KIND_RWLOCK, HELD_SHARED);
    pthread_spin_lock(&object->spin);
    lockset_push((const void *)&object->spin, 0x30, LOCK_KIND_SPIN, 0);
    freed(object);
    assert_int_equal(lockset_self.depth, 0); /* or whoever gets the memory would seem to have it */
    struct trace *t = recording_end();
    assert_int_equal(misuses(t, MISUSE_FREED_HELD), 3);
    recording_close(t);
    free(object);
}

/* Beside the block, in one of another allocator, or only in the list. */
static void not_held_or_not_freed(void **state)
{
    struct object *object = object_new(), *other = object_new();
    (void)state;
    recording_begin(4 << 20);
    lockset_push(&object->mutex, 0x10, LOCK_KIND_MUTEX, 0);
    lockset_push(&object->rwlock, 0x20, LOCK_KIND_RWLOCK, 0);
    lockset_push((const void *)&object->spin, 0x30, LOCK_KIND_SPIN, 0);
    lockset_push(object->name, 0x40, LOCK_KIND_SEMAPHORE, 0);
    freed(object);
    assert_int_equal(lockset_self.depth, 4);
    pthread_mutex_lock(&object->mutex);
    freed(other);
    freed(NULL);
    lock_memory_freed(object, (uintptr_t)object_new);
    assert_int_equal(lockset_self.depth, 4);
    struct trace *t = recording_end();
    assert_int_equal(misuses(t, MISUSE_FREED_HELD), 0);
    recording_close(t);
    lockset_self.depth = 0;
    free(object);
    free(other);
}

static void born_while_held(void **state)
{
    static pthread_mutex_t held = PTHREAD_MUTEX_INITIALIZER, left = PTHREAD_MUTEX_INITIALIZER;
    (void)state;
    recording_begin(4 << 20);
    pthread_mutex_lock(&held);
    lockset_push(&held, 0x10, LOCK_KIND_MUTEX, 0);
    lockset_push(&left, 0x10, LOCK_KIND_MUTEX, 0); /* left where no hook saw it */
    lock_memory_born(&left);
    lock_memory_born(&held);
    lock_forked();
    lock_memory_born(&held);
    struct trace *t = recording_end();
    assert_int_equal(misuses(t, MISUSE_BORN_HELD), 1);
    recording_close(t);
    lockset_self.depth = 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(freed_while_held),
        cmocka_unit_test(not_held_or_not_freed),
        cmocka_unit_test(born_while_held),
    };
    return isolated_run(tests, sizeof(tests) / sizeof(tests[0]));
}
