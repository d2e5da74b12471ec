/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "analysis/pymodule.h"

#include <ctype.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Event loop frameworks, with everything below them. */
static const char *const LOOP_MODULES[] = {"asyncio", "gevent",         "greenlet",
                                           "uvloop",  "tornado.ioloop", "tornado.platform"};

static const char FROZEN[] = "<frozen ";

/* The end of the last "/<dir>/" in `path`, or NULL. */
static const char *dir_after(const char *path, const char *dir)
{
    const char *found = NULL;
    for (const char *p = path; (p = strstr(p, dir)); p++)
        found = p + strlen(dir);
    return found;
}

/* What follows ".../lib/pythonX.Y/" (also pythonXY.zip/ and pythonX.Y/lib-dynload/), or NULL. */
static const char *stdlib_after(const char *path)
{
    for (const char *p = path; (p = strstr(p, "/python")); p++) {
        const char *end = p + strlen("/python");
        const char *digits = end;
        while (isdigit((unsigned char)*end) || *end == '.')
            end++;
        bool zip = !strncmp(end, "zip/", 4) && end > digits;
        if (zip)
            return end + 4;
        bool versioned = end > digits && memchr(digits, '.', (size_t)(end - digits));
        bool in_lib = (p - path >= 4 && !strncmp(p - 4, "/lib", 4)) || (p - path >= 6 && !strncmp(p - 6, "/lib64", 6));
        /* builds with letters after the version: python3.13t */
        while (islower((unsigned char)*end))
            end++;
        if (versioned && in_lib && *end == '/')
            return end + 1;
    }
    return NULL;
}

static const char *packages_after(const char *path)
{
    const char *site = dir_after(path, "/site-packages/");
    const char *dist = dir_after(path, "/dist-packages/");
    if (!site || !dist)
        return site ? site : dist;
    return site > dist ? site : dist;
}

/* Where the importable part of `path` begins, by the packages around it on this machine; at least its last component.
 */
static const char *package_start(const char *path)
{
    const char *start = strrchr(path, '/');
    while (start && start > path) {
        char init[PATH_MAX];
        int n = snprintf(init, sizeof(init), "%.*s/__init__.py", (int)(start - path), path);
        if (n < 0 || (size_t)n >= sizeof(init) || access(init, F_OK))
            break;
        const char *up = start - 1;
        while (up > path && *up != '/')
            up--;
        start = up;
    }
    return start ? start + 1 : path;
}

static bool has_suffix(const char *text, size_t length, const char *suffix)
{
    size_t n = strlen(suffix);
    return length >= n && !strncmp(text + length - n, suffix, n);
}

/* "pkg/sub/__init__.py" -> "pkg.sub" */
static void path_to_name(const char *path, char *name, size_t size)
{
    size_t length = strlen(path);
    const char *const endings[] = {".py", ".pyc", ".pyx", ".pyw"};
    for (size_t i = 0; i < sizeof(endings) / sizeof(*endings); i++) {
        if (has_suffix(path, length, endings[i])) {
            length -= strlen(endings[i]);
            break;
        }
    }
    if (has_suffix(path, length, "/__init__"))
        length -= strlen("/__init__");
    snprintf(name, size, "%.*s", (int)(length < INT_MAX ? length : INT_MAX), path);
    for (char *c = name; *c; c++) {
        if (*c == '/')
            *c = '.';
    }
}

/* Skips the folder of an egg: foo-1.0-py3.8.egg/foo/x.py */
static const char *egg_skip(const char *path)
{
    const char *slash = strchr(path, '/');
    return slash && has_suffix(path, (size_t)(slash - path), ".egg") ? slash + 1 : path;
}

void pymodule_name(const char *file, char *name, size_t size)
{
    if (!size)
        return;
    if (!strncmp(file, FROZEN, sizeof(FROZEN) - 1)) {
        snprintf(name, size, "%s", file + sizeof(FROZEN) - 1);
        char *end = strrchr(name, '>');
        if (end)
            *end = 0;
        return;
    }
    if (*file == '<') {
        snprintf(name, size, "%s", file);
        return;
    }
    const char *rest = packages_after(file);
    if (rest)
        rest = egg_skip(rest);
    else if (!(rest = stdlib_after(file)))
        rest = package_start(file);
    if (!strncmp(rest, "lib-dynload/", 12))
        rest += 12;
    path_to_name(*rest ? rest : file, name, size);
}

static bool in_package(const char *name, const char *package)
{
    size_t n = strlen(package);
    return !strncmp(name, package, n) && (!name[n] || name[n] == '.');
}

bool pymodule_is_system(const char *file, const char *name)
{
    if (!strncmp(file, FROZEN, sizeof(FROZEN) - 1))
        return true;
    if (!packages_after(file) && stdlib_after(file))
        return true;
    for (size_t i = 0; i < sizeof(LOOP_MODULES) / sizeof(*LOOP_MODULES); i++) {
        if (in_package(name, LOOP_MODULES[i]))
            return true;
    }
    return false;
}
