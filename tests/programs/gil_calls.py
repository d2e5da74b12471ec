# SPDX-License-Identifier: GPL-2.0-or-later
"""A thread that makes calls of C, each far longer than a switch interval, while the main thread wants the GIL after each of
its short sleeps. The argument chooses:

match   re.match() with a pattern that backtracks: keeps the GIL
pydll   SHA256() of libcrypto through ctypes.PyDLL: keeps it
cdll    the same through ctypes.CDLL: gives it away, nothing is expected
pool    several threads compress, which gives it away, and compute in Python: they may wait for it, but no call keeps it
"""
import ctypes
import re
import sys
import threading
import time
import zlib

CALLS, SECONDS = 15, 3  # at least
data = b"x" * (40 << 20)
done = False


def match():
    re.match(r"(a+)+$", "a" * 22 + "b")


def sha(library):
    digest = ctypes.create_string_buffer(32)
    library.SHA256(data, ctypes.c_size_t(len(data)), digest)


def mixed():
    zlib.compress(data[:1 << 20])
    sum(i for i in range(20000))


def hog(call, *arguments):
    global done
    end = time.monotonic() + SECONDS
    for i in range(1000000):
        call(*arguments)
        if i >= CALLS and time.monotonic() > end:
            break
    done = True


work = {"match": (match,), "pydll": (sha, ctypes.PyDLL("libcrypto.so.3")), "cdll": (sha, ctypes.CDLL("libcrypto.so.3")),
        "pool": (mixed,)}
threads = [threading.Thread(target=hog, args=work[sys.argv[1]]) for _ in range(6 if sys.argv[1] == "pool" else 1)]
for thread in threads:
    thread.start()
while not done:
    time.sleep(0.001)
for thread in threads:
    thread.join()
