/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "capture/procfile.h"

#include <fcntl.h>
#include <string.h>

#include "base/sys.h"

#define LINE_BYTES 4096

const char *procfile_number(const char *text, unsigned base, char end, uint64_t *out)
{
    const char *p = text;
    for (*out = 0;; p++) {
        unsigned digit = base;
        if (*p >= '0' && *p <= '9')
            digit = (unsigned)(*p - '0');
        else if (*p >= 'a' && *p <= 'f')
            digit = (unsigned)(*p - 'a') + 10;
        if (digit >= base)
            break;
        *out = *out * base + digit;
    }
    return p > text && *p == end ? p + 1 : NULL;
}

/* Takes the whole lines of `used` bytes; what is left of the last one is moved to the front. */
static bool lines_take(char *text, size_t *used, bool (*take)(void *context, const char *line), void *context)
{
    char *line = text, *end;
    bool done = false;
    for (; !done && (end = memchr(line, '\n', *used - (size_t)(line - text))); line = end + 1) {
        *end = '\0';
        done = take(context, line);
    }
    *used -= (size_t)(line - text);
    memmove(text, line, *used);
    return done;
}

bool procfile_lines(const char *path, bool (*take)(void *context, const char *line), void *context)
{
    char text[LINE_BYTES];
    size_t used = 0;
    bool done = false;
    int fd = sys_open(path, O_RDONLY | O_CLOEXEC, 0);
    while (fd >= 0 && !done && used < sizeof(text)) {
        long n = sys_read(fd, text + used, sizeof(text) - used);
        if (n <= 0)
            break;
        used += (size_t)n;
        done = lines_take(text, &used, take, context);
    }
    if (fd >= 0)
        sys_close(fd);
    return done;
}
