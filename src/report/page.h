/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The html page that the build bundled from src/report/page; empty where it could not. */
#ifndef CPROBE_REPORT_PAGE_H
#define CPROBE_REPORT_PAGE_H

extern const char page_html[], page_html_end[];

/* Stands in the page once, where the data belong: JSON without '<'. */
#define PAGE_DATA_MARK "@CPROBE_DATA@"

#endif
