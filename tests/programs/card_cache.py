# SPDX-License-Identifier: GPL-2.0-or-later
"""An application whose cache eviction hides a SCAN behind a decorator.

REDIS_PORT: a Redis that holds KEYS keys, some of them meta::N. THREADS threads run EVICTIONS evictions each, while another one
reads single keys every millisecond. EVICT=scan: every eviction sweeps the key space (keyspace-sweep is expected, a storm,
from the line that is marked); EVICT=keys: the keys to delete are known (nothing is expected).
"""

import functools
import os
import threading
import time

import redis

PORT = int(os.environ["REDIS_PORT"])
COUNT = 100_000


def cache_evict(pattern):
    """What the framework's annotation does."""
    def decorate(function):
        @functools.wraps(function)
        def call(store, card):
            result = function(store, card)
            if os.environ["EVICT"] == "scan":
                for _ in store.scan_iter(match=pattern, count=COUNT):  # sweeps
                    pass
            else:
                store.delete(f"meta::{card}")
            return result
        return call
    return decorate


@cache_evict("meta::*")
def register(store, card):
    store.set(f"card:{card}", "x")


def evictions(number):
    store = redis.Redis(port=PORT)
    for card in range(int(os.environ["EVICTIONS"])):
        register(store, number * 1000 + card)


def bystander(done):
    store = redis.Redis(port=PORT)
    while not done.is_set():
        store.get("card:1")
        time.sleep(0.001)


def main():
    done = threading.Event()
    other = threading.Thread(target=bystander, args=(done,))
    other.start()
    time.sleep(0.3)
    workers = [threading.Thread(target=evictions, args=(number,)) for number in range(int(os.environ["THREADS"]))]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    time.sleep(0.3)
    done.set()
    other.join()


if __name__ == "__main__":
    main()
