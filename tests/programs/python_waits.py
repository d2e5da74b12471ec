# SPDX-License-Identifier: GPL-2.0-or-later
"""Threads of an unprepared interpreter that wait in time.sleep, a lock and os.read until they are stopped.

Expected: every stack unwinds to the thread's start.
"""

import os
import threading
import time

lock = threading.Lock()
source, sink = os.pipe()


def hold():
    while True:
        with lock:
            time.sleep(0.02)
        time.sleep(0.005)


def take():
    while True:
        with lock:
            pass
        time.sleep(0.002)


def read():
    while True:
        os.read(source, 1)


for run in (hold, take, read):
    threading.Thread(target=run, daemon=True).start()
print("ready", flush=True)
while True:
    time.sleep(0.01)
    os.write(sink, b"x")
