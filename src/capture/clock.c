/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "capture/clock.h"

#include <fcntl.h>
#include <link.h>
#include <stdbool.h>
#include <string.h>
#include <sys/auxv.h>

#include "base/sys.h"
#include "capture/elf.h"

#define CALIBRATION_NS 10000000 /* before the rate is taken from it */
#define READING_TICKS 20000     /* a reading that took longer was interrupted */

int (*clock_vdso)(clockid_t, struct timespec *);
uint64_t clock_scale, clock_ticks;

static struct clock_tick origin; /* where the rate is measured from; tsc 0: the counter is not to be used */

/* Both clocks at one instant, as exactly as can be; false: the thread was interrupted each time. */
static bool read_both(struct clock_tick *tick)
{
    for (int i = 0; i < 3; i++) {
        uint64_t before = __builtin_ia32_rdtsc(), ns = clock_now(), after = __builtin_ia32_rdtsc();
        *tick = (struct clock_tick){before + (after - before) / 2, ns};
        if (after - before < READING_TICKS)
            return true;
    }
    return false;
}

static void tick_init(void)
{
    char name[8] = "";
    int fd = sys_open("/sys/devices/system/clocksource/clocksource0/current_clocksource", O_RDONLY | O_CLOEXEC, 0);
    if (fd < 0)
        return;
    sys_read(fd, name, sizeof(name) - 1);
    sys_close(fd);
    if (strcmp(name, "tsc\n") != 0 || !read_both(&origin))
        origin.tsc = 0;
}

/* The rate since `origin`. One that differs much from what it was: the machine slept, or moved. */
static bool calibrate(const struct clock_tick *now)
{
    struct clock_tick from = origin;
    uint64_t known = load_relaxed(&clock_scale);
    if (now->ns <= from.ns + CALIBRATION_NS || now->tsc <= from.tsc)
        return known != 0;
    double rate = (double)(now->ns - from.ns) / (double)(now->tsc - from.tsc);
    uint64_t scale = (uint64_t)(rate * 4294967296.0), off = scale > known ? scale - known : known - scale;
    if (known && off > known / 1000) {
        origin.tsc = 0;
        store_relaxed(&clock_ticks, 0);
        return false;
    }
    store_relaxed(&clock_scale, scale);
    store_relaxed(&clock_ticks, (uint64_t)(CLOCK_TICK_NS / rate));
    return true;
}

uint64_t clock_tick_read(struct clock_tick *tick)
{
    struct clock_tick now;
    tick->tsc = 0;
    if (!origin.tsc)
        return clock_now();
    if (read_both(&now) && calibrate(&now))
        *tick = now;
    return now.ns;
}

/* The vDSO is an ELF object that the kernel maps; vdso(7) names its symbols. */
static void vdso_init(void)
{
    const ElfW(Ehdr) *vdso = (const void *)getauxval(AT_SYSINFO_EHDR); // NOLINT(performance-no-int-to-ptr)
    struct link_map map = {0};
    uintptr_t first = 0;
    if (!vdso)
        return;
    const ElfW(Phdr) *p = (const void *)((const char *)vdso + vdso->e_phoff);
    for (int i = 0; i < vdso->e_phnum; i++) {
        if (p[i].p_type == PT_LOAD && !map.l_addr)
            map.l_addr = (uintptr_t)vdso + p[i].p_offset - p[i].p_vaddr;
        else if (p[i].p_type == PT_DYNAMIC)
            first = p[i].p_offset;
    }
    if (!first)
        return;
    map.l_ld = (void *)((uintptr_t)vdso + first);
    clock_vdso = (int (*)(clockid_t, struct timespec *))elf_symbol(&map, "__vdso_clock_gettime");
}

void clock_init(void)
{
    vdso_init();
    tick_init();
}
