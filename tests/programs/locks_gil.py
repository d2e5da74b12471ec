#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A mutex of C code, called through ctypes, and the interpreter lock (GIL). The argument chooses:

inversion  one thread asks for the mutex while it keeps the GIL (PyDLL), another one for the GIL while it holds the mutex, one after
           the other: lock-order-inversion
released   both give the GIL away while they ask for the mutex (CDLL): nothing
tried      the one that keeps the GIL only tries: nothing
hang       as inversion, at the same time: prints "hanging" and deadlocks
"""
import ctypes
import sys
import threading
import time

keeps, releases = ctypes.PyDLL(None), ctypes.CDLL(None)
mutex = ctypes.create_string_buffer(64)  # all zero: PTHREAD_MUTEX_INITIALIZER


def charge(take):
    if take(mutex) == 0:
        keeps.pthread_mutex_unlock(mutex)


def refund(taken):
    releases.pthread_mutex_lock(mutex)  # comes back for the GIL
    taken()
    releases.pthread_mutex_unlock(mutex)


def in_turn(take):
    for step in (lambda: charge(take), lambda: refund(lambda: None)) * 2:
        thread = threading.Thread(target=step)
        thread.start()
        thread.join()


def hang():
    taken = threading.Event()

    def hold():
        taken.set()
        time.sleep(0.2)

    threading.Thread(target=refund, args=(hold,), daemon=True).start()
    taken.wait()
    print("hanging", flush=True)
    charge(keeps.pthread_mutex_lock)


if __name__ == "__main__":
    kind = sys.argv[1]
    if kind == "hang":
        hang()
    else:
        in_turn({"inversion": keeps.pthread_mutex_lock, "released": releases.pthread_mutex_lock,
                 "tried": keeps.pthread_mutex_trylock}[kind])
