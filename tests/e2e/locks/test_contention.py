#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Who waits for locks, how long, and who has them meanwhile."""

from lib.case import Case, main
from lib.process import BUILD, CPROBE, PROGRAMS, PYTHON, run
from lib.recording import Recording

BUILT = BUILD / "tests" / "programs"


class Contention(Case):
    def record(self, argv):
        with Recording(argv) as recording:
            self.assertEqual(recording.process.wait(120), 0, recording.process.output())
            return recording.report(), recording.process.output()

    def stacks(self, finding, role):
        return [[frame["function"].split(".")[-1] for frame in stack["frames"]] for stack in finding["stacks"]
                if stack["role"] == role]

    def test_convoy(self):
        report, output = self.record([BUILT / "locks_convoy", "guilty"])
        truth = {line.split()[0]: int(line.split()[1]) for line in output.splitlines() if len(line.split()) == 2}
        finding = self.find(report, "lock-contention", function="waiter")[0]
        self.assertEqual(len(report["findings"]), 1, report["findings"])
        self.assertEqual(finding["evidence"]["lock"], "ledger_lock")
        self.assertIn("slow_audit", finding["evidence"]["owner"])
        self.assertIn("slow_audit", self.stacks(finding, "owner")[0])
        self.assertGreater(finding["evidence"]["owner_share"], 0.9)
        self.assertGreaterEqual(finding["total_ns"], (truth["waited_ns"] - truth["queued_ns"]) * 0.98)
        self.assertLessEqual(finding["total_ns"], truth["waited_ns"] * 1.02)
        lock = next(lock for lock in report["locks"] if lock["name"] == "ledger_lock")
        self.assertEqual((lock["kind"], lock["instances"]), ("mutex", 1))
        self.assertLessEqual(lock["contended"], truth["waits"])
        self.assertGreaterEqual(lock["queue_max"], 2)
        self.assertNotIn("convoy", finding["evidence"], "one slow owner is none")

    def test_handed_on(self):
        """Nobody has it for long, but everybody stands in line for it each time."""
        report, _ = self.record([BUILT / "locks_convoy", "convoy"])
        finding = self.find(report, "lock-contention", function="convoy_member")[0]
        self.assertIn("in a convoy", finding["title"])
        self.assertRegex(finding["evidence"]["convoy"], r"^each waits .*s behind \d\.\d others, who have it for .*s each$")
        self.assertIn("convoy_member", self.stacks(finding, "owner")[0])

    def test_flame_by_owner(self):
        with Recording([BUILT / "locks_convoy", "guilty"]) as recording:
            self.assertEqual(recording.process.wait(120), 0, recording.process.output())
        lines = {side: [line for line in run([CPROBE, "flame", "--kind", "lock", "--by", side, "--format", "folded", recording.directory])
                        .splitlines() if "ledger_lock]" in line] for side in ("waiter", "owner")}
        time = {side: sum(int(line.rsplit(" ", 1)[1]) for line in lines[side]) for side in lines}
        self.assertTrue(all(";waiter;" in line for line in lines["waiter"]), lines)
        self.assertTrue(any(";main;slow_audit;[had ledger_lock] " in line for line in lines["owner"]), lines)
        self.assertAlmostEqual(time["owner"] / time["waiter"], 1, delta=0.001)

    def test_own_locks(self):
        report, _ = self.record([BUILT / "locks_convoy", "innocent"])
        self.assert_clean(report)

    def test_io_under_lock(self):
        report, _ = self.record([BUILT / "locks_io", "guilty"])
        finding = self.find(report, "io-under-lock", function="query")[0]
        self.assertEqual(len(report["findings"]), 1, report["findings"])
        self.assertEqual((finding["severity"], finding["evidence"]["lock"]), ("error", "pool_lock"))
        self.assertTrue(self.stacks(finding, "waiting for the lock"))
        self.assertGreater(finding["evidence"]["others_waited_ns"], 0.5 * finding["total_ns"])

    def test_chain_has_one_cause(self):
        report, _ = self.record([BUILT / "locks_io", "chain"])
        finding = self.find(report, "io-under-lock", function="query")[0]
        self.assertEqual(len(report["findings"]), 1, report["findings"])
        self.assertEqual((finding["evidence"]["lock"], finding["evidence"]["through"]), ("connection_lock", "pool_lock"))

    def test_io_without_lock(self):
        for mode in ("innocent", "alone"):
            report, _ = self.record([BUILT / "locks_io", mode])
            self.assert_clean(report)

    def test_interpreter_lock(self):
        report, _ = self.record([PYTHON, PROGRAMS / "locks_python.py", "hog"])
        finding = self.find(report, "lock-contention", function="ask_often")[0]
        self.assertEqual(finding["evidence"]["lock"], "GIL")
        self.assertIn("hog", finding["evidence"]["owner"])
        self.assertIn("did not release", finding["evidence"]["not_released"])

    def test_threads_of_python(self):
        report, _ = self.record([PYTHON, PROGRAMS / "locks_python.py", "threads"])
        self.assert_clean(report)


if __name__ == "__main__":
    main()
