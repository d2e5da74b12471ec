/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "capture/watcher.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/futex.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>

#include "capture/armory.h"
#include "capture/breakpoint.h"
#include "capture/clock.h"
#include "capture/conflict.h"
#include "capture/put.h"
#include "capture/real.h"
#include "capture/record.h"
#include "capture/recorder.h"
#include "capture/suspects.h"
#include "capture/thread.h"
#include "capture/trap.h"
#include "capture/watchcost.h"
#include "capture/watchlist.h"

#define SHARE_PER_MILLE 4       /* of each account, of a processor's time */
#define ACCOUNT_MAX_NS 10000000 /* what is not used does not pile up */
#define WINDOW_MIN_NS 6000000   /* a word written a thousand times a second is met */
#define WINDOW_MAX_NS 100000000
#define IDLE_NS 100000000
#define SCAN_NS UINT64_C(1000000000) /* threads that no hook saw */
#define SCAN_MIN_NS UINT64_C(20000000)
#define CHECK_NS UINT64_C(100000000) /* for a debugger */
#define HITS 6                       /* of one thread at one word in one window */
#define TELL_NS UINT64_C(60000000000)
#define STOP_NS 100000000
#define RATE_MIN_NS UINT64_C(1000000) /* what happens in less says nothing about how often it does */
#define MEASURED 9 /* times that a breakpoint is switched on and off, to learn what that takes here */

enum state { NOT_STARTED = 0, RUNNING = 1, ENDED = 2 };

static struct {
    uint32_t state; /* any */
    uint32_t bell;  /* futex: any */
    uint32_t stop;  /* any */
    uint32_t news;  /* any: threads created */
    uint32_t tid;   /* of the watcher */
    uint32_t seen;  /* news that the latest scan knew; from here on the watcher's own */
    uint64_t random;
    uint64_t filled_ns; /* when the accounts were filled last */
    uint64_t scanned_ns, checked_ns;
    int64_t arming_ns; /* the account of arming, CPU time; the other is trap_budget_ns */
    bool traced;
    uint64_t on_off_ns;                    /* for one breakpoint of the thread itself */
    uint64_t opening_ns;                   /* for those that are open, all together */
    uint64_t switches, counted_ns, per_ms; /* context switches of the program, when they were counted, and how fast */
    uint64_t told_ns;                      /* when the totals were written last */
    uint64_t windows, words, arming_total_ns;
} watcher;

static void say(const char *text)
{
    record_note(RECORD_INFO, text, strlen(text));
}

static uint64_t draw(void)
{
    uint64_t x = watcher.random;
    x ^= x << 13;
    x ^= x >> 7;
    return watcher.random = x ^ x << 17;
}

/* Sleeps, or until somebody wants something. */
static void rest(uint64_t ns)
{
    struct timespec time = {(time_t)(ns / 1000000000), (long)(ns % 1000000000)};
    uint32_t bell = load_acquire(&watcher.bell);
    if (!load_acquire(&watcher.stop))
        SYS_CALL(SYS_futex, &watcher.bell, FUTEX_WAIT_PRIVATE, bell, &time, NULL, 0);
}

/* ---- what it may cost ---- */

static int64_t fill(int64_t account, uint64_t elapsed)
{
    uint32_t cpus = recorder.writer.header->cpus, tasks = armory_tasks() ? armory_tasks() : 1;
    uint64_t share = elapsed * SHARE_PER_MILLE / 1000 * (tasks < cpus ? tasks : cpus);
    return account + (int64_t)share > ACCOUNT_MAX_NS ? ACCOUNT_MAX_NS : account + (int64_t)share;
}

static void accounts_fill(void)
{
    uint64_t now = clock_now(), elapsed = now - watcher.filled_ns;
    watcher.filled_ns = now;
    watcher.arming_ns = fill(watcher.arming_ns, elapsed);
    int64_t traps = load_relaxed(&trap_budget_ns);
    __atomic_fetch_add(&trap_budget_ns, fill(traps, elapsed) - traps, __ATOMIC_RELAXED);
}

static void arming_pay(uint64_t ns)
{
    watcher.arming_ns -= (int64_t)ns;
    watcher.arming_total_ns += ns;
}

static uint64_t switch_cost(uint32_t words)
{
    return watchcost_switch(watcher.on_off_ns, words);
}

/* The program's context switches since they were counted last, with so many breakpoints on. */
static void switches_pay(uint32_t words)
{
    struct rusage usage;
    uint64_t now = clock_now(), elapsed = now - watcher.counted_ns;
    if (SYS_CALL(SYS_getrusage, RUSAGE_SELF, &usage, 0, 0, 0, 0) != 0)
        return;
    uint64_t switches = (uint64_t)usage.ru_nvcsw + (uint64_t)usage.ru_nivcsw, more = switches - watcher.switches;
    if (armory_threads())
        arming_pay(more * switch_cost(words));
    watcher.switches = switches;
    watcher.counted_ns = now;
    if (elapsed >= RATE_MIN_NS)
        watcher.per_ms = more * 1000000 / elapsed;
}

