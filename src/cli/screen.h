/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A page of text on the terminal that is drawn anew and can be scrolled, by ncurses. One at a time. */
#ifndef CPROBE_CLI_SCREEN_H
#define CPROBE_CLI_SCREEN_H

#include <stdbool.h>
#include <stddef.h>

enum screen_key { SCREEN_TIME, SCREEN_QUIT, SCREEN_PAUSE, SCREEN_NOW };

/* Takes the terminal. 0, or -ENOTTY where there is none that ncurses can use. */
int screen_open(void);
/* Gives it back as it was. */
void screen_close(void);

/* Shows `text`: UTF-8 lines, coloured as report/line.h does; `foot` is the last line of the screen. Keeps the place
   that the user has scrolled to. */
void screen_show(const char *text, const char *foot);

/* Handles keys (scrolling, a new size) until `seconds` are over (SCREEN_TIME) or one asks for something. */
enum screen_key screen_wait(double seconds);

/* Width of the terminal in columns. */
unsigned screen_columns(void);

#endif
