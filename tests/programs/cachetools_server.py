#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""cachetools_server.py MODE THREADS SECONDS [RATE]: a service whose threads share one cachetools.TTLCache.

MODE
  unlocked     cachetools.cached(cache): guilty. KeyError, RuntimeError, TypeError out of the cache, and a counter that drifts
  locked       cachetools.cached(cache, lock=Lock()): the innocent twin
  direct       the cache is used as a dict, without a lock: guilty
  with         the cache is used as a dict, each time in `with lock:`: innocent
  alone        each thread has a cache of its own: innocent

RATE: calls a second of each thread, 0 as many as it can. The last line of the output is JSON: calls, when (CLOCK_MONOTONIC, seconds)
the first error came out of the cache and how many, and, of the shared cache, `currsize` as it keeps it and the number of entries.
"""

import contextlib
import json
import random
import sys
import threading
import time

import cachetools

KEYS, SIZE, TTL = 400, 64, 0.05
truth = {"calls": 0, "errors": 0, "first_error": None, "kinds": {}}
counting = threading.Lock()


def load(key):
    return [key] * 3


def make_cache():
    return cachetools.TTLCache(maxsize=SIZE, ttl=TTL)  # created here


def user_of(mode, cache, lock):
    """What one call does."""
    if mode in ("unlocked", "locked"):
        return cachetools.cached(cache, lock=lock if mode == "locked" else None)(load)
    guard = lock if mode == "with" else contextlib.nullcontext()

    def use(key):
        with guard:
            try:
                return cache[key]
            except KeyError:
                cache[key] = value = load(key)
                return value
    return use


def note_error(error):
    with counting:
        truth["errors"] += 1
        kind = type(error).__name__
        truth["kinds"][kind] = truth["kinds"].get(kind, 0) + 1
        if truth["first_error"] is None:
            truth["first_error"] = time.monotonic()


def work(use, until, rate, seed):
    choose = random.Random(seed)
    calls, pause = 0, 1 / rate if rate else 0
    while time.monotonic() < until:
        try:
            use(choose.randrange(KEYS))
        except (KeyError, RuntimeError, TypeError) as error:
            note_error(error)
        calls += 1
        if pause:
            time.sleep(choose.expovariate(1) * pause)
    with counting:
        truth["calls"] += calls


def main():
    mode, count, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    rate = float(sys.argv[4]) if len(sys.argv) > 4 else 0
    shared, lock = make_cache(), threading.Lock()
    uses = [user_of(mode, make_cache() if mode == "alone" else shared, lock) for _ in range(count)]
    sys.setswitchinterval(0.0005)  # a long run in a short one: as often as threads change on many cores
    until = time.monotonic() + seconds
    threads = [threading.Thread(target=work, args=(use, until, rate, i)) for i, use in enumerate(uses)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    truth["currsize"] = vars(shared)["_Cache__currsize"]
    truth["entries"] = len(vars(shared)["_Cache__data"])
    print(json.dumps(truth), flush=True)


if __name__ == "__main__":
    main()
