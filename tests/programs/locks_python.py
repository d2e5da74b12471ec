#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Locks of Python. The argument chooses:

inversion  two threads take `accounts` and `journal` in conflicting order, one after the other: lock-order-inversion
ordered    in the same order: nothing
hog        a computation in C that keeps the interpreter lock (sorted), while another thread wants it: lock-contention of the GIL,
           held by hog()
threads    ordinary threads that mostly sleep, talk through a queue and join: nothing
"""
import queue
import sys
import threading
import time

HOG_SECONDS = 3
accounts = threading.Lock()
journal = threading.Lock()
turn = threading.Barrier(2)


def transfer():
    with accounts:
        with journal:  # accounts, then journal
            pass


def audit():
    with journal:
        with accounts:  # journal, then accounts
            pass


def in_turn(first, second):
    def one():
        first()
        turn.wait()
        turn.wait()

    def two():
        turn.wait()
        second()
        turn.wait()

    threads = [threading.Thread(target=one), threading.Thread(target=two)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def hog(data):
    end = time.monotonic() + HOG_SECONDS
    while time.monotonic() < end:
        sorted(data)  # hogs


def ask_often(stop):
    while not stop.is_set():
        time.sleep(0.001)


def run_hog():
    data = [(i * 7919) % 1000003 / 3.0 for i in range(1600000)]  # sorting them takes far longer than a switch
    stop = threading.Event()
    other = threading.Thread(target=ask_often, args=(stop,))
    other.start()
    hog(data)
    stop.set()
    other.join()


def run_threads():
    tasks = queue.Queue()

    def worker():
        while (task := tasks.get()) is not None:
            time.sleep(0.001)
            sum(range(task))

    threads = [threading.Thread(target=worker) for _ in range(4)]
    for thread in threads:
        thread.start()
    for i in range(400):
        tasks.put(i)
    for _ in threads:
        tasks.put(None)
    for thread in threads:
        thread.join()


{"inversion": lambda: in_turn(transfer, audit), "ordered": lambda: in_turn(transfer, transfer), "hog": run_hog,
 "threads": run_threads}[sys.argv[1]]()
