/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the command says on stderr, and how it ends when memory runs out.
 */
#ifndef CPROBE_CLI_MESSAGE_H
#define CPROBE_CLI_MESSAGE_H

#include <stddef.h>

#define ERROR_SIZE 1024 /* of the buffers that functions put their sentence for the user into */

/* "cprobe: …" and a newline on stderr; control characters become '?'. */
void message_print(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The same, and where help is. Returns STATUS_USAGE. command NULL: the cprobe command itself. */
int message_usage(const char *command, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Puts a sentence into error[0..size). Returns `code`, so that a function can end with it. */
int error_set(char *error, size_t size, int code, const char *format, ...) __attribute__((format(printf, 4, 5)));

/* `pointer` unless it is NULL: then the process ends with a message and STATUS_DATA. For results of malloc and strdup.
 */
void *memory_need(void *pointer);

/* Appends "; did you mean 'x'?", or "; known: a, b" when no name is near, to error[0..size). */
void error_add_nearest(char *error, size_t size, const char *typed, const char *const *names, size_t count);

#endif
