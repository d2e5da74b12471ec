#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""lock_question.py MODE SECONDS PAUSE [SWITCH]: 76 threads that share a cachetools.TTLCache by cachetools.cached.

MODE
  free     without a lock: guilty; cprobe says what one would cost
  forked   the same in a forked child; the cache is the parent's
  locked   the innocent twin, whose lock measures itself: prints JSON, of all operations: `busy`, the share of the time for
           which the lock was had, `mean_ns`, `p50_ns`, `p99_ns`, `max_ns` of the waits for it, of which the shortest
           is taken off as the cost of measuring, and `waits`, the share of those above 5 µs

PAUSE: mean time between two calls of a thread, in ms. SWITCH: the interpreter's switch interval in ms, if not its own.
"""

import json
import os
import random
import sys
import threading
import time

import cachetools

THREADS, KEYS, SIZE, TTL = 76, 6000, 2000, 0.5
clock = time.perf_counter_ns


class MeasuringLock:
    def __init__(self):
        self.lock = threading.Lock()
        self.waits = []
        self.busy_ns = self.since_ns = 0

    def __enter__(self):
        before = clock()
        self.lock.acquire()
        self.since_ns = clock()
        self.waits.append(self.since_ns - before)

    def __exit__(self, *_):
        self.busy_ns += clock() - self.since_ns
        self.lock.release()

    def result(self, wall_ns):
        waits = sorted(self.waits)
        waits = [wait - waits[0] for wait in waits]
        at = lambda share: waits[int(share * (len(waits) - 1))]
        return {"busy": self.busy_ns / wall_ns, "operations": len(waits), "mean_ns": sum(waits) / len(waits), "p50_ns": at(0.5),
                "p99_ns": at(0.99), "max_ns": waits[-1], "waits": sum(wait > 5000 for wait in waits) / len(waits)}


def load(key):
    time.sleep(0.001)
    return key


def work(use, until, pause, seed):
    choose = random.Random(seed)
    while clock() < until:
        time.sleep(choose.expovariate(1) * pause)
        try:
            use(choose.randrange(KEYS))
        except (KeyError, RuntimeError, AttributeError):
            pass


def main():
    mode, seconds, pause = sys.argv[1], float(sys.argv[2]), float(sys.argv[3]) / 1000
    if len(sys.argv) > 4:
        sys.setswitchinterval(float(sys.argv[4]) / 1000)
    cache = cachetools.TTLCache(SIZE, TTL, getsizeof=lambda value: value % 7 + 1)  # made here
    child = os.fork() if mode == "forked" else 0
    if child:
        sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    lock = MeasuringLock()
    use = cachetools.cached(cache, lock=lock if mode == "locked" else None)(load)
    begin = clock()
    threads = [threading.Thread(target=work, args=(use, begin + seconds * 1e9, pause, i)) for i in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if mode == "locked":
        print(json.dumps(lock.result(clock() - begin)))


if __name__ == "__main__":
    main()
