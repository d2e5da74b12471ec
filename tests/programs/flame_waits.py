#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Known waits for the flame graph: an asyncio loop that sleeps in its callbacks, and two threads that contend for a lock.

Expected: in the loop's thread a stack through stall() and nap(), in the first half of the recording, with the time that TRUTH has; in the
threads stacks through worker(), of kind lock too; the loop's own waits are idle, not blocked.
"""

import asyncio
import socket
import threading
import time

import truth

lock = threading.Lock()


def nap():
    time.sleep(0.013)


def stall():
    with truth.measure():
        nap()  # blocks


def worker():
    for _ in range(11):
        with lock:
            time.sleep(0.01)


def ask(peer):
    """Waits for an answer of another thread, over a socket with an address."""
    with socket.create_connection(peer) as connection:
        connection.recv(1)


def answer(listener):
    connection, _ = listener.accept()
    time.sleep(0.05)
    connection.sendall(b"!")
    connection.close()


async def main():
    for _ in range(23):
        stall()
        await asyncio.sleep(0.005)
    await asyncio.sleep(0.6)


listener = socket.create_server(("127.0.0.1", 0))
threads = [threading.Thread(target=worker) for _ in range(2)]
threads += [threading.Thread(target=answer, args=(listener,)), threading.Thread(target=ask, args=(listener.getsockname(),))]
asyncio.run(main())
for thread in threads:  # only now: they would make the loop wait for the interpreter's lock now and then
    thread.start()
for thread in threads:
    thread.join()
