/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A preload library with nothing but the recorder's reader of Python frames. getppid and the calls that time.sleep
 * makes take the calling thread's frames first; frames_program.py asks for them through ctypes and compares them with
 * its own view. Test code: stores what it is given in static tables.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <execinfo.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "capture/python.h"
#include "capture/python_classes.h"
#include "capture/record.h"
#include "trace/format.h"

#define CODES_MAX 8192
#define NATIVE_MAX 512

struct code {
    uint32_t first_line;
    uint16_t version;
    char *name, *file;
    uint8_t *linetable;
    size_t linetable_size;
};

static struct code codes[CODES_MAX];
static uint32_t code_count;
static char notes[2048];
static pthread_mutex_t code_lock = PTHREAD_MUTEX_INITIALIZER;

struct shot {
    uint64_t frames[STACK_MAX_PYTHON];
    int count, native_entries, flags, gil_held;
};
static __thread struct shot last;
static int native_off; /* below a greenlet's first frame the native stack is no stack */

void python_classes_begin(const struct link_map *map, uint16_t version,
                          void *(*resolve)(const struct link_map *, const char *))
{
    (void)map, (void)version, (void)resolve;
}

uint32_t record_code(uint32_t first_line, uint16_t version, const char *name, size_t name_length, const char *file,
                     size_t file_length, const uint8_t *linetable, size_t linetable_size)
{
    pthread_mutex_lock(&code_lock);
    uint32_t id = code_count + 1 < CODES_MAX ? ++code_count : 0;
    if (id) {
        codes[id] = (struct code){
            first_line,    version, strndup(name, name_length), strndup(file, file_length), malloc(linetable_size + 1),
            linetable_size};
        memcpy(codes[id].linetable, linetable, linetable_size);
    }
    pthread_mutex_unlock(&code_lock);
    return id;
}

void record_note(enum record_severity severity, const char *text, size_t length)
{
    (void)severity;
    size_t used = strlen(notes);
    snprintf(notes + used, sizeof(notes) - used, "%.*s\n", (int)length, text);
}

void *record_memory(size_t size)
{
    return calloc(1, size);
}

__attribute__((constructor)) static void probe_start(void)
{
    struct link_map *map = NULL;

    if (dladdr1((void *)getenv, &(Dl_info){0}, (void **)&map, RTLD_DL_LINKMAP) && map)
        while (map->l_prev)
            map = map->l_prev;
    for (; map; map = map->l_next)
        python_module_loaded(map, map->l_name);
}

/* How often the interpreter's C function is on the native stack. */
static int native_entries_count(void)
{
    void *pcs[NATIVE_MAX];
    Dl_info info;
    int entries = 0, n = backtrace(pcs, NATIVE_MAX);

    for (int i = 0; i < n; i++)
        if (dladdr((char *)pcs[i] - 1, &info) && info.dli_sname &&
            strcmp(info.dli_sname, "_PyEval_EvalFrameDefault") == 0)
            entries++;
    return entries;
}

static void shot_take(void)
{
    uint16_t flags = 0;

    if (!python_active())
        return;
    last.gil_held = python_gil_held();
    last.count = (int)python_frames(last.frames, STACK_MAX_PYTHON, &flags);
    last.flags = flags;
    last.native_entries = native_off ? 0 : native_entries_count();
}

/* ---- interposed ----------------------------------------------------------------------------------------- */

pid_t getppid(void)
{
    shot_take();
    return (pid_t)syscall(SYS_getppid);
}

int clock_nanosleep(clockid_t clock, int flags, const struct timespec *time, struct timespec *left)
{
    shot_take();
    return syscall(SYS_clock_nanosleep, clock, flags, time, left) ? 4 /* EINTR */ : 0;
}

int select(int n, fd_set *r, fd_set *w, fd_set *e, struct timeval *timeout)
{
    shot_take();
    return (int)syscall(SYS_select, n, r, w, e, timeout);
}

/* ---- for the script ------------------------------------------------------------------------------------- */

int probe_count(void);
int probe_flags(void);
int probe_gil_held(void);
int probe_native_entries(void);
uint64_t probe_frame(int i);
const char *probe_code_name(uint32_t id);
const char *probe_code_file(uint32_t id);
int probe_code_first_line(uint32_t id);
int probe_code_version(uint32_t id);
int probe_code_linetable(uint32_t id, uint8_t *out, int size);
const char *probe_notes(void);
int probe_code_count(void);
double probe_cost_ns(int times);
void probe_native_off(int off);

void probe_native_off(int off)
{
    native_off = off;
}
int probe_count(void)
{
    return last.count;
}
int probe_flags(void)
{
    return last.flags;
}
int probe_gil_held(void)
{
    return last.gil_held;
}
int probe_native_entries(void)
{
    return last.native_entries;
}
uint64_t probe_frame(int i)
{
    return last.frames[i];
}
const char *probe_code_name(uint32_t id)
{
    return codes[id].name;
}
const char *probe_code_file(uint32_t id)
{
    return codes[id].file;
}
int probe_code_first_line(uint32_t id)
{
    return (int)codes[id].first_line;
}
int probe_code_version(uint32_t id)
{
    return codes[id].version;
}
int probe_code_linetable(uint32_t id, uint8_t *out, int size)
{
    size_t n = codes[id].linetable_size < (size_t)size ? codes[id].linetable_size : (size_t)size;
    memcpy(out, codes[id].linetable, n);
    return (int)n;
}
const char *probe_notes(void)
{
    return notes;
}
int probe_code_count(void)
{
    return (int)code_count;
}

/* Mean time of one python_frames here, best of ten rounds. */
double probe_cost_ns(int times)
{
    uint64_t frames[STACK_MAX_PYTHON];
    double best = 1e9;
    uint16_t flags = 0;

    for (int round = 0; round < 10; round++) {
        struct timespec a, b;
        clock_gettime(CLOCK_MONOTONIC, &a);
        for (int i = 0; i < times; i++)
            python_frames(frames, STACK_MAX_PYTHON, &flags);
        clock_gettime(CLOCK_MONOTONIC, &b);
        double ns = (double)(b.tv_sec - a.tv_sec) * 1e9 + (double)(b.tv_nsec - a.tv_nsec);
        best = ns / times < best ? ns / times : best;
    }
    return best;
}
