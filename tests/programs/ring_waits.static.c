/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ring_waits: waits for completions of an io_uring, by direct system calls, which no library sees. It begins when a
 * byte comes on standard input. Expected: 29 times io_uring_enter, 11 ms each, for a timeout that was submitted by the
 * same call, and nothing else that waits for long.
 *
 * Prints the thread's id and the waits' wall time in ns. Ends with status 77 where the kernel has no io_uring.
 */
#define _GNU_SOURCE
#include <inttypes.h>
#include <linux/io_uring.h>
#include <linux/time_types.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define WAITS 29
#define WAIT_NS 11000000

struct ring {
    int fd;
    char *queues; /* both, mapped at once (IORING_FEAT_SINGLE_MMAP) */
    struct io_uring_sqe *entries;
    struct io_uring_params p;
};

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static int ring_open(struct ring *r)
{
    r->fd = (int)syscall(SYS_io_uring_setup, 4, &r->p);
    if (r->fd < 0 || !(r->p.features & IORING_FEAT_SINGLE_MMAP))
        return -1;
    size_t submissions = r->p.sq_off.array + r->p.sq_entries * sizeof(uint32_t);
    size_t completions = r->p.cq_off.cqes + r->p.cq_entries * sizeof(struct io_uring_cqe);
    r->queues = mmap(NULL, submissions > completions ? submissions : completions, PROT_READ | PROT_WRITE, MAP_SHARED,
                     r->fd, IORING_OFF_SQ_RING);
    r->entries =
        mmap(NULL, r->p.sq_entries * sizeof(*r->entries), PROT_READ | PROT_WRITE, MAP_SHARED, r->fd, IORING_OFF_SQES);
    return r->queues == MAP_FAILED || r->entries == MAP_FAILED ? -1 : 0;
}

static uint32_t *at(const struct ring *r, uint32_t offset)
{
    return (uint32_t *)(r->queues + offset);
}

/* Submits a timeout and waits until it is over, in one call. */
static int timeout_wait(struct ring *r)
{
    struct __kernel_timespec time = {0, WAIT_NS};
    uint32_t tail = *at(r, r->p.sq_off.tail), slot = tail & *at(r, r->p.sq_off.ring_mask);
    memset(&r->entries[slot], 0, sizeof(r->entries[slot]));
    r->entries[slot].opcode = IORING_OP_TIMEOUT;
    r->entries[slot].fd = -1;
    r->entries[slot].addr = (uintptr_t)&time;
    r->entries[slot].len = 1;
    at(r, r->p.sq_off.array)[slot] = slot;
    __atomic_store_n(at(r, r->p.sq_off.tail), tail + 1, __ATOMIC_RELEASE);
    if (syscall(SYS_io_uring_enter, r->fd, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) != 1)
        return -1;
    uint32_t head = *at(r, r->p.cq_off.head);
    if (head == __atomic_load_n(at(r, r->p.cq_off.tail), __ATOMIC_ACQUIRE))
        return -1;
    __atomic_store_n(at(r, r->p.cq_off.head), head + 1, __ATOMIC_RELEASE);
    return 0;
}

int main(void)
{
    struct ring ring = {0};
    uint64_t wall = 0;
    char byte;
    bool there = ring_open(&ring) == 0;
    if (read(0, &byte, 1) != 1)
        return 1;
    if (!there)
        return 77;
    for (int i = 0; i < WAITS; i++) {
        uint64_t begin = now_ns();
        if (timeout_wait(&ring) < 0)
            return 1;
        wall += now_ns() - begin;
    }
    printf("%ld %" PRIu64 "\n", syscall(SYS_gettid), wall);
    return 0;
}
