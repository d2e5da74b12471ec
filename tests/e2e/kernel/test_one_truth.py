#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The recorder and the kernel tell one truth: findings once, with both; and what there is with the kernel alone."""

import json

from lib import load
from lib.case import Case, main
from lib.kernel import Attached, require_kernel
from lib.process import CPROBE, PROGRAMS, PYTHON, Process, free_port, scratch
from lib.recording import read_report
from lib.servers import PASSWORD, MariaDB


def shares(loop):
    """Of the loop's time, by what it was spent on."""
    return {part: loop[f"{part}_ns"] / loop["wall_ns"] for part in ("idle", "blocked", "oncpu", "runnable")}


class Query(Case):
    @classmethod
    def setUpClass(cls):
        cls.database = cls.enterClassContext(MariaDB())

    def settings(self, driver, port):
        return {"DRIVER": driver, "PORT": str(port), "MYSQL_PORT": str(self.database.port), "MYSQL_PASSWORD": PASSWORD}

    def record(self, driver, *options):
        """The report on the server as `cprobe run` with these options recorded it, and its own truth."""
        port, directory = free_port(), scratch("run")
        truth = directory / "truth.json"
        argv = [CPROBE, "run", *options, "-o", directory, "--", PYTHON, PROGRAMS / "gevent_server.py"]
        with Process(argv, env=self.settings(driver, port) | {"TRUTH": str(truth)}) as server:
            server.until_listening(port)
            load.http_requests(port, "/db", 300, 8)
            self.assertEqual(server.stop(), 0, server.output())
        return read_report(directory), json.loads(truth.read_text())

    def attach(self, driver):
        """The report on the running server as the kernel saw it."""
        port = free_port()
        with Process([PYTHON, PROGRAMS / "gevent_server.py"], env=self.settings(driver, port)) as server:
            server.until_listening(port)
            with Attached(server.pid) as attached:
                load.http_requests(port, "/db", 300, 8)
                attached.stop()
                return read_report(attached.directory)

    def assert_adds_up(self, loop):
        self.assertIsNotNone(loop["runnable_ns"])
        self.assertAlmostEqual(sum(shares(loop).values()), 1, delta=0.02, msg=loop)

    def test_with_both(self):
        (alone, _), (both, truth) = (self.record("mysqldb", f"--bpf={bpf}") for bpf in ("off", "on"))
        found = self.find(both, module="libmariadb.so.3", function="load_user")
        self.assertEqual(found[0]["id"], self.find(alone, module="libmariadb.so.3")[0]["id"])
        self.assertEqual(len([f for f in both["findings"] if f["id"] == found[0]["id"]]), 1)
        self.assert_total(found, truth)
        self.assertIn("cpu_wait_ns", found[0]["evidence"])
        self.assert_place(found[0], "gevent_server.py", "load_user", "# blocks: query")
        self.assertEqual(len(both["loops"]), 1)
        self.assertEqual(both["loops"][0]["kind"], "gevent")
        self.assert_adds_up(both["loops"][0])
        self.assertIsNone(alone["loops"][0]["runnable_ns"])

    def test_attached(self):
        inside, _ = self.record("mysqldb", "--bpf=off", "--wire=off")  # the kernel does not know what was asked either
        report = self.attach("mysqldb")
        found = self.find(report, module="libmariadb.so.3")
        self.assertTrue(found[0]["thread"]["loop"])
        self.assertGreaterEqual(found[0]["total_ns"], 1_000_000_000)
        self.assertEqual(found[0]["id"], self.find(inside, module="libmariadb.so.3")[0]["id"])
        self.assert_place(found[0], "gevent_server.py", "load_user", "# blocks: query")
        self.assertEqual([loop["kind"] for loop in report["loops"]], ["gevent"])
        self.assert_adds_up(report["loops"][0])

    def test_innocent(self):
        self.assert_clean(self.record("pymysql", "--bpf=on")[0])
        report = self.attach("pymysql")
        self.assert_clean(report)
        self.assertEqual([loop["kind"] for loop in report["loops"]], ["gevent"])


if __name__ == "__main__":
    require_kernel()
    main()
