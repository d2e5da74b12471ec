/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Operations on objects of a class made by hand, by this thread and others: what overlaps, what excludes, what counts.
 */
#include "capture/python_use.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "capture/locks.h"
#include "recording.h"

#define PC 0x1000

/* ---- an interpreter that has nothing but memory ---- */

static uintptr_t class_words[64];
static py_object *const class_type = (py_object *)class_words;
static py_object *memory; /* what is handed out next */

static py_object *fake_alloc(py_object *type, ssize_t items)
{
    (void)type, (void)items;
    return memory;
}
static void fake_free(void *object)
{
    (void)object;
}
static py_object *fake_none(void)
{
    return NULL;
}
static void fake_clear(void)
{
}
static int fake_matches(py_object *error)
{
    (void)error;
    return 1;
}
static py_object *fake_intern(const char *text)
{
    (void)text;
    return NULL;
}

static const struct python_rule rule = {"shop", "Cache", NULL, 0};
static struct python_method set = {.id = 1, .flags = METHOD_MUTATES, .name = "Cache.set"};
static struct python_method get = {.id = 2, .flags = 0, .name = "Cache.get"};
static struct python_object *object;
static uintptr_t places[200][4];
static int made;
static char locks[4];

static struct python_object *object_make(void *at)
{
    memory = at;
    py_object *(*alloc)(py_object *, ssize_t) = (py_object * (*)(py_object *, ssize_t)) * python_word(class_type, 304);
    assert_ptr_equal(alloc(class_type, 0), at);
    return python_object_find(at);
}

static void object_free(void *at)
{
    ((void (*)(void *)) * python_word(class_type, 320))(at);
}

static int setup(void **state)
{
    static py_object *key_error;
    (void)state;
    recording_begin(64 << 20);
    recorder.pid++; /* operations and numbers of the test before are another process's */
    memset(&lockset_self, 0, sizeof(lockset_self));
    python_api = (struct python_api){.PyType_GenericAlloc = fake_alloc,
                                     .PyObject_Free = fake_free,
                                     .PyImport_GetModuleDict = fake_none,
                                     .PyErr_Clear = fake_clear,
                                     .PyErr_ExceptionMatches = fake_matches,
                                     .PyUnicode_InternFromString = fake_intern,
                                     .PyExc_KeyError = (py_object *)&key_error};
    class_words[304 / 8] = (uintptr_t)fake_alloc;
    class_words[320 / 8] = (uintptr_t)fake_free;
    assert_non_null(python_class_enter(class_type, &rule, "shop", "Cache"));
    set.written = get.written = 0;
    object = object_make(places[made++]);
    assert_non_null(object);
    return 0;
}

/* ---- what threads do ---- */

static void *run(void *call)
{
    ((void (*)(void))call)();
    return NULL;
}

static void in_another_thread(void (*call)(void))
{
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, run, (void *)call), 0);
    pthread_join(thread, NULL);
}

static void use_once(const struct python_method *method)
{
    uint16_t use = python_use_begin(object, method);
    assert_int_not_equal(use, 0);
    python_use_end(use, false);
}

static void sets(void)
{
    use_once(&set);
}
static void gets(void)
{
    use_once(&get);
}

static void sets_locked_inside(void)
{
    uint16_t use = python_use_begin(object, &set);
    lockset_push(&locks[0], PC, LOCK_KIND_MUTEX, 0);
    lockset_pop(&locks[0]);
    python_use_end(use, false);
}

static void holds_lock(void)
{
    lockset_push(&locks[1], PC, LOCK_KIND_MUTEX, 0);
    use_once(&set);
    lockset_pop(&locks[1]);
}

/* ---- what was recorded ---- */

struct found {
    int overlaps, mutates, objects;
    struct event_overlap overlap;
    struct event_mutate mutate; /* the last one */
    uint64_t count, failed;     /* of the counters */
};

static struct found found_in(struct trace *t)
{
    struct found f = {0};
    const union trace_event *e;
    for (int status = trace_next(t, &e); status > 0; status = trace_next(t, &e)) {
        f.objects += e->header.type == EVENT_OBJECT;
        f.overlaps += e->header.type == EVENT_OVERLAP;
        if (e->header.type == EVENT_OVERLAP)
            f.overlap = e->overlap;
        f.mutates += e->header.type == EVENT_MUTATE;
        if (e->header.type == EVENT_MUTATE)
            f.mutate = e->mutate;
    }
    return f;
}

static struct found finish(void)
{
    struct trace *t = recording_end();
    struct found f = found_in(t);
    recording_close(t);
    return f;
}

static void one_inside_while_another_begins(void **state)
{
    (void)state;
    uint16_t use = python_use_begin(object, &set);
    uint32_t tid = thread_self.tid;
    in_another_thread(sets);
    python_use_end(use, false);
    struct found f = finish();
    assert_int_equal(f.overlaps, 1);
    assert_int_equal(f.overlap.other_tid, tid);
    assert_int_not_equal(f.overlap.tid, tid);
    assert_int_equal(f.overlap.count, 1);
    assert_true(f.overlap.other_begin_ns < f.overlap.header.time_ns);
    assert_int_equal(f.objects, 1);
}

