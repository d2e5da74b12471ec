/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/live.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/arena.h"
#include "cli/message.h"
#include "trace/format.h"

static bool live_has(const struct live *live, const char *path)
{
    for (size_t i = 0; i < live->count; i++)
        if (strcmp(live->paths[i], path) == 0)
            return true;
    return false;
}

/* The path of a line of /proc/PID/maps if it is a trace; NULL: it is not. */
static char *line_trace(char *line)
{
    char *path = strchr(line, '/');
    size_t length = path ? strcspn(path, "\n") : 0, suffix = strlen(TRACE_SUFFIX);

    if (length <= suffix || strncmp(path + length - suffix, TRACE_SUFFIX, suffix) != 0)
        return NULL;
    path[length] = '\0';
    return path;
}

int live_find(const char *pid, struct live *out, char *error, size_t error_size)
{
    char file[64], *line = NULL;
    size_t size = 0;

    snprintf(file, sizeof(file), "/proc/%.20s/maps", pid);
    FILE *maps = fopen(file, "r");
    if (!maps && errno == ENOENT)
        return error_set(error, error_size, -ESRCH, "there is no process %.20s", pid);
    while (maps && getline(&line, &size, maps) > 0) {
        char *path = line_trace(line);
        if (!path || live_has(out, path))
            continue;
        out->paths = memory_grow(out->paths, out->count, &out->capacity, sizeof(*out->paths));
        out->paths[out->count++] = memory_need(strdup(path));
    }
    int code = maps ? ferror(maps) ? EACCES : 0 : errno;
    free(line);
    if (maps)
        fclose(maps);
    if (code != 0)
        return error_set(error, error_size, -code, "cannot see what process %.20s has mapped: %s", pid, strerror(code));
    if (out->count == 0)
        return error_set(error, error_size, -ENODATA,
                         "process %.20s is not recorded from inside: start it with LD_PRELOAD=libcprobe.so, or record "
                         "it with 'cprobe record -p %.20s -o DIR' and look at 'cprobe top DIR'",
                         pid, pid);
    return 0;
}

void live_free(struct live *live)
{
    for (size_t i = 0; i < live->count; i++)
        free(live->paths[i]);
    free(live->paths);
    memset(live, 0, sizeof(*live));
}
