# SPDX-License-Identifier: GPL-2.0-or-later
"""What a program knows about its own blocking calls, to compare a report with.

`with truth.measure(): call()  # blocks` adds the call's wall time, its thread's CPU time and the time that the thread was ready but had
to queue for a CPU; at exit the sums are written, as JSON, to the file that TRUTH names. The comment marks the line that a report
has to name.
"""

import atexit
import contextlib
import json
import os
import time

total = {"count": 0, "wall_ns": 0, "cpu_ns": 0, "queued_ns": 0, "max_ns": 0}


def queued_ns():
    """Second field of schedstat (kernel documentation, scheduler/sched-stats)."""
    with open("/proc/thread-self/schedstat", "rb", buffering=0) as file:
        return int(file.read().split()[1])


@contextlib.contextmanager
def measure():
    if "TRUTH" not in os.environ:
        yield
        return
    queued, cpu, wall = queued_ns(), time.thread_time_ns(), time.monotonic_ns()
    try:
        yield
    finally:
        wall, cpu = time.monotonic_ns() - wall, time.thread_time_ns() - cpu
        total["count"] += 1
        total["wall_ns"] += wall
        total["cpu_ns"] += cpu
        total["queued_ns"] += queued_ns() - queued
        total["max_ns"] = max(total["max_ns"], wall)


@atexit.register
def write():
    if "TRUTH" in os.environ:
        with open(os.environ["TRUTH"], "w") as file:
            json.dump(total, file)
