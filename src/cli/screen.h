/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The whole terminal, for a view that is drawn again and again. One at a time; SIGINT ends the process as ever. */
#ifndef CPROBE_CLI_SCREEN_H
#define CPROBE_CLI_SCREEN_H

#include <stdbool.h>

/* 0, or -ENOTTY: there is no terminal that could do it. */
int screen_open(void);
void screen_close(void);

/* Rows and columns at present. */
void screen_size(unsigned *rows, unsigned *columns);

/* Shows `text`, with the first line and each that follows an empty one emphasised. */
void screen_show(const char *text);

/* Waits for a key: its character, 0 after `milliseconds` without one or when the terminal's size changed. */
int screen_key(int milliseconds);

#endif
