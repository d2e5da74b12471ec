/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/screen.h"

#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ncurses.h>

static SCREEN *screen;

int screen_open(void)
{
    setlocale(LC_CTYPE, "");
    screen = newterm(NULL, stdout, stdin);
    if (!screen)
        return -ENOTTY;
    cbreak();
    noecho();
    curs_set(0);
    keypad(stdscr, TRUE);
    return 0;
}

void screen_close(void)
{
    if (!screen)
        return;
    endwin();
    delscreen(screen);
    screen = NULL;
}

void screen_size(unsigned *rows, unsigned *columns)
{
    *rows = LINES > 0 ? (unsigned)LINES : 24;
    *columns = COLS > 0 ? (unsigned)COLS : 80;
}

void screen_show(const char *text)
{
    bool heading = true;
    erase();
    for (int row = 0; *text && row < LINES; row++) {
        size_t length = strcspn(text, "\n");
        attrset(heading ? A_BOLD : A_NORMAL);
        mvaddnstr(row, 0, text, (int)length);
        heading = length == 0;
        text += length + (text[length] == '\n');
    }
    refresh();
}

int screen_key(int milliseconds)
{
    timeout(milliseconds);
    int key = getch();
    return key == ERR || key == KEY_RESIZE ? 0 : key;
}
