# SPDX-License-Identifier: GPL-2.0-or-later
"""Three threads that work while the main thread calls libc's usleep through ctypes, for SECONDS.

CALL=pydll keeps the GIL in the call and stops the others: gil-held-io is expected. CALL=cdll releases it: nothing is expected.
TRUTH: see truth.py.
"""

import ctypes
import os
import threading
import time

import truth


def work(stop):
    while not stop.is_set():
        sum(range(200))
        time.sleep(0.001)


def pause(usleep):
    with truth.measure():
        usleep(5000)  # blocks


def main():
    library = (ctypes.PyDLL if os.environ["CALL"] == "pydll" else ctypes.CDLL)(None)
    stop = threading.Event()
    threads = [threading.Thread(target=work, args=(stop,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    end = time.monotonic() + float(os.environ.get("SECONDS", "1.5"))
    while time.monotonic() < end:
        pause(library.usleep)
        time.sleep(0.001)
    stop.set()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main()
