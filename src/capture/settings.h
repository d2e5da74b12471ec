/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The recorder's CPROBE_* environment variables read once at start. */
#ifndef CPROBE_CAPTURE_SETTINGS_H
#define CPROBE_CAPTURE_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "capture/pattern.h"

#define SETTINGS_PATH_MAX 900
#define SETTINGS_WATCH_MAX 1024

/* CPROBE_KEYS: what is kept of the keys that a program asks for. */
enum settings_keys { SETTINGS_KEYS_OFF = 0, SETTINGS_KEYS_HASH = 1, SETTINGS_KEYS_FULL = 2 };

struct settings {
    char dir[SETTINGS_PATH_MAX]; /* absolute */
    uint64_t max_size;           /* bytes */
    uint64_t sample_ns;          /* mean of the sampler's distribution */
    uint64_t stall_ns;           /* turns at least this long are recorded */
    bool stall_stacks;           /* stacks of threads that compute while others wait for them, oncpu.h */
    bool quiet;
    bool summary;
    uint32_t wire;        /* 1: what is said on connections is looked at */
    uint32_t keys;        /* enum settings_keys */
    uint32_t connections; /* conversations followed at once */
    bool watch_own;       /* nothing was said of what to watch: the default, in the program's own code */
    struct patterns watch;
    char watch_py[SETTINGS_WATCH_MAX]; /* python_rules.h */
    uint32_t root;                     /* process id of the run's first recorded process, 0: this is it */
};

/* Reads `environment`. Each bad value or unknown CPROBE_ name is reported through `complain` (one sentence with
   newline) and the default kept. */
void settings_read(struct settings *s, char *const *environment, void (*complain)(const char *text));

#endif