/* Nothing is armed for so long: what is open is closed where leaving it would cost more than to open it again. */
static void rest_unarmed(uint64_t ns)
{
    if (armory_threads() && ns / 1000 * watcher.per_ms / 1000 * switch_cost(0) > watcher.opening_ns) {
        armory_close();
        watcher.scanned_ns = 0;
    }
    rest(ns < IDLE_NS ? ns : IDLE_NS);
}

/* How long until both accounts have something, 0: they have. */
static uint64_t accounts_wait(void)
{
    int64_t traps = load_relaxed(&trap_budget_ns);
    int64_t least = traps < watcher.arming_ns ? traps : watcher.arming_ns;
    if (least > 0)
        return 0;
    uint64_t wait = (uint64_t)(-least + 1) * 1000 / SHARE_PER_MILLE;
    return wait < WINDOW_MIN_NS ? WINDOW_MIN_NS : wait;
}

/* ---- who else is there ---- */

static size_t read_own(const char *path, char *text, size_t size)
{
    int fd = sys_open(path, O_RDONLY | O_CLOEXEC, 0);
    long n = fd < 0 ? 0 : sys_read(fd, text, size - 1);
    if (fd >= 0)
        sys_close(fd);
    text[n > 0 ? n : 0] = '\0';
    return n > 0 ? (size_t)n : 0;
}

/* TracerPid of /proc/self/status: the signal would stop the program in its debugger. It is of the thread that is asked
   for, and debuggers attach to all. */
static bool debugged(uint64_t now)
{
    char text[1024];
    if (now - watcher.checked_ns < CHECK_NS)
        return watcher.traced;
    watcher.checked_ns = now;
    read_own("/proc/self/status", text, sizeof(text));
    const char *p = strstr(text, "TracerPid:\t");
    watcher.traced = p && p[11] != '0';
    return watcher.traced;
}

/* Every other thread has ended, the first one too: this one would keep the process alive. */
static bool alone(void)
{
    char text[512];
    if (armory_tasks() > 1)
        return false;
    read_own("/proc/self/stat", text, sizeof(text));
    const char *p = strrchr(text, ')');
    return p && p[1] == ' ' && p[2] == 'Z';
}

static bool scan(uint64_t now)
{
    uint32_t news = load_relaxed(&watcher.news);
    if (now - watcher.scanned_ns < (news == watcher.seen && !armory_incomplete() ? SCAN_NS : SCAN_MIN_NS))
        return true;
    watcher.seen = news;
    watcher.scanned_ns = now;
    uint64_t begin = clock_thread_cpu();
    uint32_t before = armory_threads();
    int error = armory_scan((uint32_t)draw());
    uint64_t cost = clock_thread_cpu() - begin;
    arming_pay(cost);
    if (armory_threads() > before)
        watcher.opening_ns = before ? watcher.opening_ns + cost : cost;
    return error == 0 && !alone();
}

/* ---- windows ---- */

static uint64_t window_length(uint64_t arming_ns, uint32_t words)
{
    uint64_t length = watchcost_window(arming_ns, 2 * SHARE_PER_MILLE, watcher.per_ms, switch_cost(words));
    return length < WINDOW_MIN_NS ? WINDOW_MIN_NS : length > WINDOW_MAX_NS ? WINDOW_MAX_NS : length;
}

static void window(uint32_t words)
{
    switches_pay(0);
    uint64_t begin = clock_thread_cpu();
    armory_arm(words, HITS);
    uint64_t cost = clock_thread_cpu() - begin;
    rest(window_length(cost, words));
    switches_pay(words);
    uint64_t end = clock_thread_cpu();
    armory_disarm(words);
    arming_pay(cost + (clock_thread_cpu() - end));
    watcher.windows++;
    watcher.words += words;
    for (uint32_t k = 0; k < words; k++)
        suspects_learn(&trap_words[k]);
}

void watcher_tell(void)
{
    struct event_watching *e;
    if (!watcher.windows || !(e = (void *)writer_log_reserve(&recorder.writer, sizeof(*e), 0)))
        return;
    e->header.time_ns = clock_now();
    e->windows = watcher.windows;
    e->words = watcher.words;
    e->traps = load_relaxed(&trap_totals.traps);
    e->holds = load_relaxed(&trap_totals.holds);
    e->arming_ns = watcher.arming_total_ns;
    e->trap_ns = load_relaxed(&trap_totals.ns);
    e->threads = armory_threads();
    e->reserved = 0;
    writer_log_commit(&e->header, EVENT_WATCHING);
}

/* One round. False: the watching ends. */
static bool round_trip(void)
{
    uint64_t now = clock_now();
    accounts_fill();
    switches_pay(0);
    if (!recorder_on() || debugged(now)) {
        armory_close();
        watcher.scanned_ns = 0;
        rest(IDLE_NS);
        return true;
    }
    uint64_t wait = accounts_wait();
    if (wait) {
        rest_unarmed(wait);
        return true;
    }
    if (!scan(now))
        return false;
    uint32_t words = armory_threads() > 1 ? suspects_choose(armory_words(), draw()) : 0;
    if (now - watcher.told_ns > TELL_NS) {
        watcher.told_ns = now;
        watcher_tell();
    }
    if (words)
        window(words);
    else
        rest_unarmed(IDLE_NS / 2);
    return true;
}

