#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Java: the virtual machine makes every wait of a program a wait for a condition variable, as its own waits are."""

from lib import load
from lib.case import Case, main
from lib.process import PROGRAMS, free_port, run, scratch
from lib.recording import Recording


class Java(Case):
    @classmethod
    def setUpClass(cls):
        cls.classes = scratch("classes")
        run(["javac", "-d", cls.classes, PROGRAMS / "NioServer.java"])

    def record(self, block):
        port = free_port()
        with Recording(["java", "-Xmx64m", "-cp", self.classes, "NioServer"], PORT=port, BLOCK=block) as recording:
            recording.process.until_listening(port)
            load.http_requests(port, count=150, clients=4)
            # A JVM that is told to stop says so by 128 + SIGTERM.
            self.assertEqual(recording.process.stop(), 143, recording.process.output())
            return recording.report()

    def assert_guilty(self, block, call, category):
        report = self.record(block)
        worst = self.find(report)[0]
        self.assert_loop(report, worst, "nio")
        self.assertTrue(worst["title"].startswith(f"{call} blocks the nio loop"), worst["title"])
        self.assertEqual(worst["evidence"]["category"], category)
        self.assertGreaterEqual(worst["total_ns"], 150 * 8e6 * 0.95)

    def test_thread_sleep(self):
        self.assert_guilty("sleep", "Thread.sleep", "sleep")

    def test_object_wait(self):
        self.assert_guilty("wait", "Object.wait", "lock")

    def test_sleep_in_another_thread(self):
        report = self.record("elsewhere")
        self.assert_clean(report)
        self.assertTrue(report["loops"])


if __name__ == "__main__":
    main()
