#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""watched.py: ns of a call, each the best of many short rounds: of an empty method of a class that is watched, of one that is not, and
of a read and a write of cachetools.TTLCache."""

import collections
import time

import cachetools


class LruCache(collections.OrderedDict):
    def put(self, key):
        return key


class Basket(collections.OrderedDict):
    def put(self, key):
        return key


def empty(_, count):
    for number in range(count):
        pass


def put(target, count):
    for number in range(count):
        target.put(number)


def read(target, count):
    for number in range(count):
        target[1]


def write(target, count):
    for number in range(count):
        target[1] = number


def nanoseconds(work, target, count=2000, rounds=200):
    best = float("inf")
    for _ in range(rounds):
        begin = time.perf_counter_ns()
        work(target, count)
        best = min(best, time.perf_counter_ns() - begin)
    return best / count


cache = cachetools.TTLCache(100, 600)
cache[1] = 1
loop = nanoseconds(empty, None)
print(*(nanoseconds(work, target) - loop for work, target in ((put, LruCache()), (put, Basket()), (read, cache), (write, cache))))
