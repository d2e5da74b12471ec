#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Python frames of processes that are attached to, under Debian's python3 and the interpreters named in CPROBE_TEST_PYTHONS."""

import os
import unittest

from lib import load
from lib.kernel import Attached, require_kernel, trace_events
from lib.process import CPROBE, PROGRAMS, PYTHON, Process, free_port, run, scratch
from lib.servers import PASSWORD, MariaDB

COMPLETE, PYTHON_LOST = 0x01, 0x04
OFFCPU_NO_STACK = 0x10
INTERPRETERS = [PYTHON, *os.environ.get("CPROBE_TEST_PYTHONS", "").split()]


def names(wait):
    """The functions of its Python frames, innermost first."""
    return [frame.split(" (")[0].split()[-1] for frame in wait["python"]]


def interpreted(waits, main_thread):
    """Waits of threads that run Python code: all but those whose native stacks do not pass the interpreter."""
    return [wait for wait in waits if wait["tid"] == str(main_thread)
            or any("/python3" in frame or "/libpython3" in frame for frame in wait["native"])]


def is_whole(wait):
    """Down to the thread's start, or to that of a greenlet: outside of it lies another one's stack."""
    return wait["stack_flags"] & COMPLETE or any("/_greenlet." in frame for frame in wait["native"])


class Frames(unittest.TestCase):
    def assert_share(self, waits, least):
        self.assertGreater(len(waits), least)
        bad = [wait for wait in waits if not is_whole(wait) or not wait["python"] or wait["stack_flags"] & PYTHON_LOST]
        self.assertLessEqual(len(bad) / len(waits), 0.01, bad[:1])


class Threads(Frames):
    def record(self, python, *options):
        with Process([python, PROGRAMS / "python_waits.py"]) as program:
            program.until(lambda: "ready" in program.output())
            with Attached(program.pid, "-d", "2", *options) as attached:
                self.assertEqual(attached.wait(40), 0, attached.output())
        return attached.events("offcpu")

    def assert_threads(self, waits):
        self.assert_share(waits, 200)
        for function in ("hold", "take", "read", "<module>"):
            self.assertTrue(any(names(wait)[0] == function for wait in waits if wait["python"]), function)
        for wait in waits:
            if names(wait)[:1] in (["hold"], ["take"], ["read"]):
                self.assertEqual([name.split(".")[-1] for name in names(wait)[1:]], ["run", "_bootstrap_inner", "_bootstrap"])

    def test_every_version(self):
        for python in INTERPRETERS:
            with self.subTest(python):
                self.assert_threads(self.record(python))

    def test_stacks_taken_at_the_end_of_system_calls(self):
        self.assert_threads(self.record(PYTHON, "--every-sys-exit"))


class Deep(Frames):
    def assert_deep(self, *options):
        with Process([PYTHON, PROGRAMS / "python_deep.py"]) as program:
            program.until(lambda: "ready" in program.output())
            with Attached(program.pid, "-d", "1", *options) as attached:
                self.assertEqual(attached.wait(40), 0, attached.output())
        waits = attached.events("offcpu")
        self.assert_share(waits, 20)
        for wait in waits:
            self.assertEqual(names(wait), ["Layer.__call__"] * 80 + ["<module>"])

    def test_more_than_one_record_holds(self):
        self.assert_deep()

    def test_at_the_end_of_system_calls(self):
        self.assert_deep("--every-sys-exit")


class Servers(Frames):
    def record(self, program, path, **settings):
        port = free_port()
        environment = {name: str(value) for name, value in settings.items()} | {"PORT": str(port)}
        with Process([PYTHON, PROGRAMS / program], env=environment) as server:
            server.until_listening(port)
            with Attached(server.pid) as attached:
                load.http_requests(port, path, count=300)
                self.assertEqual(attached.stop(), 0, attached.output())
            waits = interpreted(attached.events("offcpu"), server.pid)
        self.assert_share(waits, 100)
        return waits

    def test_gevent_and_its_driver(self):
        with MariaDB() as database:
            waits = self.record("gevent_server.py", "/db", MYSQL_PORT=database.port, MYSQL_PASSWORD=PASSWORD)
        queries = [wait for wait in waits if any("libmariadb" in frame for frame in wait["native"])]
        self.assertGreater(len(queries), 200)
        self.assertEqual([wait for wait in queries if "Shop.load_user" not in names(wait)], [])

    def test_asyncio(self):
        waits = self.record("asyncio_server.py", "/", HANDLER="time_sleep")
        sleeps = [wait for wait in waits if wait["cause"].endswith("sleep")]
        self.assertGreater(len(sleeps), 200)
        elsewhere = [wait for wait in sleeps if names(wait)[:1] != ["time_sleep"]]
        self.assertLessEqual(len(elsewhere) / len(sleeps), 0.01, elsewhere[:1])


class BothSides(unittest.TestCase):
    """The recorder inside the process and the kernel's side outside of it see the same frames in the same wait.

    While the interpreter ends the recorder does not look at its frames, which may be freed beside it at any time.
    """

    def test_same_frames(self):
        home = scratch("both")
        run([CPROBE, "run", "--bpf=on", "-o", home, "--", PYTHON, PROGRAMS / "python_waits.py"], TURNS="200")
        inside = [wait for wait in trace_events(home, "wait", "*[0-9].trace") if not wait.get("stack_flags", 0) & PYTHON_LOST]
        outside = [wait for wait in trace_events(home, "offcpu", "*-kernel.trace") if not int(wait["flags"]) & OFFCPU_NO_STACK]
        compared, different = 0, []
        for wait in outside:
            begin, end = int(wait["time"]), int(wait["time"]) + int(wait["duration_ns"])
            same = [other for other in inside if other["tid"] == wait["tid"] and int(other["time"]) <= begin
                    and end <= int(other["time"]) + int(other["duration_ns"])]
            for other in same:
                compared += 1
                if wait["python"] != other["python"]:
                    different.append((wait["python"], other["python"]))
        self.assertGreater(compared, 100)
        self.assertLessEqual(len(different) / compared, 0.01, different[:1])


if __name__ == "__main__":
    require_kernel()
    unittest.main()
