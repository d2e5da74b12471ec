/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Flame graphs and profiles: each format turns the stacks of one kind into bytes. The list is flame_formats.def.
 */
#ifndef CPROBE_REPORT_FLAME_H
#define CPROBE_REPORT_FLAME_H

#include <stdbool.h>
#include <stdio.h>

#include "analysis/finding.h"
#include "analysis/profile.h"

struct flame {
    const struct profile *profile;
    const struct report *report; /* what else the page shows; findings that are left out stand in it no more */
    size_t kind;                 /* profile_kind_at */
    bool idle;                   /* with the event loops' own waits for events */
};

struct flame_format {
    const char *name;
    const char *ending; /* ".svg" */
    bool for_terminal;  /* its text may go to a terminal */
    const char *description;
    /* 0 or negative errno; a failed write may also show only in ferror(out) or at fflush. -ENOTSUP: this build lacks
       what the format needs, flame_page_missing says what. */
    int (*write)(const struct flame *flame, FILE *out);
};

size_t flame_format_count(void);
const struct flame_format *flame_format_at(size_t i);
/* NULL: no such format. */
const struct flame_format *flame_format_find(const char *name);
/* The format whose ending `path` has; the longest ending that fits wins. NULL: none. */
const struct flame_format *flame_format_of_path(const char *path);

/* Steps through the stacks that belong to the graph, heaviest first. *position: 0 at first. NULL at the end. */
const struct profile_stack *flame_next(const struct flame *flame, size_t *position);
/* Time of all of them. */
uint64_t flame_total(const struct flame *flame);

/*
 * Names as all formats show them, cleaned: valid UTF-8, nothing that could change what a terminal shows. At most `size`
 * bytes, NUL included. Both return `buffer`.
 * A frame: "recv", "View.get (views.py:33)", "0x1a2b [libmariadb.so.3]", kernel frames end in "_[k]". A thread: its
 * name.
 */
#define FLAME_LABEL_SIZE 512
char *flame_label(const struct profile_frame *frame, char *buffer, size_t size);
char *flame_thread_label(const struct profile_thread *thread, char *buffer, size_t size);
/* "server[4711] worker (4712)": tells every thread apart. */
char *flame_thread_title(const struct profile_thread *thread, char *buffer, size_t size);

/* What the build of `html` lacked, for the user; NULL: nothing. */
const char *flame_page_missing(void);

#define FLAME_FORMAT(name, ending, for_terminal, description) \
    int flame_##name##_write(const struct flame *flame, FILE *out);
#include "report/flame_formats.def"
#undef FLAME_FORMAT

#endif
