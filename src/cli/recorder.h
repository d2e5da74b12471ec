/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The recorder's settings (recorder_options.def) as the command sees them, and how it is put into a program.
 * Command line beats variable beats configuration file.
 */
#ifndef CPROBE_CLI_RECORDER_H
#define CPROBE_CLI_RECORDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/options.h"

enum recorder_option {
#define RECORDER_OPTION(identifier, name, letter, type, minimum, maximum, form, value, argument, help) \
    RECORDER_##identifier,
#include "cli/recorder_options.def"
#undef RECORDER_OPTION
    RECORDER_OPTION_COUNT
};

#define RECORDER_VALUE_SIZE 4096

/* Settings from one source: NULL where it says nothing. Values are in the form that the recorder reads. */
struct recorder_settings {
    char *value[RECORDER_OPTION_COUNT];
};

/* Key in the configuration: "max_size". */
const char *recorder_key(enum recorder_option option);

/* Checks `text` and stores it. 0, or -EINVAL with a sentence that says what a value looks like. */
int recorder_set(struct recorder_settings *settings, enum recorder_option option, const char *text, char *error,
                 size_t error_size);
void recorder_free(struct recorder_settings *settings);

/* One setting from its CPROBE_ variable, if that is set. 0, or -EINVAL with a sentence that names the variable. */
int recorder_read_variable(struct recorder_settings *settings, enum recorder_option option, char *error,
                           size_t error_size);

/* Fills what `settings` leaves open from `lower`. */
void recorder_merge(struct recorder_settings *settings, const struct recorder_settings *lower);

/* Whether a FLAG is on; `otherwise` where it is not set. */
bool recorder_flag(const struct recorder_settings *settings, enum recorder_option option, bool otherwise);

/* A SIZE in bytes or a DURATION in nanoseconds; the row's default where it is not set. */
uint64_t recorder_number(const struct recorder_settings *settings, enum recorder_option option);

/* The directory of recordings, never NULL. */
const char *recorder_dir(const struct recorder_settings *settings);

/* The rows as options of `cprobe run`; they are applied to `settings`. */
struct cli_group recorder_group(struct recorder_settings *settings);

/* Puts the settings and the library into this process's environment: CPROBE_ variables, and LD_PRELOAD before what it
   already names. For the process that is about to exec. 0 or negative errno. */
int recorder_export(const struct recorder_settings *settings, const char *library);

/*
 * Finds libcprobe.so: $CPROBE_LIB, else beside this executable, else in ../lib/cprobe or ../lib from there. 0 and its
 * absolute path, or negative errno with a sentence: missing, or its path has a space or colon, which LD_PRELOAD cannot
 * express.
 */
int recorder_find_library(char *path, size_t path_size, char *error, size_t error_size);

#endif
