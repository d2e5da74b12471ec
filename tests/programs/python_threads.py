#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Threads that use each kind of Python's locks, and libraries that have locks of their own, for SECONDS (default 3).

Expected: nothing but that threads that compute take turns (lock-contention on the GIL).
"""

import concurrent.futures
import decimal
import hashlib
import importlib
import json
import logging
import os
import queue
import re
import sqlite3
import subprocess
import tempfile
import threading
import time
import zlib

END = time.monotonic() + float(os.environ.get("SECONDS", "3"))
work, results = queue.Queue(50), {}
lock, condition, barrier = threading.RLock(), threading.Condition(), threading.Barrier(2)
logging.basicConfig(level=logging.INFO, stream=open(os.devnull, "w"))


def rounds(pause=0):
    while time.monotonic() < END:
        yield
        time.sleep(pause)


def produce():
    for number, _ in enumerate(rounds()):
        work.put(number)
    for _ in range(2):
        work.put(None)


def consume():
    while (number := work.get()) is not None:
        with lock:
            results[number % 100] = number


def log():
    for _ in rounds(0.0005):
        logging.info("a line")


def database(path):
    connection = sqlite3.connect(path, timeout=30)
    for _ in rounds():
        connection.execute("INSERT INTO t VALUES (1)")
        connection.commit()


def compute():
    for _ in rounds():
        hashlib.sha256(bytes(100_000)).digest()
        zlib.compress(b"abc" * 10_000)
        re.findall(r"\w+", "a b c " * 1000)
        json.loads(json.dumps(list(range(500))))


def pool():
    with concurrent.futures.ThreadPoolExecutor(4) as executor:
        for _ in rounds():
            list(executor.map(lambda number: decimal.Decimal(number).sqrt(), range(50)))


def load():
    for name in "asyncio", "ctypes", "email.mime.text", "http.client", "multiprocessing.pool", "sqlalchemy", "unittest.mock", "xml.dom.minidom":
        importlib.import_module(name)


def meet():
    try:
        for _ in rounds(0.001):
            barrier.wait(5)
    except threading.BrokenBarrierError:  # the other one was through first
        pass


def run():
    for _ in rounds(0.01):
        subprocess.run(["true"], check=True)


def wait():
    for _ in rounds():
        with condition:
            condition.wait(0.01)


def tell():
    for _ in rounds(0.002):
        with condition:
            condition.notify_all()


with tempfile.TemporaryDirectory() as home:
    file = f"{home}/database"
    with sqlite3.connect(file) as first:
        first.execute("CREATE TABLE t (a)")
    jobs = [produce, consume, consume, log, log, compute, pool, load, load, meet, meet, run, wait, wait, tell]
    threads = [threading.Thread(target=job) for job in jobs] + [threading.Thread(target=database, args=(file,)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
