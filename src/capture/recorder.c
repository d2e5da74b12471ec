/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "capture/recorder.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>

#include "capture/conversation.h"
#include "capture/endpoint.h"
#include "capture/heap.h"
#include "capture/lock.h"
#include "capture/operation.h"
#include "capture/put.h"
#include "capture/python.h"
#include "capture/record.h"
#include "capture/slots.h"
#include "capture/terminal.h"
#include "capture/thread.h"
#include "capture/watcher.h"

#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK 18 /* Linux 4.14, madvise(2) */
#endif

struct recorder recorder = {.thread_key = -1};
struct quick_page recorder_gate __attribute__((aligned(TRACE_PAGE)));

/* ---- who this process is
 * ---------------------------------------------------------------------------------------------- */

static size_t read_file(const char *path, char *out, size_t size)
{
    int fd = sys_open(path, O_RDONLY | O_CLOEXEC, 0);
    if (fd < 0)
        return 0;
    long n = sys_read(fd, out, size);
    sys_close(fd);
    return n > 0 ? (size_t)n : 0;
}

/* Field 22 of /proc/self/stat, proc(5): start time in clock ticks since boot. The name before it may hold anything. */
static uint64_t read_process_start(void)
{
    char text[1024];
    size_t n = read_file("/proc/self/stat", text, sizeof(text) - 1);
    text[n] = '\0';
    const char *p = strrchr(text, ')');
    for (int field = 2; p && field < 22; field++) {
        p = strchr(p, ' ');
        p = p ? p + 1 : NULL;
    }
    uint64_t value = 0;
    for (; p && *p >= '0' && *p <= '9'; p++)
        value = value * 10 + (uint64_t)(*p - '0');
    return value;
}

static uint32_t count_cpus(void)
{
    uint64_t mask[16] = {0};
    long n = SYS_CALL(SYS_sched_getaffinity, 0, sizeof(mask), mask, 0, 0, 0);
    uint32_t cpus = 0;
    for (long i = 0; i < n / 8; i++)
        cpus += (uint32_t)__builtin_popcountll(mask[i]);
    return cpus;
}

static void describe_process(struct trace_header *h)
{
    struct utsname name;
    memset(h, 0, sizeof(*h));
    h->pid = (uint32_t)sys_getpid();
    h->ppid = (uint32_t)sys_getppid();
    h->start_mono_ns = clock_now();
    h->start_real_ns = clock_read(CLOCK_REALTIME);
    h->sample_mean_ns = recorder.settings.sample_ns;
    h->process_start = read_process_start();
    h->cpus = count_cpus();
    size_t n = read_file("/proc/sys/kernel/random/boot_id", h->boot_id, sizeof(h->boot_id) - 1);
    if (n && h->boot_id[n - 1] == '\n')
        h->boot_id[n - 1] = '\0';
    memset(&name, 0, sizeof(name));
    SYS_CALL(SYS_uname, &name, 0, 0, 0, 0, 0);
    memcpy(h->host, name.nodename, sizeof(h->host) - 1);
    SYS_CALL(SYS_prctl, PR_GET_NAME, h->comm, 0, 0, 0, 0);
    sys_readlink("/proc/self/exe", h->exe, sizeof(h->exe) - 1);
    read_file("/proc/self/cmdline", h->cmdline, sizeof(h->cmdline) - 2);
}

/* DIR/PID-STARTTIME-GENERATION.trace: the same process has the same name up to the number of its exec. */
static void make_path(char *out, const struct trace_header *h, uint32_t generation)
{
    char *p = put_text(out, recorder.settings.dir);
    p = put_text(p, "/");
    p = put_unsigned(p, h->pid, 10);
    p = put_text(p, "-");
    p = put_unsigned(p, h->process_start, 16);
    p = put_text(p, "-");
    p = put_unsigned(p, generation, 10);
    put_text(p, TRACE_SUFFIX);
}

