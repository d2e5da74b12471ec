/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the recorder tells the user: one line at a time, on the standard error that the program was started with, unless
 * CPROBE_QUIET=1 or the program has replaced it. No stdio, no lock; errno is left alone. */
#ifndef CPROBE_CAPTURE_TERMINAL_H
#define CPROBE_CAPTURE_TERMINAL_H

/* In the constructor: looks at standard error and the environment. */
void terminal_init(void);

/* `text` ends with a newline. */
void terminal_say(const char *text);

/* The same for what is wrong with the settings: not repeated by processes further down. */
void terminal_complain(const char *text);

/* Says that `what` ("not recording") is because the directory cannot be written to: `error` is an errno. */
void terminal_say_failure(const char *what, int error);

#endif
