/* SPDX-License-Identifier: GPL-2.0-or-later */
/* CPROBE_SUMMARY=1: the findings in short, printed when the program ends. */
#ifndef CPROBE_CAPTURE_SUMMARY_H
#define CPROBE_CAPTURE_SUMMARY_H

/* Runs the `cprobe` command installed beside this library on `dir`, with the program's standard error as its output.
 * Only at exit. */
void summary_print(const char *dir);

#endif
