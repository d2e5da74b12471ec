#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Blocks that one thread makes and another one frees with nothing to order them; and whatever may have ordered them."""

import time

from lib.case import Case, brief, main
from lib.process import BUILD
from lib.recorded import record
from lib.recording import read_report

LIVES = BUILD / "tests/programs/lives"
RULE = "unlocked-mutation"
PATIENCE = 60  # seconds; on an idle machine the first run does


class Lives(Case):
    def lives(self, how, seconds):
        """The run, conflicts in the lives of blocks, and the report."""
        recorded = record(LIVES, how, seconds, env={"CPROBE_WATCH": "*pool*"})
        found = [event for trace in recorded.traces() for event in trace.events if event["type"] == "lifecycle"]
        return recorded, found, read_report(recorded.directory)

    def test_guilty(self):
        """How threads meet is chance, and an item that is freed twice ends the program: it is asked until they do."""
        end = time.monotonic() + PATIENCE
        findings = []
        while not findings and time.monotonic() < end:
            _, found, report = self.lives("nothing", 3)
            findings = [finding for finding in report["findings"] if finding["rule"] == RULE]
        self.assertEqual(len(findings), 1, brief(report))
        finding = findings[0]
        self.assertEqual((finding["severity"], finding["evidence"]["confidence"]), ("warning", "likely"))
        self.assertIn("item_pool_make", finding["title"])
        self.assertEqual([stack["frames"][0]["function"] for stack in finding["stacks"]], ["table_turn", "item_pool_make"])
        for conflict in found:
            self.assertNotEqual(conflict["tid"], conflict["first_tid"])
            self.assertLess(conflict["first_ns"], conflict["time"])
        pairs = [(conflict["first_tid"], conflict["tid"]) for conflict in found]
        self.assertEqual(len(set(pairs)), len(pairs))

    def test_innocent(self):
        for how in ("mutex", "spin", "exchange", "ring", "self", "pipe"):
            with self.subTest(how=how):
                recorded, found, report = self.lives(how, 2)
                self.assertEqual((recorded.status, recorded.out), (0, "done\n"), recorded.err)
                self.assertEqual((found, report["findings"]), ([], []), brief(report))


if __name__ == "__main__":
    main()
