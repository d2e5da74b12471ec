#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Node.js: what stops its event loop runs an event loop of its own."""

from lib import load
from lib.case import Case, main
from lib.process import PROGRAMS, free_port
from lib.recording import Recording


class Node(Case):
    def record(self, handler):
        port = free_port()
        with Recording(["node", PROGRAMS / "spawn_server.js"], PORT=port, HANDLER=handler) as recording:
            recording.process.until_listening(port)
            load.http_requests(port, count=30, clients=2)
            self.assertEqual(recording.process.stop(), 0, recording.process.output())
            return recording.report()

    def test_exec_sync(self):
        report = self.record("sync")
        worst = self.find(report)[0]
        self.assert_loop(report, worst, "node", "libuv")
        self.assertIn("child_process.spawnSync blocks", worst["title"])
        self.assertIn("asynchronous", worst["remedy"])
        self.assertGreater(worst["total_ns"], 30 * 30e6)

    def test_exec(self):
        report = self.record("async")
        self.assert_clean(report)
        self.assertTrue(report["loops"])


if __name__ == "__main__":
    main()
