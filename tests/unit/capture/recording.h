/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A recorder that records, for tests of its parts: recording_begin makes a trace in a directory of its own,
 * recording_end completes it and opens it with the reader, recording_close removes it all. The process's tables of
 * endpoints and descriptors stay as they are from one recording to the next.
 */
#ifndef CPROBE_TESTS_RECORDING_H
#define CPROBE_TESTS_RECORDING_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "capture/recorder.h"
#include "capture/slots.h"
#include "capture/thread.h"
#include "trace/reader.h"

#define RECORDING_START UINT64_C(1000000000)
#define RECORDING_END UINT64_C(900000000000)

static char recording_dir[200], recording_path[256];

static inline void recording_begin(uint64_t capacity)
{
    struct trace_header header = {.pid = 1, .start_mono_ns = RECORDING_START, .sample_mean_ns = 1000000};
    const char *tmp = getenv("TEST_TMP");
    snprintf(recording_dir, sizeof(recording_dir), "%s/cprobe-recording.XXXXXX", tmp ? tmp : "/tmp");
    assert_non_null(mkdtemp(recording_dir));
    snprintf(recording_path, sizeof(recording_path), "%s/1.trace", recording_dir);
    slots_forked();
    thread_forked(&thread_self);
    recorder.settings.sample_ns = 1000000;
    recorder.settings.stall_ns = 10000000;
    recorder.settings.stall_stacks = false;
    recorder.thread_key = -1;
    assert_int_equal(writer_create(&recorder.writer, recording_path, capacity, &header), 0);
    recorder_gate.open = 1;
}

static inline struct trace *recording_end(void)
{
    struct trace *t = NULL;
    char error[300] = "";
    writer_finish(&recorder.writer, TRACE_FINISHED, TRACE_REASON_NONE, RECORDING_END);
    recorder_gate.open = 0;
    if (trace_open(recording_path, &t, error, sizeof(error)) != 0)
        fail_msg("%s", error);
    assert_int_equal(trace_info(t)->damage, 0);
    return t;
}

static inline void recording_close(struct trace *t)
{
    trace_close(t);
    writer_abandon(&recorder.writer);
    unlink(recording_path);
    rmdir(recording_dir);
}

#endif
