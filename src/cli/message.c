/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/message.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/nearest.h"
#include "cli/status.h"

static void message_print_list(const char *format, va_list arguments)
{
    char text[2 * ERROR_SIZE];

    vsnprintf(text, sizeof(text), format, arguments);
    for (char *c = text; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7F)
            *c = '?';
    fprintf(stderr, "cprobe: %s\n", text);
}

void message_print(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    message_print_list(format, arguments);
    va_end(arguments);
}

int message_usage(const char *command, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    message_print_list(format, arguments);
    va_end(arguments);
    fprintf(stderr, "Try 'cprobe %s%s--help'.\n", command ? command : "", command ? " " : "");
    return STATUS_USAGE;
}

int error_set(char *error, size_t size, int code, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(error, size, format, arguments);
    va_end(arguments);
    return code;
}

void *memory_need(void *pointer)
{
    if (!pointer) {
        message_print("out of memory");
        exit(STATUS_DATA);
    }
    return pointer;
}

void error_add_nearest(char *error, size_t size, const char *typed, const char *const *names, size_t count)
{
    const char *nearest = nearest_name(typed, names, count);
    size_t length = strlen(error);

    if (nearest) {
        snprintf(error + length, size - length, "; did you mean '%s'?", nearest);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        length = strlen(error);
        snprintf(error + length, size - length, "%s%s", i == 0 ? "; known: " : ", ", names[i]);
    }
}
