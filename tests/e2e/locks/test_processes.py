#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Processes that lock each other out."""

import time

from lib.case import Case, main
from lib.process import BUILD, scratch
from lib.recording import Recording

PROGRAM = BUILD / "tests" / "programs" / "locks_processes"
PATIENCE = 60  # seconds, for a condition that is bound to come


class Processes(Case):
    def record(self, mode):
        with Recording([PROGRAM, mode, scratch("files")]) as recording:
            self.assertEqual(recording.process.wait(), 0, recording.process.output())
            return recording.report()

    def deadlock(self, recording):
        found = [f for f in recording.report()["findings"] if f["title"].startswith("Deadlock")]
        return found[0] if found else None

    def test_deadlock(self):
        home = scratch("files")
        with Recording([PROGRAM, "hang", home]) as recording:
            end, finding = time.monotonic() + PATIENCE, None
            while not finding and time.monotonic() < end:
                if "hanging" in recording.process.output():
                    finding = self.deadlock(recording)
            self.assertTrue(finding, "no deadlock while it hangs")
        self.assertEqual((finding["rule"], finding["severity"]), ("lock-order-inversion", "error"))
        self.assertIn("2 threads of several processes", finding["title"])
        roles = sorted(stack["role"].split(" since")[0] for stack in finding["stacks"])
        self.assertEqual(roles, [f"waits for {home}/accounts while holding {home}/orders",
                                 f"waits for {home}/orders while holding {home}/accounts"])
        self.assertTrue(all("transfer" in [frame["function"] for frame in stack["frames"]] for stack in finding["stacks"]))
        # The one that was killed first left its file to the other, which went on: the order remains.
        self.assertEqual([f["rule"] for f in recording.report()["findings"]], ["lock-order-inversion"])

    def test_inversion(self):
        report = self.record("inversion")
        finding = self.find(report, "lock-order-inversion", function="transfer")[0]
        self.assertEqual(len(report["findings"]), 1, report["findings"])
        self.assertEqual(finding["severity"], "error")
        self.assertEqual(len({step.split(" takes ")[0] for key, step in finding["evidence"].items() if key.startswith("order_")}), 2)

    def test_order_and_gate(self):
        for mode in "ordered", "gated":
            report = self.record(mode)
            self.assert_clean(report)
            self.assertEqual(len(report["processes"]), 2)


if __name__ == "__main__":
    main()
