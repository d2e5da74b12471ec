/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Exit statuses of the cprobe command. Programs rely on them: they never change meaning.
 */
#ifndef CPROBE_CLI_STATUS_H
#define CPROBE_CLI_STATUS_H

#define STATUS_DONE 0
#define STATUS_USAGE 2            /* command line, configuration, suppressions or baseline are wrong */
#define STATUS_DATA 3             /* data missing or unreadable, nothing recorded, or the output cannot be written */
#define STATUS_FOUND 66           /* findings matched: check, run --fail-on */
#define STATUS_NOT_EXECUTABLE 126 /* run: as shells have it */
#define STATUS_NOT_FOUND 127
#define STATUS_SIGNAL 128 /* + number of the signal that ended the program of run */

#endif