static void reading_disturbs_nobody(void **state)
{
    (void)state;
    uint16_t use = python_use_begin(object, &get);
    in_another_thread(gets);
    python_use_end(use, false);
    assert_int_equal(finish().overlaps, 0);
}

static void what_a_method_calls_is_part_of_it(void **state)
{
    (void)state;
    uint16_t use = python_use_begin(object, &get);
    assert_int_equal(python_use_begin(object, &set), 0);
    python_use_end(use, false);
    struct found f = finish();
    assert_int_equal(f.overlaps, 0);
    assert_int_equal(f.mutates, 1);
    assert_true(f.mutate.flags & MUTATE_WRITE);
}

static void a_lock_inside_excludes(void **state)
{
    (void)state;
    uint16_t use = python_use_begin(object, &set);
    in_another_thread(sets_locked_inside);
    lockset_push(&locks[0], PC, LOCK_KIND_MUTEX, 0);
    lockset_pop(&locks[0]);
    python_use_end(use, false);
    struct found f = finish();
    assert_int_equal(f.overlaps, 0);
    assert_int_not_equal(f.mutate.locks, 0);
    assert_false(f.mutate.flags & MUTATE_OVERLAPPED);
}

static void a_lock_of_one_of_both_does_not(void **state)
{
    (void)state;
    uint16_t use = python_use_begin(object, &set);
    in_another_thread(sets_locked_inside);
    python_use_end(use, false);
    assert_int_equal(finish().overlaps, 1);
}

static void the_first_ones_are_recorded_all_are_counted(void **state)
{
    (void)state;
    for (int i = 0; i < 60; i++) {
        uint16_t use = python_use_begin(object, &set);
        in_another_thread(sets);
        python_use_end(use, false);
    }
    assert_int_equal(object->pairs[0].count, 60);
    struct found f = finish();
    assert_in_range(f.overlaps, 32, 36); /* and one a second */
}

static void a_lock_that_its_maker_alone_has_is_none(void **state)
{
    (void)state;
    locks_born(&locks[1], PC);
    holds_lock();
    assert_int_equal(object->combinations[1], 0);
    in_another_thread(holds_lock);
    holds_lock();
    struct found f = finish();
    assert_int_not_equal(f.mutate.locks, 0);
    assert_int_equal(f.overlaps, 0);
}

static void another_object_at_the_same_address(void **state)
{
    (void)state;
    void *at = object->address;
    sets();
    uint32_t first = object->id;
    object_free(at);
    assert_null(python_object_find(at));
    object = object_make(at);
    assert_non_null(object);
    sets();
    assert_int_not_equal(object->id, first);
    assert_int_equal(finish().objects, 2);
}

static uint16_t left_open;

static void leaves_open(void)
{
    left_open = python_use_begin(object, &set);
}

static void threads_that_a_fork_left_behind(void **state)
{
    (void)state;
    uint16_t use = python_use_begin(object, &set);
    in_another_thread(leaves_open);
    assert_int_equal(object->inside, 2);
    recorder.pid++;
    struct python_object *other = object_make(places[made++]);
    uint16_t in_child = python_use_begin(other, &get);
    assert_int_equal(object->inside, 1);
    python_use_end(in_child, false);
    python_use_end(use, false);
    assert_int_equal(object->inside, 0);
    assert_int_equal(finish().overlaps, 0);
}

static void more_objects_than_there_is_room_for(void **state)
{
    static uintptr_t many[PYTHON_OBJECTS + 10][4];
    (void)state;
    int followed = 0;
    for (size_t i = 0; i < PYTHON_OBJECTS + 10; i++)
        followed += object_make(many[i]) != NULL;
    assert_in_range(followed, PYTHON_OBJECTS - 40, PYTHON_OBJECTS - 1);
    for (size_t i = 0; i < PYTHON_OBJECTS + 10; i++)
        object_free(many[i]);
    assert_non_null(object_make(many[7]));
    object_free(many[7]);
    finish();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(one_inside_while_another_begins, setup),
        cmocka_unit_test_setup(reading_disturbs_nobody, setup),
        cmocka_unit_test_setup(what_a_method_calls_is_part_of_it, setup),
        cmocka_unit_test_setup(a_lock_inside_excludes, setup),
        cmocka_unit_test_setup(a_lock_of_one_of_both_does_not, setup),
        cmocka_unit_test_setup(the_first_ones_are_recorded_all_are_counted, setup),
        cmocka_unit_test_setup(a_lock_that_its_maker_alone_has_is_none, setup),
        cmocka_unit_test_setup(another_object_at_the_same_address, setup),
        cmocka_unit_test_setup(threads_that_a_fork_left_behind, setup),
        cmocka_unit_test_setup(more_objects_than_there_is_room_for, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