/* Switches it on and off: the least that this took. */
static void measure(struct breakpoint *b)
{
    watcher.on_off_ns = UINT64_MAX;
    for (int i = 0; i < MEASURED; i++) {
        uint64_t begin = clock_now();
        breakpoint_arm(b, (uintptr_t)&trap_test_word, sizeof(trap_test_word), false, TRAP_TEST_DATA, 1);
        breakpoint_disarm(b, watcher.tid, false);
        uint64_t took = clock_now() - begin;
        watcher.on_off_ns = took < watcher.on_off_ns ? took : watcher.on_off_ns;
    }
}

/* Whether breakpoints fire here: on some virtual machines they never do. */
static bool self_test(void)
{
    struct breakpoint b;
    int error = breakpoint_open(&b, (uint32_t)sys_gettid());
    if (error == -EACCES || error == -EPERM)
        say("races are not looked for with breakpoints: not permitted (perf_event_paranoid, seccomp); CAP_PERFMON or "
            "root "
            "is needed");
    else if (error)
        say("races are not looked for with breakpoints: this kernel has none that signal (Linux 5.13 is needed)");
    if (error)
        return false;
    error = breakpoint_arm(&b, (uintptr_t)&trap_test_word, sizeof(trap_test_word), false, TRAP_TEST_DATA, 1);
    bool fires = !error && trap_test();
    if (fires)
        measure(&b);
    breakpoint_close(&b);
    if (!fires)
        say("races are not looked for with breakpoints: they never fire on this machine");
    return fires;
}

static void *watch(void *unused)
{
    (void)unused;
    uint64_t all_but_trap = ~(UINT64_C(1) << (SIGTRAP - 1)) & ~UINT64_C(0x180000000); /* nor glibc's own two */
    watcher.tid = (uint32_t)sys_gettid();
    SYS_CALL(SYS_rt_sigprocmask, SIG_SETMASK, &all_but_trap, NULL, sizeof(all_but_trap), 0, 0);
    SYS_CALL(SYS_prctl, PR_SET_NAME, "cprobe-watch", 0, 0, 0, 0);
    watcher.random = (clock_now() ^ watcher.tid) | 1;
    watcher.filled_ns = clock_now();
    trap_budget_ns = watcher.arming_ns = ACCOUNT_MAX_NS / 2;
    bool ready = SYS_CALL(SYS_close_range, 0, ~0u, CLOSE_RANGE_UNSHARE, 0, 0, 0) == 0;
    while (ready && debugged(clock_now()) && !load_acquire(&watcher.stop))
        rest(IDLE_NS);
    if (ready && trap_init() == 0 && self_test())
        while (!load_acquire(&watcher.stop) && round_trip())
            ;
    armory_close();
    store_release(&watcher.state, ENDED);
    return NULL;
}

static void start(void)
{
    uint32_t before = NOT_STARTED;
    uint64_t all = ~UINT64_C(0x180000000), mask = 0;
    pthread_t thread;
    if (!recorder_on() || thread_self.in_vfork || !cas_acq_rel(&watcher.state, &before, RUNNING))
        return;
    int saved = errno;
    SYS_CALL(SYS_rt_sigprocmask, SIG_SETMASK, &all, &mask, sizeof(mask), 0, 0);
    int error = REAL(pthread_create)(&thread, NULL, watch, NULL);
    SYS_CALL(SYS_rt_sigprocmask, SIG_SETMASK, &mask, NULL, sizeof(mask), 0, 0);
    if (error == 0)
        REAL(pthread_detach)(thread);
    else
        store_release(&watcher.state, ENDED);
    errno = saved;
}

void watcher_init(void)
{
    watchlist_first = start;
    watchlist_leaving = trap_leaving;
}

void watcher_news(void)
{
    add_relaxed(&watcher.news, 1);
}

void watcher_stop(void)
{
    uint64_t begin = clock_now();
    struct timespec moment = {0, 100000};
    uint32_t before = NOT_STARTED;
    if (cas_acq_rel(&watcher.state, &before, ENDED))
        return;
    store_release(&watcher.stop, 1);
    add_relaxed(&watcher.bell, 1);
    SYS_CALL(SYS_futex, &watcher.bell, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
    while (clock_now() - begin < STOP_NS &&
           SYS_CALL(SYS_tgkill, sys_getpid(), load_relaxed(&watcher.tid), 0, 0, 0, 0) == 0)
        SYS_CALL(SYS_nanosleep, &moment, NULL, 0, 0, 0, 0);
}

void watcher_forked(void)
{
    memset(&watcher, 0, sizeof(watcher));
    memset(&trap_totals, 0, sizeof(trap_totals));
    armory_forked();
    suspects_forked();
    conflict_forked();
}
