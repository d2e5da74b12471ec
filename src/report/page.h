/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The html page that the build bundled from src/report/page; empty where it could not. */
#ifndef CPROBE_REPORT_PAGE_H
#define CPROBE_REPORT_PAGE_H

#include <stdint.h>

extern const char page_html[];        /* NUL-terminated */
extern const uint64_t page_html_size; /* bytes, without the NUL */

/* Stands in the page once, where the data belong: JSON without '<'. */
#define PAGE_DATA_MARK "@CPROBE_DATA@"

#endif
