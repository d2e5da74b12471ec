#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Blocking calls in coroutines, each beside the twin that does the same without blocking."""

import fcntl
import threading
import time

from lib.case import Case, main
from lib.process import scratch
from lib.servers import Postgres

PROGRAM = "asyncio_server.py"


class LockHolder(threading.Thread):
    """Holds flock(2) on a file for 10 ms, gives 2 ms away, and so on."""

    def __init__(self, path):
        super().__init__(daemon=True)
        path.touch()
        self.file, self.stopped = open(path), threading.Event()

    def run(self):
        while not self.stopped.is_set():
            fcntl.flock(self.file, fcntl.LOCK_EX)
            time.sleep(0.01)
            fcntl.flock(self.file, fcntl.LOCK_UN)
            time.sleep(0.002)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stopped.set()
        self.join()
        self.file.close()


class Handler(Case):
    def assert_guilty(self, handler, module=None, address=None, count=200, kinds=("asyncio",), tolerance=0.05, **settings):
        report, truth = self.record_server(PROGRAM, count=count, HANDLER=handler, **settings)
        found = self.find(report, module=module, function=handler, address=address)
        worst = found[0]
        self.assert_loop(report, worst, *kinds)
        self.assert_place(worst, PROGRAM, handler)
        self.assert_total(found, truth, tolerance)
        return worst

    def assert_innocent(self, handler, count=200, **settings):
        report, _ = self.record_server(PROGRAM, count=count, HANDLER=handler, **settings)
        self.assert_clean(report)


class BlockingCall(Handler):
    def test_time_sleep(self):
        self.assert_guilty("time_sleep")

    def test_asyncio_sleep(self):
        self.assert_innocent("asyncio_sleep")

    def test_time_sleep_uvloop(self):
        self.assert_guilty("time_sleep", LOOP="uvloop", kinds=("uvloop", "libuv"))

    def test_asyncio_sleep_uvloop(self):
        self.assert_innocent("asyncio_sleep", LOOP="uvloop")

    def test_subprocess_run(self):
        self.assert_guilty("subprocess_run", count=40)

    def test_subprocess_exec(self):
        self.assert_innocent("subprocess_exec", count=40)

    def test_selector_of_a_driver(self):
        self.assert_guilty("own_selector")

    def test_thread_lock(self):
        self.assert_guilty("lock_wait", count=150)

    def test_asyncio_lock(self):
        self.assert_innocent("asyncio_lock", count=150)

    def test_flock(self):
        path = scratch("flock") / "lock"
        with LockHolder(path):
            worst = self.assert_guilty("flock", count=100, address=str(path), LOCK_FILE=path)
        self.assertEqual(worst["peer"]["address"], str(path))

    def test_flock_retry(self):
        path = scratch("flock") / "lock"
        with LockHolder(path):
            self.assert_innocent("flock_retry", count=100, LOCK_FILE=path)

    def test_plain(self):
        self.assert_innocent("plain", count=3000)


class Postgresql(Handler):
    @classmethod
    def setUpClass(cls):
        cls.database = cls.enterClassContext(Postgres())
        cls.settings = {"PG_HOST": "127.0.0.1", "PG_PORT": cls.database.port}

    def test_psycopg2(self):
        self.assert_guilty("psycopg2", module="libpq.so.5", address=f"127.0.0.1:{self.database.port}", **self.settings)

    def test_psycopg2_executor(self):
        self.assert_innocent("psycopg2_executor", **self.settings)


if __name__ == "__main__":
    main()
