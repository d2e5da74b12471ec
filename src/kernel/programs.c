/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kernel/programs.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bpf/offcpu.skel.h"

#define CLOCK_TRIES 10000 /* of 0.1 ms */
#define RAW_THREADS 65536 /* that can be watched through raw tracepoints */
#define STACKS_MAX 50     /* for each of at least two processors and 0.1 s: 40 us of its time each, 2 % */

struct programs {
    struct offcpu *skeleton;
    struct ring_buffer *ring;
    programs_take *take; /* of the programs_read that runs */
    void *context;
    bool raw;
};

bool programs_built(void)
{
    return true;
}

bool programs_task_work(void)
{
    struct btf *btf = btf__load_vmlinux_btf();
    if (!btf)
        return false;
    bool found = btf__find_by_name_kind(btf, "bpf_task_work_schedule_resume_impl", BTF_KIND_FUNC) > 0;
    btf__free(btf);
    return found;
}

static int print_nothing(enum libbpf_print_level level, const char *format, va_list arguments)
{
    (void)level, (void)format, (void)arguments;
    return 0;
}

/* Quantiles of the exponential distribution in the middle of equal shares, stretched so that their mean is exact: the
   rate of a renewal process depends on the mean alone. */
static void credits_fill(struct offcpu *skeleton, uint64_t mean_ns)
{
    double sum = 0, quantile[OFFCPU_CREDITS];
    for (int i = 0; i < OFFCPU_CREDITS; i++) {
        quantile[i] = -log((i + 0.5) / OFFCPU_CREDITS);
        sum += quantile[i];
    }
    for (int i = 0; i < OFFCPU_CREDITS; i++) {
        double credit = quantile[i] * OFFCPU_CREDITS / sum * (double)mean_ns;
        skeleton->rodata->credits[i] = credit < UINT32_MAX ? (uint32_t)credit : UINT32_MAX;
    }
    skeleton->rodata->mean_ns = mean_ns;
    skeleton->rodata->certain_ns = mean_ns > OFFCPU_CERTAIN_NS ? mean_ns : OFFCPU_CERTAIN_NS;
}

static int record_take(void *context, void *data, size_t size)
{
    struct programs *p = context;
    if (size >= sizeof(struct offcpu_head))
        p->take(p->context, data, size);
    return 0;
}

/* Each program is there twice, once for either kind of tracepoints, but the iterator. */
static void programs_choose(struct offcpu *skeleton, bool raw, bool task_work)
{
    struct bpf_program *program;
    bpf_object__for_each_program(program, skeleton->obj)
    {
        bool is_raw = bpf_program__type(program) == BPF_PROG_TYPE_RAW_TRACEPOINT;
        bpf_program__set_autoload(program, is_raw == raw || program == skeleton->progs.each_thread);
    }
    if (task_work)
        bpf_program__set_autoload(skeleton->progs.sys_exit, false);
    skeleton->rodata->raw = raw;
    skeleton->rodata->has_task_work = task_work;
    bpf_map__set_max_entries(skeleton->maps.raw_threads, raw ? RAW_THREADS : 1);
}

static int load(struct programs *p, const struct programs_options *options, bool raw, char *error, size_t error_size)
{
    p->skeleton = offcpu__open();
    if (!p->skeleton) {
        snprintf(error, error_size, "cannot read the kernel's type information (BTF): %s", strerror(errno));
        return -errno;
    }
    programs_choose(p->skeleton, raw, programs_task_work() && !options->every_sys_exit && !raw);
    credits_fill(p->skeleton, options->mean_ns);
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    p->skeleton->rodata->stacks_max = STACKS_MAX * (processors > 2 ? (uint32_t)processors : 2);
    int rc = offcpu__load(p->skeleton);
    if (rc == 0)
        rc = offcpu__attach(p->skeleton);
    if (rc < 0)
        snprintf(error, error_size, "the kernel refused the recording programs: %s", strerror(-rc));
    return rc;
}

static int load_either(struct programs *p, const struct programs_options *options, char *error, size_t error_size)
{
    int rc = options->raw ? -EOPNOTSUPP : load(p, options, false, error, error_size);
    if (rc >= 0 || rc == -EPERM)
        return rc;
    offcpu__destroy(p->skeleton);
    p->raw = true;
    return load(p, options, true, error, error_size);
}

bool programs_are_raw(const struct programs *p)
{
    return p->raw;
}

