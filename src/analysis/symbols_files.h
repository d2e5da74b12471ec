/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Opens the file of a recorded module, and the separate debug file that belongs to it. Only local files are looked at,
 * whatever DEBUGINFOD_URLS says: a report must not wait for a network.
 */
#ifndef CPROBE_ANALYSIS_SYMBOLS_FILES_H
#define CPROBE_ANALYSIS_SYMBOLS_FILES_H

#include <elfutils/libdwfl.h>
#include <stddef.h>
#include <stdint.h>

struct symbols_file {
    Dwfl *dwfl;          /* holds nothing but `module`; freed with dwfl_end */
    Dwfl_Module *module; /* addresses are the file's own */
};

/*
 * Opens `path`, or, where that is gone or another build, the debug file of `build_id` (id_size bytes, 0: any build will
 * do) below /usr/lib/debug. 0, or negative errno: -ESTALE the file is of another build, -ENOEXEC it is not a readable
 * ELF file, else the system's.
 */
int symbols_file_open(const char *path, const uint8_t *build_id, size_t id_size, struct symbols_file *out);
void symbols_file_close(struct symbols_file *file);

#endif
