#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Processes that lock each other out."""

import re
import time

from lib.case import Case, main
from lib.process import BUILD, scratch
from lib.recording import Recording

PROGRAM = BUILD / "tests" / "programs" / "locks_processes"
PATIENCE = 60  # seconds, for a condition that is bound to come


class Processes(Case):
    def record(self, mode, what):
        with Recording([PROGRAM, mode, what, scratch("files")]) as recording:
            self.assertEqual(recording.process.wait(), 0, recording.process.output())
            return recording.report()

    def hang(self, what):
        """The deadlock that is found while it hangs."""
        with Recording([PROGRAM, "hang", what, scratch("files")]) as recording:
            end = time.monotonic() + PATIENCE
            while time.monotonic() < end:
                if "hanging" in recording.process.output():
                    found = [f for f in recording.report()["findings"] if f["title"].startswith("Deadlock")]
                    if found:
                        return found[0]
        self.fail("no deadlock while it hangs")

    def test_deadlock(self):
        for what in "files", "mutexes":
            with self.subTest(what=what):
                finding = self.hang(what)
                self.assertEqual((finding["rule"], finding["severity"]), ("lock-order-inversion", "error"))
                self.assertIn("2 threads of several processes", finding["title"])
                self.assertEqual(len(finding["stacks"]), 2)
                self.assertTrue(all("transfer" in [frame["function"] for frame in stack["frames"]] for stack in finding["stacks"]))
        names = [re.findall(r"/(accounts|orders)\b", stack["role"]) for stack in self.hang("files")["stacks"]]
        self.assertEqual(sorted(names), [["accounts", "orders"], ["orders", "accounts"]])

    def test_inversion(self):
        for what in "files", "mutexes":
            with self.subTest(what=what):
                report = self.record("inversion", what)
                finding = self.find(report, "lock-order-inversion", function="transfer")[0]
                self.assertEqual(len(report["findings"]), 1, report["findings"])
                self.assertEqual(finding["severity"], "error")
                steps = [step.split(" takes ")[0] for key, step in finding["evidence"].items() if key.startswith("order_")]
                self.assertEqual(len(set(steps)), 2, steps)

    def test_order_and_gate(self):
        for mode in "ordered", "gated":
            for what in "files", "mutexes":
                report = self.record(mode, what)
                self.assert_clean(report)
                self.assertEqual(len(report["processes"]), 2)


if __name__ == "__main__":
    main()
