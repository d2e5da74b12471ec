#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Threads and libraries that come and go."""

import unittest

from lib.process import BUILD
from lib.recorded import record

PROGRAMS = BUILD / "tests/programs"


class Threads(unittest.TestCase):
    def record(self, *argv, stacks=False, ring_full=0, **how):
        recorded = record(PROGRAMS / argv[0], *argv[1:], **how)
        self.assertEqual([recorded.status, recorded.err], [0, ""])
        trace = recorded.trace(stacks)
        self.assertEqual([trace.state, trace.message], ["finished", ""])
        self.assertLessEqual(trace.lost["ring_full"], ring_full)
        return trace, recorded.out

    def test_data_in_rings(self):
        trace, _ = self.record("threads", "data")
        self.assertEqual(trace.count("usleep"), 8000)
        self.assertEqual(trace.lost["overwritten"], 0)
        sleepers = [t for t in trace.threads if t["name"] == "sleeper"]
        self.assertEqual([t.count("usleep") for t in sleepers], 8 * [1000])
        for sleeper in sleepers:
            self.assertTrue([e for e in trace.waits("usleep") if e["tid"] == sleeper["tid"]])
        self.assertEqual([t["end"] == 0 for t in sleepers], 8 * [False])

    def test_many(self):
        # Where 50 threads want a ring at the same instant one may have to drop a sample: its wait is counted all the same.
        trace, _ = self.record("threads", "many", ring_full=20, env={"CPROBE_MAX_SIZE": "4M"})
        self.assertEqual(trace.count("usleep"), 40000)
        self.assertGreater(trace.lost["threads"], 1000)
        self.assertEqual(sum(t["threads"] for t in trace.threads), 20001)

    def test_names(self):
        trace, _ = self.record("threads", "names")
        self.assertLessEqual({"renamed", "by-prctl", "by-other"}, {t["name"] for t in trace.threads})

    def test_small_stack(self):
        trace, _ = self.record("threads", "small", stacks=True)
        small = trace.thread("small")
        self.assertEqual([small.count(call) for call in ("usleep", "poll", "open", "close")], 4 * [100])
        for event in trace.waits("usleep"):
            self.assertTrue(any("/threads+" in frame for frame in event.get("frames", [])), event)

    def test_blocked_at_exit(self):
        trace, _ = self.record("threads", "blocked")
        self.assertEqual(trace.thread("blocked").count("usleep"), 1)
        self.assertEqual(trace.thread("blocked")["end"], 0)
        self.assertGreater(trace.thread("detached").count("usleep"), 100)

    def test_ends(self):
        trace, _ = self.record("ends")
        self.assertEqual(trace.thread("ending").count("usleep"), 3)
        self.assertGreaterEqual(trace.count("usleep") - 3, 2)

    def test_unloading(self):
        libraries = [str(PROGRAMS / f"driver_{name}.so") for name in "abba"]
        trace, out = self.record("unloading", *libraries, stacks=True)
        self.assertEqual(len(set(out.split())), 1, "the libraries take each other's place")
        waits = trace.waits("usleep")
        innermost = [wait["frames"][1].split()[-1].split("+")[0] for wait in waits]
        self.assertEqual(innermost, libraries, waits)


if __name__ == "__main__":
    unittest.main()
