/* SPDX-License-Identifier: GPL-2.0-or-later */
#define _GNU_SOURCE /* asprintf */
#include "cli/output.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/message.h"

#define COLUMNS_MIN 60

static void output_free(struct output *output)
{
    free(output->path);
    free(output->target);
    free(output->temporary);
    memset(output, 0, sizeof(*output));
}

static int open_failed(struct output *output, char *error, size_t error_size)
{
    int code = errno;
    error_set(error, error_size, 0, "cannot write %s: %s", output->path, strerror(code));
    output_free(output);
    return -code;
}

/* A temporary file in the target's directory, with the mode that a new file would get. */
static int temporary_open(struct output *output)
{
    if (asprintf(&output->temporary, "%s.XXXXXX", output->target) < 0)
        output->temporary = memory_need(NULL);
    int fd = mkstemp(output->temporary);
    if (fd < 0)
        return -1;
    mode_t mask = umask(0);
    umask(mask);
    if (fchmod(fd, 0666 & ~mask) == 0 && (output->file = fdopen(fd, "w")))
        return 0;
    int code = errno;
    unlink(output->temporary);
    close(fd);
    errno = code;
    return -1;
}

int output_open(struct output *output, const char *path, char *error, size_t error_size)
{
    struct stat status;

    memset(output, 0, sizeof(*output));
    if (!path || strcmp(path, "-") == 0) {
        output->file = stdout;
        return 0;
    }
    output->path = memory_need(strdup(path));
    output->target = realpath(path, NULL);
    if (!output->target)
        output->target = memory_need(strdup(path));
    if (stat(output->target, &status) == 0 && !S_ISREG(status.st_mode)) {
        output->file = fopen(output->target, "w");
        return output->file ? 0 : open_failed(output, error, error_size);
    }
    return temporary_open(output) == 0 ? 0 : open_failed(output, error, error_size);
}

int output_close(struct output *output, char *error, size_t error_size)
{
    int code = 0;

    errno = 0;
    if (fflush(output->file) != 0 || ferror(output->file))
        code = errno ? errno : EIO;
    if (output->file != stdout && fclose(output->file) != 0 && code == 0)
        code = errno;
    if (output->temporary && code == 0 && rename(output->temporary, output->target) != 0)
        code = errno;
    if (output->temporary && code != 0)
        unlink(output->temporary);
    if (code != 0)
        error_set(error, error_size, 0, "cannot write %s: %s", output->path ? output->path : "to standard output",
                  strerror(code));
    output_free(output);
    return -code;
}

void output_abandon(struct output *output)
{
    if (output->file != stdout)
        fclose(output->file);
    if (output->temporary)
        unlink(output->temporary);
    output_free(output);
}

struct report_style output_style(FILE *file)
{
    struct report_style style = {.colour = false, .columns = REPORT_COLUMNS};
    const char *no_colour = getenv("NO_COLOR"), *terminal = getenv("TERM");
    struct winsize window;

    if (!isatty(fileno(file)))
        return style;
    style.colour = !(no_colour && no_colour[0]) && !(terminal && strcmp(terminal, "dumb") == 0);
    if (ioctl(fileno(file), TIOCGWINSZ, &window) == 0 && window.ws_col > 0 && window.ws_col < style.columns)
        style.columns = window.ws_col < COLUMNS_MIN ? COLUMNS_MIN : window.ws_col;
    return style;
}
