#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Races caught with data breakpoints, and what looks like races but is none. Skipped where breakpoints never fire."""

import subprocess
import time
import unittest

from lib.case import Case, brief, main
from lib.process import BUILD, CPROBE, scratch
from lib.recorded import record
from lib.recording import Recording

PROGRAMS = BUILD / "tests/programs"
RULE = "unlocked-mutation"
PATIENCE = 60  # seconds; on an idle machine a race is found within one or two
WATCH = "*pool*,*cache*,global:shared_total"


def breakpoints_work():
    done = subprocess.run([str(CPROBE), "doctor"], stdout=subprocess.PIPE, text=True, check=False)
    return any(line.split()[0] == "yes" for line in done.stdout.splitlines() if "data breakpoints" in line)


@unittest.skipUnless(breakpoints_work(), "no data breakpoints on this machine")
class Races(Case):
    def findings(self, report):
        return [finding for finding in report["findings"] if finding["rule"] == RULE]

    def until(self, wanted, *argv, **settings):
        """Runs the program until the report has a finding that `wanted` accepts."""
        end = time.monotonic() + PATIENCE
        with Recording([str(word) for word in argv], **settings) as recording:
            while True:
                time.sleep(1)
                report = recording.report()
                found = [finding for finding in self.findings(report) if wanted(finding)]
                if found or time.monotonic() > end:
                    self.assertTrue(found, brief(report))
                    return found[0], report

    def looked_at(self, trace):
        told = [event for event in trace.events if event["type"] == "watching"]
        return told[-1] if told else {"windows": 0, "traps": 0}

    def test_lru_cache(self):
        confirmed, report = self.until(lambda f: f["evidence"]["confidence"] == "confirmed", PROGRAMS / "lru_cache", 4,
                                       PATIENCE, "racy", 100)
        self.assertEqual(confirmed["severity"], "error")
        self.assertIn("lru_cache_new", confirmed["title"])
        self.assertEqual([stack["frames"][0]["function"] for stack in confirmed["stacks"][:3]], ["lru_put"] * 3)
        self.assertIn("lru_cache_new", [frame["function"] for frame in confirmed["stacks"][-1]["frames"]])
        self.assertTrue(all(stack["complete"] for stack in confirmed["stacks"]))
        self.assertEqual(len({finding["id"] for finding in report["findings"]}), len(report["findings"]))

    def test_lru_cache_with_its_lock(self):
        for pause in ("0", "100"):
            recorded = record(PROGRAMS / "lru_cache", 4, 4, "locked", pause)
            self.assertEqual(recorded.status, 0)
            self.assertEqual(self.conflicts(recorded.trace()), [])
            self.assertGreater(self.looked_at(recorded.trace())["traps"], 0)

    def conflicts(self, trace):
        return [event for event in trace.events if event["type"] == "conflict"]

    def test_kinds(self):
        for kind, confidence in (("counter", "likely"), ("list", "confirmed"), ("global", "likely"), ("field", "likely")):
            with self.subTest(kind=kind):
                finding, _ = self.until(lambda f, least=confidence: f["evidence"]["confidence"] in (least, "confirmed"),
                                        PROGRAMS / "races", kind, PATIENCE, CPROBE_WATCH=WATCH)
                self.assertEqual(finding["evidence"]["locks_first"], "none")
                what = "shared_total" if kind == "global" else "shared_pool_new"
                self.assertIn(what, finding["title"])

    def test_innocent(self):
        for kind in ("locked", "rwlock", "spin", "ticket", "atomic", "cas", "mailbox", "once", "hand-over"):
            with self.subTest(kind=kind):
                with Recording([str(PROGRAMS / "races"), kind, "3"], CPROBE_WATCH=WATCH) as recording:
                    self.assertEqual(recording.process.wait(60), 0)
                    report = recording.report()
                self.assertEqual(self.findings(report), [], brief(report))

    def test_switches_are_paid_for(self):
        """Breakpoints make context switches dearer. At 2 us each, and at most 1 % of two CPUs' time for them."""
        seconds = 4
        recorded = record(PROGRAMS / "watch_token", seconds)
        switches, told = int(recorded.out), self.looked_at(recorded.trace())
        self.assertEqual((recorded.status, self.conflicts(recorded.trace())), (0, []))
        self.assertGreater(told["windows"], 0)
        if switches > 40000 * seconds:  # on a machine that is busy with other things there may be less
            self.assertLess(told["windows"], 20 * seconds, "windows of 6 ms and more")

    def test_off(self):
        trace = record(PROGRAMS / "races", "list", 2, env={"CPROBE_WATCH": "off"}).trace()
        self.assertEqual(self.conflicts(trace), [])
        self.assertEqual(self.looked_at(trace)["windows"], 0)


@unittest.skipUnless(breakpoints_work(), "no data breakpoints on this machine")
class Programs(unittest.TestCase):
    """Signals, descriptors, processes: all as it would be without the watching."""

    def test_handler(self):
        self.run_program("handler")

    def test_default_action(self):
        self.run_program("default")

    def test_blocked_signals(self):
        self.run_program("sigwait")

    def test_descriptors(self):
        self.run_program("descriptors")

    def test_main_thread_ends_first(self):
        self.run_program("exit-main")

    def test_fork(self):
        self.run_program("fork")

    def test_exec(self):
        self.run_program("exec")

    def run_program(self, what):
        recorded = record(PROGRAMS / "watched_process", what)
        self.assertEqual((recorded.status, recorded.out.splitlines()[-1:]), (0, ["ok"]), recorded.out + recorded.err)

    def test_debugger(self):
        """Under a tracer nothing is armed: it would see the signals."""
        home = scratch("traced")
        done = subprocess.run(["strace", "-f", "-e", "trace=none", "-o", home / "log", "env",
                               f"LD_PRELOAD={BUILD / 'libcprobe.so'}", f"CPROBE_DIR={home / 'data'}",
                               PROGRAMS / "races", "list", "3"], stdout=subprocess.PIPE, text=True, check=False)
        self.assertEqual(done.returncode, 0)
        self.assertNotIn("SIGTRAP", (home / "log").read_text())


if __name__ == "__main__":
    main()
