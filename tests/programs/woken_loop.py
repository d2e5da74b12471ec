# SPDX-License-Identifier: GPL-2.0-or-later
"""An asyncio loop that waits for a worker thread without yielding, 23 times. Expected: non-yielding-io at the line marked "blocks",
woken by the thread "worker" from the line marked "wakes". With "innocent" it awaits the worker: nothing."""

import asyncio
import sys
import threading
import time

ROUNDS = 23
asked, answered = threading.Semaphore(0), threading.Semaphore(0)


def work():
    for _ in range(ROUNDS):
        asked.acquire()
        time.sleep(0.03)
        answer()


def answer():
    answered.release()  # wakes


def ask():
    asked.release()
    answered.acquire()  # blocks


async def main(innocent):
    threading.Thread(target=work, name="worker").start()
    for _ in range(ROUNDS):
        await asyncio.sleep(0.01)
        if innocent:
            await asyncio.get_running_loop().run_in_executor(None, ask)
        else:
            ask()


asyncio.run(main(sys.argv[1:] == ["innocent"]))