/* The image before an exec could not cut its file to size, because the exec might have failed. */
static void trim_previous(const struct trace_header *h, uint32_t generation)
{
    char path[WRITER_PATH_MAX];
    struct trace_header previous;
    previous.state = TRACE_RECORDING;
    make_path(path, h, generation - 1);
    if (read_file(path, (char *)&previous, sizeof(previous)) == sizeof(previous) && previous.state == TRACE_FINISHED)
        sys_truncate(path, previous.used & ~TRACE_USED_CLOSED);
}

static int create_trace(struct writer *w)
{
    char path[WRITER_PATH_MAX];
    struct trace_header header;
    struct rlimit limit = {RLIM_INFINITY, RLIM_INFINITY};
    uint64_t capacity = recorder.settings.max_size;
    SYS_CALL(SYS_prlimit64, 0, RLIMIT_FSIZE, NULL, &limit, 0, 0);
    if (limit.rlim_cur < capacity)
        capacity = limit.rlim_cur; /* beyond it, growing the file would raise SIGXFSZ */
    if (capacity < WRITER_SIZE_MIN / 2)
        return -EFBIG;
    int r = sys_mkdir(recorder.settings.dir, 0700);
    if (r < 0 && r != -EEXIST)
        return r;
    describe_process(&header);
    for (uint32_t generation = 0;; generation++) {
        header.exec_generation = generation;
        make_path(path, &header, generation);
        r = writer_create(w, path, capacity, &header);
        if (r == 0 && generation > 0)
            trim_previous(&header, generation);
        if (r != -EEXIST || generation == 9999)
            return r;
    }
}

int recorder_start(void)
{
    int r = create_trace(&recorder.writer);
    if (r < 0)
        return r;
    recorder.pid = (uint32_t)sys_getpid();
    recorder.started = true;
    sys_madvise(&recorder_gate, sizeof(recorder_gate), MADV_WIPEONFORK);
    store_release(&recorder_gate.open, GATE_OPEN | (python_active() ? GATE_PYTHON : 0));
    quick_open();
    return 0;
}

/* Whether the number that a record of the parent's trace defines was given before the fork, i.e. is in this process's
 * memory. */
static bool number_known(const struct event_header *record)
{
    if (record->type == EVENT_CODE)
        return ((const struct event_code *)record)->id <= recorder.code_count;
    if (record->type == EVENT_ENDPOINT)
        return endpoint_known(((const struct event_endpoint *)record)->id);
    if (record->type == EVENT_OPERATION)
        return operation_known(((const struct event_operation *)record)->id);
    if (record->type == EVENT_KEY)
        return key_known(((const struct event_key *)record)->id);
    if (record->type == EVENT_OBJECT)
        return false; /* written anew, with the stack in this trace: python_objects.c */
    return true;
}

void recorder_forked(void)
{
    struct thread *t = &thread_self;
    if (t->in_vfork || !recorder.started || (uint32_t)sys_getpid() == recorder.pid)
        return;
    struct writer parent = recorder.writer;
    store_relaxed(&recorder_gate.open, 0);
    quick_close();
    recorder.root = false;
    memset(&recorder.writer, 0, sizeof(recorder.writer));
    thread_forked(t);
    lock_forked();
    slots_forked();
    heap_forked();
    watcher_forked();
    int r = !parent.header || parent.frozen ? -ESHUTDOWN : create_trace(&recorder.writer);
    if (r < 0) {
        recorder.started = false; /* nothing to record into: stay shut */
        if (r != -ESHUTDOWN && add_relaxed(&parent.header->lost[TRACE_LOST_PROCESSES], 1) == 0)
            terminal_say_failure("not recording a child process", -r);
        writer_abandon(&parent);
        return;
    }
    recorder.pid = (uint32_t)sys_getpid();
    writer_inherit(&recorder.writer, &parent, number_known);
    writer_abandon(&parent);
    store_release(&recorder_gate.open, GATE_OPEN | (python_active() ? GATE_PYTHON : 0));
    quick_open();
}

bool recorder_on_after_fork(void)
{
    if (likely(!recorder.started || thread_self.in_vfork || (uint32_t)sys_getpid() == recorder.pid))
        return false;
    recorder_forked();
    return recorder_on();
}

