#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""gevent_cache.py MODE: greenlets of one thread that share a cache.

  missing   the cache loads what it lacks by itself, in __missing__, and waits there: guilty, greenlets meet inside
  sizes     getsizeof waits: guilty
  outside   what is missing is loaded before it is stored: innocent, without a lock
  locked    as `sizes`, under a lock that monkey patching has made gevent's own: innocent
"""

import gevent.monkey

gevent.monkey.patch_all()

# pylint: disable=wrong-import-position
import random
import sys
import threading

import cachetools
import gevent


def load(key):
    gevent.sleep(0.002)
    return key


class Loading(cachetools.LRUCache):
    def __missing__(self, key):
        value = load(key)
        self[key] = value
        return value


def slow_size(_):
    gevent.sleep(0.001)
    return 1


def user_of(mode):
    if mode == "missing":
        cache = Loading(50)
        return lambda key: cache[key]
    size = None if mode == "outside" else slow_size
    return cachetools.cached(cachetools.LRUCache(50, getsizeof=size), lock=threading.RLock() if mode == "locked" else None)(load)


def work(use, seed):
    choose = random.Random(seed)
    for _ in range(40):
        try:
            use(choose.randrange(200))
        except KeyError:  # guilty ones
            pass


use_cache = user_of(sys.argv[1])
gevent.joinall([gevent.spawn(work, use_cache, i) for i in range(20)], raise_error=True)
