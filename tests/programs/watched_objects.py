#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""watched_objects.py MODE: objects of watched classes in the less usual places. Prints `done` at its end.

  own-lock     a class that locks by itself, used by many threads at once: no overlap, one lock in common (CPROBE_WATCH_PY=__main__:Own)
  no-lock      the same class without its lock: overlaps
  other-lock   each thread has a lock of its own: overlaps, and the locks that were held
  forked       the cache is made before the fork, two threads of the child use it
  greenlets    greenlets of one thread, that switch to each other inside of an operation: overlaps
  in-turn      the same, but they switch between operations only: none
  daemon       threads are at work on the cache when the interpreter ends
  short-lived  100 000 caches, used once each
  deep         a method that calls itself 30 000 times (CPython 3.11 on: that takes no C stack)
"""

import os
import sys
import threading
import time

import cachetools


class Own:
    def __init__(self, lock):
        self.lock = lock
        self.items = {}

    def put(self, key):
        with self.lock:
            self.items[key] = self.items.get(key, 0) + 1
            time.sleep(0.0002)

    def count(self):
        with self.lock:
            return len(self.items)


class NoLock:
    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None


def in_threads(count, call):
    threads = [threading.Thread(target=call, args=(n,)) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def use_own(lock):
    own = Own(lock)
    in_threads(6, lambda n: [own.put(key) for key in range(100)])


def other_lock():
    own, locks = Own(NoLock()), [threading.Lock() for _ in range(6)]

    def use(n):
        for key in range(100):
            with locks[n]:
                own.put(key)
    in_threads(1, lambda n: in_threads(6, lambda m: touch(locks[m])))  # each has been somebody else's
    in_threads(6, use)


def touch(lock):
    with lock:
        pass


def use_cache(cache, n):
    for key in range(300):
        cache[key % 7, n] = key


def forked():
    cache = cachetools.LRUCache(1000)  # made before the fork
    cache["parent"] = 1
    child = os.fork()
    in_threads(2, lambda n: use_cache(cache, n))
    if child:
        os.waitpid(child, 0)


def greenlets(switch_inside):
    import greenlet
    cache, runs = cachetools.LRUCache(10, getsizeof=lambda _: switch(switch_inside) or 1), []

    def switch(really):
        here = runs.index(greenlet.getcurrent())
        if really and not runs[1 - here].dead:
            runs[1 - here].switch()

    def run():
        for key in range(40):
            cache[key] = key
            switch(not switch_inside)
    runs += [greenlet.greenlet(run), greenlet.greenlet(run)]
    for one in runs:
        one.switch()
    for one in runs:
        while not one.dead:
            one.switch()


def daemon():
    cache = cachetools.TTLCache(50, 0.01)

    def use():
        while True:
            try:
                cache[time.monotonic_ns() % 90] = 1
            except Exception:  # as it comes: nobody locks
                pass
    for _ in range(8):
        threading.Thread(target=use, daemon=True).start()
    time.sleep(0.3)


def short_lived():
    for _ in range(100000):
        cachetools.LRUCache(2)["a"] = 1


class Tree(Own):
    def put(self, depth):
        return depth and 1 + self.put(depth - 1)


def deep():
    sys.setrecursionlimit(1000000)
    tree = Tree(NoLock())
    assert tree.put(30000) == 30000
    assert tree.put(3) == 3
    in_threads(2, lambda n: tree.put(30000))


MODES = {"own-lock": lambda: use_own(threading.Lock()), "no-lock": lambda: use_own(NoLock()), "other-lock": other_lock,
         "forked": forked, "greenlets": lambda: greenlets(True), "in-turn": lambda: greenlets(False), "daemon": daemon,
         "short-lived": short_lived, "deep": deep}

if __name__ == "__main__":
    MODES[sys.argv[1]]()
    print("done", flush=True)
