/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CPROBE_TRACE_SAMPLE_H
#define CPROBE_TRACE_SAMPLE_H

#include "trace_builder.h"

#define SAMPLE_MS UINT64_C(1000000)
#define SAMPLE_END (BUILDER_START + 2000 * SAMPLE_MS)

/* A small trace with every kind of event and segment in it: two threads, one of them an event loop whose driver blocks
   it. The same bytes each time. The source of the golden files and of the fuzzer's corpus. */
struct trace_builder *sample_build(void);

#endif