/* ---- the end
 * ------------------------------------------------------------------------------------------------------------- */

static void write_note(enum record_severity severity, const char *text, size_t length, uint64_t now_ns)
{
    uint32_t cursor = sizeof(struct event_note);
    struct event_note *e = (void *)writer_log_reserve(&recorder.writer, cursor, (uint32_t)length);
    if (!e)
        return;
    e->header.time_ns = now_ns;
    e->severity = (uint32_t)severity;
    e->text = writer_log_string(&e->header, &cursor, text, length);
    writer_log_commit(&e->header, EVENT_NOTE);
}

void recorder_disable(enum trace_reason reason, const char *text, uint64_t now_ns)
{
    if (!recorder_on())
        return;
    if (reason == TRACE_REASON_SECCOMP)
        store_relaxed(&recorder.writer.frozen, 1); /* any system call might be the last */
    write_note(RECORD_WARNING, text, strlen(text), now_ns);
    recorder.started = false; /* hooks do not even ask whose process this is */
    store_release(&recorder_gate.open, 0);
    quick_close();
    writer_finish(&recorder.writer, TRACE_DISABLED, reason, now_ns);
}

void recorder_finish(int status)
{
    struct thread *t = &thread_self;
    if (!recorder_on() || t->in_vfork)
        return;
    conversations_finish();
    watcher_tell();
    uint64_t now = clock_now();
    if (thread_enter(t, FRAME_ADDRESS)) {
        thread_complete(t, now);
        thread_leave(t);
    }
    recorder.writer.header->exit_status = status;
    writer_finish(&recorder.writer, TRACE_FINISHED, TRACE_REASON_NONE, now);
}

void recorder_exec(const char *path)
{
    struct trace_header *h = recorder.writer.header;
    if (!recorder_on() || thread_self.in_vfork)
        return;
    size_t length = path ? strnlen(path, 1024) : 0;
    uint32_t cursor = sizeof(struct event_exec);
    struct event_exec *e = (void *)writer_log_reserve(&recorder.writer, cursor, (uint32_t)length);
    h->end_mono_ns = clock_now();
    if (e) {
        e->header.time_ns = h->end_mono_ns;
        e->path = writer_log_string(&e->header, &cursor, path, length);
        writer_log_commit(&e->header, EVENT_EXEC);
    }
    if (thread_self.slot)
        thread_complete(&thread_self, h->end_mono_ns);
    h->reason = TRACE_REASON_EXEC;
    store_release(&h->state, TRACE_FINISHED);
}

void recorder_resume(void)
{
    struct trace_header *h = recorder.writer.header;
    if (!recorder_on() || thread_self.in_vfork)
        return;
    h->end_mono_ns = 0;
    h->reason = TRACE_REASON_NONE;
    if (thread_self.slot)
        thread_reopen(&thread_self);
    store_release(&h->state, TRACE_RECORDING);
}

/* ---- record.h
 * --------------------------------------------------------------------------------------------------------------- */

uint32_t record_code(uint32_t first_line, uint16_t version, const char *name, size_t name_length, const char *file,
                     size_t file_length, const uint8_t *linetable, size_t linetable_size)
{
    uint32_t cursor = sizeof(struct event_code);
    struct event_code *e =
        (void *)writer_log_reserve(&recorder.writer, cursor, (uint32_t)(name_length + file_length + linetable_size));
    if (!e)
        return 0;
    uint32_t id = add_relaxed(&recorder.code_count, 1) + 1;
    e->header.time_ns = clock_now();
    e->id = id;
    e->first_line = first_line;
    e->version = version;
    e->name = writer_log_string(&e->header, &cursor, name, name_length);
    e->file = writer_log_string(&e->header, &cursor, file, file_length);
    e->linetable = writer_log_string(&e->header, &cursor, linetable, linetable_size);
    writer_log_commit(&e->header, EVENT_CODE);
    return id;
}

void record_note(enum record_severity severity, const char *text, size_t length)
{
    write_note(severity, text, length, clock_now());
}

void *record_memory(size_t size)
{
    void *p = sys_mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return sys_is_error(p) ? NULL : p;
}
