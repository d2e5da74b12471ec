# SPDX-License-Identifier: GPL-2.0-or-later
"""An aiohttp server whose one view does what HANDLER says; LOOP=uvloop uses that loop.

Guilty handlers block the loop's thread (non-yielding-io is expected), each has a twin that does the same without blocking:
psycopg2/psycopg2_executor, time_sleep/asyncio_sleep, getaddrinfo/getaddrinfo_async, flock/flock_retry,
subprocess_run/subprocess_exec, lock_wait/asyncio_lock, own_selector/asyncio_sleep; plain does nothing.
PORT says where to listen; PG_HOST, PG_PORT, NAME, LOCK_FILE what to talk to. TRUTH: see truth.py.
"""

import asyncio
import fcntl
import os
import selectors
import socket
import subprocess
import threading
import time

from aiohttp import web

import truth


def connect_postgres():
    import psycopg2
    return psycopg2.connect(host=os.environ["PG_HOST"], port=int(os.environ["PG_PORT"]), user="postgres")


def query_postgres(connection):
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(0.005)")


async def psycopg2(app):
    with truth.measure():
        query_postgres(app["postgres"])  # blocks


async def psycopg2_executor(app):
    async with app["one"]:
        await asyncio.get_running_loop().run_in_executor(None, query_postgres, app["postgres"])


async def time_sleep(app):
    with truth.measure():
        time.sleep(0.004)  # blocks


async def asyncio_sleep(app):
    await asyncio.sleep(0.004)


async def getaddrinfo(app):
    with truth.measure():
        socket.getaddrinfo(os.environ["NAME"], 80)  # blocks


async def getaddrinfo_async(app):
    await asyncio.get_running_loop().getaddrinfo(os.environ["NAME"], 80)


async def flock(app):
    with open(os.environ["LOCK_FILE"]) as file:
        with truth.measure():
            fcntl.flock(file, fcntl.LOCK_EX)  # blocks


async def flock_retry(app):
    with open(os.environ["LOCK_FILE"]) as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                await asyncio.sleep(0.002)


async def subprocess_run(app):
    with truth.measure():
        subprocess.run(["sleep", "0.05"], check=True)  # blocks


async def subprocess_exec(app):
    process = await asyncio.create_subprocess_exec("sleep", "0.05")
    await process.wait()


async def lock_wait(app):
    with truth.measure():
        app["lock"].acquire()  # blocks
    app["lock"].release()


async def asyncio_lock(app):
    async with app["one"]:
        await asyncio.sleep(0.002)


async def own_selector(app):
    with truth.measure():
        app["selector"].select(0.004)  # blocks


async def plain(app):
    await asyncio.sleep(0)


def hold_lock(lock):
    while True:
        with lock:
            time.sleep(0.01)
        time.sleep(0.001)


async def prepare(app):
    app["one"] = asyncio.Lock()
    if os.environ["HANDLER"] == "subprocess_exec":
        # The default watcher starts a thread per child, and waits for that thread.
        watcher = asyncio.PidfdChildWatcher()
        watcher.attach_loop(asyncio.get_running_loop())
        asyncio.set_child_watcher(watcher)
    if "PG_PORT" in os.environ:
        app["postgres"] = connect_postgres()
    if os.environ["HANDLER"] == "own_selector":
        app["selector"], app["pair"] = selectors.DefaultSelector(), socket.socketpair()
        for end in app["pair"]:
            app["selector"].register(end, selectors.EVENT_READ)
    if os.environ["HANDLER"] == "lock_wait":
        app["lock"] = threading.Lock()
        threading.Thread(target=hold_lock, args=(app["lock"],), daemon=True).start()


def main():
    handler = globals()[os.environ["HANDLER"]]

    async def view(request):
        await handler(request.app)
        return web.Response(text="ok\n")

    app = web.Application()
    app.router.add_get("/", view)
    app.on_startup.append(prepare)
    if os.environ.get("LOOP") == "uvloop":
        import uvloop
        uvloop.install()
    web.run_app(app, host="127.0.0.1", port=int(os.environ["PORT"]), print=None)


if __name__ == "__main__":
    main()
