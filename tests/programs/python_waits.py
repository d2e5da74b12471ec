# SPDX-License-Identifier: GPL-2.0-or-later
"""Threads of an unprepared interpreter that wait in time.sleep, a lock and os.read until they are stopped, or TURNS times; and IDLE
threads that wait for ever.

Expected: every stack unwinds to the thread's start.
"""

import itertools
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
for _ in range(int(os.environ.get("IDLE", "0"))):
    threading.Thread(target=threading.Event().wait, daemon=True).start()
print("ready", flush=True)
for turn in itertools.count(1):
    time.sleep(0.01)
    os.write(sink, b"x")
    if turn == int(os.environ.get("TURNS", "0")):
        break
