/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "capture/armory.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>

#include "base/sys.h"
#include "capture/breakpoint.h"
#include "capture/put.h"
#include "capture/trap.h"

#define ROUNDS 16       /* after so many it is asked also without a signal seen: one may have been blocked */
#define ENTERED_MOST 16 /* new threads in one scan: opening is what costs most */
#define REDRAWN 16      /* scans after which others are drawn, where there are too many threads */
#define RECHECKS 16     /* threads whose signal mask is looked at again in each scan */

struct armed {
    uint32_t tid;
    uint32_t scan; /* in which it was last seen */
    struct breakpoint words[TRAP_WORDS];
};

static struct armed threads[ARMORY_EVENTS];
static uint32_t count, words_each, tasks, scans;
static uint32_t entered; /* in this scan */

/* getdents64(2) */
struct entry {
    uint64_t inode;
    int64_t offset;
    uint16_t length;
    uint8_t type;
    char name[];
};

static uint32_t parse_number(const char *text)
{
    uint32_t value = 0;
    for (; *text >= '0' && *text <= '9'; text++)
        value = value * 10 + (uint32_t)(*text - '0');
    return value;
}

/* SigBlk of /proc/self/task/TID/status, proc(5). What cannot be read counts as blocked. */
static bool blocks_trap(uint32_t tid)
{
    char path[64], text[2048];
    put_text(put_unsigned(put_text(path, "/proc/self/task/"), tid, 10), "/status");
    int fd = sys_open(path, O_RDONLY | O_CLOEXEC, 0);
    long n = fd < 0 ? -1 : sys_read(fd, text, sizeof(text) - 1);
    if (fd >= 0)
        sys_close(fd);
    if (n <= 0)
        return true;
    text[n] = '\0';
    const char *p = strstr(text, "\nSigBlk:\t");
    if (!p)
        return true;
    char digit = p[9 + 16 - 1 - (SIGTRAP - 1) / 4]; /* 16 hexadecimal digits */
    unsigned value = (unsigned)(digit <= '9' ? digit - '0' : digit - 'a' + 10);
    return value >> ((SIGTRAP - 1) % 4) & 1;
}

static void drop(uint32_t i)
{
    for (uint32_t k = 0; k < TRAP_WORDS; k++)
        breakpoint_close(&threads[i].words[k]);
    threads[i] = threads[--count];
}

static struct armed *find(uint32_t tid)
{
    for (uint32_t i = 0; i < count; i++)
        if (threads[i].tid == tid)
            return &threads[i];
    return NULL;
}

static int enter(uint32_t tid)
{
    struct armed *t = &threads[count];
    t->tid = tid;
    t->scan = scans;
    for (uint32_t k = 0; k < TRAP_WORDS; k++)
        t->words[k].fd = -1;
    for (uint32_t k = 0; k < words_each; k++) {
        int error = breakpoint_open(&t->words[k], tid);
        if (error == 0)
            continue;
        for (uint32_t j = 0; j < k; j++)
            breakpoint_close(&t->words[j]);
        return error;
    }
    count++;
    return 0;
}

/* Calls `visit` for each thread but this one. Returns how many there are. */
static uint32_t each_task(void (*visit)(uint32_t tid, uint32_t index, uint32_t of), uint32_t of)
{
    static char buffer[4096] __attribute__((aligned(8)));
    uint32_t own = (uint32_t)sys_gettid(), n = 0;
    int fd = sys_open("/proc/self/task", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    if (fd < 0)
        return 0;
    for (long got; (got = SYS_CALL(SYS_getdents64, fd, buffer, sizeof(buffer), 0, 0, 0)) > 0;) {
        for (long at = 0; at < got;) {
            const struct entry *e = (const void *)(buffer + at);
            uint32_t tid = parse_number(e->name);
            at += e->length;
            if (!tid || tid == own)
                continue;
            if (visit)
                visit(tid, n, of);
            n++;
        }
    }
    sys_close(fd);
    return n;
}

static int failure;
static uint32_t salt;

/* of: one thread of so many is taken. */
static void visit_task(uint32_t tid, uint32_t index, uint32_t of)
{
    if (of > 1 && (index * 0x9E3779B1u + salt) % of)
        return;
    struct armed *t = find(tid);
    if (t) {
        t->scan = scans;
        return;
    }
    if (count == ARMORY_EVENTS || entered >= ENTERED_MOST || blocks_trap(tid))
        return;
    entered++;
    int error = enter(tid);
    if (error && error != -ESRCH)
        failure = error;
}

/* Masks change: some threads are looked at again. */
static void recheck(void)
{
    static uint32_t next;
    for (uint32_t k = 0; k < RECHECKS && k < count; k++, next++)
        if (blocks_trap(threads[next % count].tid))
            drop(next % count);
}

int armory_scan(uint32_t random)
{
    tasks = each_task(NULL, 0);
    uint32_t most = ARMORY_EVENTS / TRAP_WORDS;
    uint32_t each = tasks <= most ? TRAP_WORDS : tasks <= 2 * most ? TRAP_WORDS / 2 : 1;
    if (each != words_each)
        armory_close();
    words_each = each;
    scans++;
    if (scans % REDRAWN == 1)
        salt = random;
    entered = 0;
    failure = 0;
    each_task(visit_task, (tasks + ARMORY_EVENTS - 1) / ARMORY_EVENTS);
    for (uint32_t i = count; i > 0; i--)
        if (threads[i - 1].scan != scans)
            drop(i - 1);
    recheck();
    return count ? 0 : failure;
}

uint32_t armory_threads(void)
{
    return count;
}

bool armory_incomplete(void)
{
    return entered >= ENTERED_MOST;
}

uint32_t armory_words(void)
{
    return words_each;
}

uint32_t armory_tasks(void)
{
    return tasks;
}

void armory_arm(uint32_t words, uint32_t hits)
{
    for (uint32_t i = 0; i < count; i++)
        for (uint32_t k = 0; k < words && k < words_each; k++) {
            const struct trap_word *w = &trap_words[k];
            breakpoint_arm(&threads[i].words[k], w->address, w->length, w->reads, trap_data(w), hits);
        }
}

void armory_disarm(uint32_t words)
{
    static uint32_t rounds;
    bool every = ++rounds % ROUNDS == 0;
    for (uint32_t k = 0; k < words && k < words_each; k++) {
        bool hit = __atomic_exchange_n(&trap_words[k].hits, 0, __ATOMIC_RELAXED) != 0 || every;
        for (uint32_t i = 0; i < count; i++)
            breakpoint_disarm(&threads[i].words[k], threads[i].tid, hit);
    }
}

void armory_close(void)
{
    while (count)
        drop(count - 1);
}

void armory_forked(void)
{
    count = words_each = tasks = 0;
}