int programs_open(const struct programs_options *options, struct programs **out, char *error, size_t error_size)
{
    struct programs *p = calloc(1, sizeof(*p));
    if (!p) {
        snprintf(error, error_size, "not enough memory");
        return -ENOMEM;
    }
    libbpf_print_fn_t before = libbpf_set_print(print_nothing);
    int rc = load_either(p, options, error, error_size);
    libbpf_set_print(before);
    if (rc == 0) {
        p->ring = ring_buffer__new(bpf_map__fd(p->skeleton->maps.records), record_take, p, NULL);
        rc = p->ring ? 0 : -errno;
        if (rc < 0)
            snprintf(error, error_size, "cannot map the kernel's records: %s", strerror(-rc));
    }
    if (rc < 0) {
        programs_close(p);
        return rc;
    }
    *out = p;
    return 0;
}

void programs_close(struct programs *p)
{
    if (!p)
        return;
    ring_buffer__free(p->ring);
    offcpu__destroy(p->skeleton);
    free(p);
}

/* Runs the iterator over all threads of the machine. */
static int each_thread_run(struct programs *p)
{
    char nothing[64];
    ssize_t n;
    struct bpf_link *link = bpf_program__attach_iter(p->skeleton->progs.each_thread, NULL);
    if (!link)
        return -errno;
    int fd = bpf_iter_create(bpf_link__fd(link));
    int rc = fd < 0 ? fd : 0;
    while (fd >= 0 && ((n = read(fd, nothing, sizeof(nothing))) > 0 || (n < 0 && errno == EINTR)))
        continue;
    if (fd >= 0 && n < 0)
        rc = -errno;
    if (fd >= 0)
        close(fd);
    bpf_link__destroy(link);
    return rc;
}

/* The programs learn what time it is at the next switch of any thread. */
static int clock_await(struct programs *p)
{
    for (int i = 0; i < CLOCK_TRIES && !__atomic_load_n(&p->skeleton->bss->clock_measured, __ATOMIC_ACQUIRE); i++)
        usleep(100);
    return p->skeleton->bss->clock_measured ? 0 : -ETIME;
}

uint32_t programs_runs(struct programs *p, size_t count)
{
    return __atomic_fetch_add(&p->skeleton->bss->last_run, (uint32_t)count, __ATOMIC_RELAXED) + 1;
}

int programs_watch(struct programs *p, const pid_t *pids, size_t count, uint32_t first_run)
{
    int fd = bpf_map__fd(p->skeleton->maps.seeds);
    int rc = clock_await(p);
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < count; i++) {
        uint32_t pid = (uint32_t)pids[i], run = first_run + (uint32_t)i;
        if (bpf_map_update_elem(fd, &pid, &run, BPF_ANY) < 0)
            return -errno;
    }
    /* Twice: a thread that was created by one not yet watched, behind the iterator's back, is found then. */
    rc = each_thread_run(p);
    return rc < 0 ? rc : each_thread_run(p);
}

int programs_read(struct programs *p, int timeout_ms, programs_take *take, void *context)
{
    p->take = take;
    p->context = context;
    int rc = timeout_ms > 0 ? ring_buffer__poll(p->ring, timeout_ms) : 0;
    if (rc >= 0 || rc == -EINTR) /* records come without a wake-up: fetch what the poll did not see */
        rc = ring_buffer__consume(p->ring);
    return rc >= 0 ? 0 : rc;
}

int programs_finish(struct programs *p)
{
    offcpu__detach(p->skeleton);
    p->skeleton->bss->finishing = true;
    return each_thread_run(p);
}

void programs_totals(struct programs *p, uint32_t run, programs_take_total *take, void *context)
{
    int fd = bpf_map__fd(p->skeleton->maps.totals);
    struct offcpu_call key, next;
    struct offcpu_total total;
    bool more = bpf_map_get_next_key(fd, NULL, &next) == 0;
    while (more) {
        key = next;
        more = bpf_map_get_next_key(fd, &key, &next) == 0;
        if (bpf_map_lookup_elem(fd, &key, &total) < 0 || (run && total.run != run))
            continue;
        take(context, &key, &total);
        bpf_map_delete_elem(fd, &key);
    }
}

void programs_interpreter(struct programs *p, uint32_t run, const struct offcpu_interpreter *interpreter)
{
    int fd = bpf_map__fd(p->skeleton->maps.interpreters);
    if (interpreter)
        bpf_map_update_elem(fd, &run, interpreter, BPF_ANY);
    else
        bpf_map_delete_elem(fd, &run);
}

uint64_t programs_lost(const struct programs *p, enum offcpu_lost cause)
{
    uint32_t key = cause;
    uint64_t count = 0;
    return bpf_map_lookup_elem(bpf_map__fd(p->skeleton->maps.lost), &key, &count) == 0 ? count : 0;
}
