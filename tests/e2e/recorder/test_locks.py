#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Locks do what they do without the recorder, and what threads hold is known while they wait."""

import errno
import unittest

from lib.process import BUILD, PROGRAMS, PYTHON, scratch
from lib.recorded import bare, record

UNLOCKED_FREE, REFUSED = 6, 8  # enum misuse


class Locks(unittest.TestCase):
    def assert_same(self, program):
        argv = [BUILD / "tests/programs" / program]
        alone, recorded = bare(*argv), record(*argv)
        self.assertEqual([recorded.status, recorded.out, recorded.err], [alone.status, alone.out, alone.err])
        self.assertEqual(alone.status, 0)
        return recorded.traces()

    def assert_no_misuse(self, traces):
        self.assertEqual([e for t in traces for e in t.events if e["type"] == "misuse"], [])

    def test_bad_ends(self):
        traces = self.assert_same("locks")
        self.assertGreater(len(traces), 4)
        # What it does wrong on purpose, and glibc refuses: a mutex asked for twice, one not held, a time that is none.
        misuse = sorted((e["kind"], e["error"]) for t in traces for e in t.events if e["type"] == "misuse")
        self.assertEqual(misuse, [(UNLOCKED_FREE, 0), (REFUSED, errno.EINVAL), (REFUSED, errno.EDEADLK)])

    def test_cxx(self):
        traces = self.assert_same("locks_cxx")
        self.assert_no_misuse(traces)

    def test_files_held(self):
        recorded = record(BUILD / "tests/programs/held_files")
        trace = recorded.trace()
        held = {}
        for event in trace.events:
            if event["type"] == "lockset":
                held[event["id"]] = event
        contexts = {(e["tid"], e["time"]): e["locks"] for e in trace.events if e["type"] == "context"}
        sleeps = [contexts.get((e["tid"], e["time"]), 0) for e in trace.waits("usleep")]
        self.assertEqual([number in held for number in sleeps], [True, False, True, False, True, False], contexts)

    def test_locks_of_several_processes(self):
        file = scratch("shared") / "file"
        recorded = record(BUILD / "tests/programs/shared_locks", file)
        self.assertEqual([recorded.status, recorded.err], [0, ""])
        waiter, holder = map(int, recorded.out.split())
        traces = [t for t in recorded.traces() if t.waits("pthread_mutex_lock")]
        self.assertEqual({t.process["pid"] for t in traces}, {waiter, holder})
        places = [sorted((e["device"], e["inode"], e["offset"]) for e in t.events if e["type"] == "shared") for t in traces]
        self.assertEqual(places[0], places[1])
        self.assertEqual({inode for _, inode, _ in places[0]}, {file.stat().st_ino})
        self.assertEqual(len(places[0]), 2)
        trace = next(t for t in traces if t.process["pid"] == waiter)
        owners = {(e["tid"], e["time"]): e["owner"] for e in trace.events if e["type"] == "context"}
        for call in "fcntl", "flock":
            longest = max(trace.waits(call), key=lambda e: e["duration_ns"])
            self.assertEqual(owners[longest["tid"], longest["time"]], holder, call)

    def test_locks_made_for_every_call(self):
        """They leave room for what else is waited for, and for what else is written."""
        recorded = record(PYTHON, PROGRAMS / "python_threads.py", env={"SECONDS": "2"})
        self.assertEqual(recorded.status, 0, recorded.err)
        events = [e["type"] for e in max(recorded.traces(), key=lambda t: len(t.events)).events]
        self.assertLess(events.count("endpoint"), 4400)
        self.assertLess(events.count("order"), 10000)

    def test_lost_wakeups(self):
        for how in "early", "busy", "predicate", "attended", "timed":
            with self.subTest(how=how):
                recorded = record(BUILD / "tests/programs/lost_wakeup", how)
                self.assertEqual([recorded.status, recorded.err], [0, ""])
                tid, looks = map(int, recorded.out.split())
                trace = recorded.trace()
                wanted = [t["wanted"] for t in trace.threads if t["tid"] == tid and "wanted" in t]
                if not looks:
                    self.assertFalse([w for w in wanted if w["signal"]])
                    continue
                self.assertEqual([w["looks"] for w in wanted], [looks])
                self.assertEqual([w["signal_tid"] for w in wanted], [trace.process["pid"]])
                self.assertTrue(wanted[0]["stack"] and wanted[0]["signal_stack"] and wanted[0]["lock"])
                self.assertLess(wanted[0]["signal"], wanted[0]["since"])

    def test_gil_hog(self):
        recorded = record(PYTHON, PROGRAMS / "gil_hog.py")
        self.assertEqual([recorded.status, recorded.err], [0, ""])
        trace = recorded.trace(stacks=True)
        gil = [e for e in trace.events if e["type"] == "hold" and e["kind"] == 9 and e["flags"] & 1]
        waited = sum(e["waited_ns"] * e["weight"] for e in gil)
        by_hog = sum(e["waited_ns"] * e["weight"] for e in gil if any("hog" in f for f in e.get("frames", [])))
        self.assertGreater(waited, 20_000_000)
        self.assertGreater(by_hog, 0.9 * waited)
        owners = [e for e in trace.events if e["type"] == "context" and e["owner"]]
        self.assertTrue([e for e in owners if e["owner_stack"] in {h["stack"] for h in gil}], owners)


if __name__ == "__main__":
    unittest.main()
