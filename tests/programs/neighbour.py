# SPDX-License-Identifier: GPL-2.0-or-later
"""An event loop that computes most of the time, on one CPU.

neighbour.py beside|alone TURNS: beside another process that wants the same CPU all the time, or without one.
Expected: beside, the loop waits for the CPU about as long as it has it (verdict "starved"); alone it hardly waits for it.
Prints what the kernel says of the loop's thread as JSON: wall_ns, oncpu_ns, runnable_ns (/proc/thread-self/schedstat).
"""

import json
import os
import select
import signal
import sys
import time


def scheduled():
    with open("/proc/thread-self/schedstat", encoding="ascii") as file:
        oncpu, runnable, _ = map(int, file.read().split())
    return time.monotonic_ns(), oncpu, runnable


def neighbour_start():
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(60)
        while os.getppid() != 1:
            for _ in range(1000000):
                pass
        os._exit(0)
    return child


def compute(seconds):
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


def main():
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    child = neighbour_start() if sys.argv[1] == "beside" else 0
    ready, done = os.pipe()
    with select.epoll() as events:
        events.register(ready)
        events.register(sys.stdin)
        before = scheduled()
        for _ in range(int(sys.argv[2])):
            events.poll(0.002)
            compute(0.01)
        after = scheduled()
    if child:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    os.close(done)
    print(json.dumps(dict(zip(("wall_ns", "oncpu_ns", "runnable_ns"), (b - a for a, b in zip(before, after))))), flush=True)


main()
