/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whether data breakpoints work on this machine as the recorder uses them (src/capture/breakpoint.h): tried out. */
#ifndef CPROBE_CLI_BREAKPOINTS_H
#define CPROBE_CLI_BREAKPOINTS_H

/* NULL: they do; else why not, for people. Changes the action of SIGTRAP for a moment; one thread. */
const char *breakpoints_missing(void);

#endif
