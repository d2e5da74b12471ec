/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/screen.h"

#include <errno.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <curses.h>

#include "cli/message.h"

static struct {
    SCREEN *terminal;
    char *text; /* what is shown */
    char *foot;
    int first; /* line of it at the top */
    int lines;
} screen;

int screen_open(void)
{
    if (!isatty(STDOUT_FILENO) || !isatty(STDIN_FILENO))
        return -ENOTTY;
    setlocale(LC_CTYPE, "");
    if (MB_CUR_MAX == 1)
        setlocale(LC_CTYPE, "C.UTF-8"); /* what is shown is UTF-8, whatever the environment says */
    screen.terminal = newterm(NULL, stdout, stdin);
    if (!screen.terminal)
        return -ENOTTY;
    cbreak();
    noecho();
    curs_set(0);
    keypad(stdscr, TRUE);
    if (has_colors()) {
        start_color();
        use_default_colors();
        for (short colour = COLOR_BLACK; colour <= COLOR_WHITE; colour++)
            init_pair((short)(colour + 1), colour, -1);
    }
    return 0;
}

void screen_close(void)
{
    endwin();
    delscreen(screen.terminal);
    free(screen.text);
    free(screen.foot);
    memset(&screen, 0, sizeof(screen));
}

unsigned screen_columns(void)
{
    return COLS > 0 ? (unsigned)COLS : 80;
}

/* One "\033[…m" of report/line.c at `text`: sets the attributes, returns what is behind it. ECMA-48, 8.3.117 SGR. */
static const char *attributes_apply(const char *text)
{
    attr_t attributes = A_NORMAL;
    char *end = (char *)text + 1;

    do {
        long code = strtol(end + 1, &end, 10);
        if (code == 1)
            attributes |= A_BOLD;
        else if (code == 2)
            attributes |= A_DIM;
        else if (code >= 30 && code <= 37 && has_colors())
            attributes |= (attr_t)COLOR_PAIR(code - 30 + 1);
    } while (*end == ';');
    attrset((int)attributes);
    return *end == 'm' ? end + 1 : end;
}

static void line_draw(int row, const char *text, size_t length)
{
    const char *end = text + length;

    move(row, 0);
    attrset(A_NORMAL);
    while (text < end) {
        const char *escape = memchr(text, '\033', (size_t)(end - text));
        if (escape == text && escape + 1 < end && escape[1] == '[') {
            text = attributes_apply(text);
            continue;
        }
        if (escape == text)
            break;
        const char *stop = escape ? escape : end;
        addnstr(text, (int)(stop - text));
        text = stop;
    }
    attrset(A_NORMAL);
}

static void screen_draw(void)
{
    int room = LINES > 1 ? LINES - 1 : 1, row = 0, number = 0;
    int last = screen.lines > room ? screen.lines - room : 0;

    screen.first = screen.first > last ? last : screen.first < 0 ? 0 : screen.first;
    erase();
    for (const char *line = screen.text; *line && row < room; number++) {
        size_t length = strcspn(line, "\n");
        if (number >= screen.first)
            line_draw(row++, line, length);
        line += length + (line[length] == '\n');
    }
    attrset(A_REVERSE);
    mvaddnstr(LINES - 1, 0, screen.foot, COLS);
    attrset(A_NORMAL);
    refresh();
}

void screen_show(const char *text, const char *foot)
{
    free(screen.text);
    free(screen.foot);
    screen.text = memory_need(strdup(text));
    screen.foot = memory_need(strdup(foot));
    screen.lines = 0;
    for (const char *c = text; *c; c++)
        screen.lines += *c == '\n';
    screen_draw();
}

static double seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* How far a key scrolls; 0: it does not. */
static int key_scrolls(int key)
{
    switch (key) {
    case KEY_UP:
    case 'k':
        return -1;
    case KEY_DOWN:
    case 'j':
        return 1;
    case KEY_PPAGE:
        return -(LINES - 2);
    case KEY_NPAGE:
        return LINES - 2;
    case KEY_HOME:
        return -screen.lines;
    case KEY_END:
        return screen.lines;
    default:
        return 0;
    }
}

enum screen_key screen_wait(double seconds)
{
    double end = seconds_now() + seconds, left;

    while ((left = end - seconds_now()) > 0) {
        timeout((int)(left * 1000) + 1);
        int key = getch();
        int lines = key_scrolls(key);
        if (key == 'q' || key == 'Q')
            return SCREEN_QUIT;
        if (key == 'p')
            return SCREEN_PAUSE;
        if (key == ' ' || key == KEY_RESIZE)
            return SCREEN_NOW;
        if (lines != 0) {
            screen.first += lines;
            screen_draw();
        }
    }
    return SCREEN_TIME;
}
