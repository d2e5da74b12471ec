#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Locks in conflicting order, deadlocks while they hang and after the process was killed, misuse; and what is right."""

import json
import signal
import time

from lib.case import Case, main
from lib.process import BUILD, CPROBE, PROGRAMS, PYTHON, run
from lib.recording import Recording

PATTERNS = BUILD / "tests" / "programs" / "locks_patterns"
HANG = {"hang": 2, "hang3": 3, "self": 1}
PATIENCE = 60  # seconds, for a condition that is bound to come


class Order(Case):
    def record(self, argv):
        with Recording(argv) as recording:
            self.assertEqual(recording.process.wait(), 0, recording.process.output())
            return recording.report()

    def rules(self, report):
        return sorted({finding["rule"] for finding in report["findings"]})

    def test_patterns(self):
        for line in run([PATTERNS, "list"]).splitlines():
            name, rule = (line.split() + [""])[:2]
            if name in HANG:
                continue
            with self.subTest(pattern=name):
                report = self.record([PATTERNS, name])
                self.assertEqual(self.rules(report), [rule] if rule else [], report["findings"])
                self.assertTrue(report["processes"])

    def test_both_sides_are_named(self):
        finding = self.record([PATTERNS, "abba"])["findings"][0]
        roles = sorted(stack["role"].split(" since")[0] for stack in finding["stacks"])
        self.assertEqual(roles, ["takes lock_a while holding lock_b", "takes lock_b while holding lock_a"])
        self.assertTrue(all("both" in stack["role"] for stack in finding["stacks"]), "where the first one was taken")
        self.assertTrue(all("abba" in [frame["function"] for frame in stack["frames"]] for stack in finding["stacks"]))

    def deadlock(self, recording):
        found = [f for f in recording.report()["findings"] if f["title"].startswith("Deadlock")]
        return found[0] if found else None

    def test_deadlock_while_it_hangs(self):
        for name, threads in HANG.items():
            with self.subTest(pattern=name), Recording([PATTERNS, name]) as recording:
                end = time.monotonic() + PATIENCE
                finding = None
                while not finding and time.monotonic() < end:
                    if "hanging" in recording.process.output():
                        finding = self.deadlock(recording)
                self.assertTrue(finding, "no deadlock while it hangs")
                self.assertEqual((finding["rule"], finding["severity"]), ("lock-order-inversion", "error"))
                self.assertEqual(len(finding["stacks"]), threads)
                recording.process.child.send_signal(signal.SIGKILL)
                recording.process.wait()
                report = recording.report()
                self.assertEqual([f["id"] for f in report["findings"]], [finding["id"]], "after it was killed")

    def test_lost_wakeup(self):
        """Whoever looks at what it waits for comes late for nothing."""
        for how, lost in ("early", True), ("busy", True), ("predicate", False), ("attended", False), ("timed", False):
            with self.subTest(how=how), Recording([BUILD / "tests" / "programs" / "lost_wakeup", how]) as recording:
                self.assertEqual(recording.process.wait(), 0)
                report = json.loads(run([CPROBE, "report", "--format", "json", "--set", "lock-misuse.wakeup=1ms", recording.directory]))
                self.assertEqual(self.rules(report), ["lock-misuse"] if lost else [], report["findings"])
                self.assert_clean(recording.report())  # too short a wait to be sure
                if lost:
                    finding = report["findings"][0]
                    self.assertIn("A wake-up seems lost", finding["title"])
                    functions = [{frame["function"] for frame in stack["frames"]} for stack in finding["stacks"]]
                    self.assertIn("wait_without_look", functions[0])
                    self.assertIn("tell", functions[1])

    def test_python(self):
        finding = self.find(self.record([PYTHON, PROGRAMS / "locks_python.py", "inversion"]), "lock-order-inversion")[0]
        functions = {frame["function"] for stack in finding["stacks"] for frame in stack["frames"]}
        self.assertTrue({"transfer", "audit"} <= functions, functions)
        self.assertIn("locks_python.py:", finding["title"])
        self.assert_clean(self.record([PYTHON, PROGRAMS / "locks_python.py", "ordered"]))

    def test_interpreter_lock(self):
        program = [PYTHON, PROGRAMS / "locks_gil.py"]
        finding = self.find(self.record([*program, "inversion"]), "lock-order-inversion")[0]
        functions = {frame["function"] for stack in finding["stacks"] for frame in stack["frames"]}
        self.assertTrue({"charge", "refund"} <= functions, functions)
        self.assertIn("GIL", finding["title"])
        for innocent in "released", "tried":
            self.assertNotIn("lock-order-inversion", self.rules(self.record([*program, innocent])))

    def test_interpreter_lock_while_it_hangs(self):
        with Recording([PYTHON, PROGRAMS / "locks_gil.py", "hang"]) as recording:
            end, finding = time.monotonic() + PATIENCE, None
            while not finding and time.monotonic() < end:
                finding = self.deadlock(recording) if "hanging" in recording.process.output() else None
            self.assertTrue(finding, "no deadlock while it hangs")
            self.assertIn("GIL", finding["title"])
            recording.process.child.send_signal(signal.SIGKILL)
            recording.process.wait()


if __name__ == "__main__":
    main()
