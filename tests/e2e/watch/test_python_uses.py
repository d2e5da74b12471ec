#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What is recorded of the operations on watched objects: overlaps, locks, exact counts, accounts, in threads, forks and greenlets."""

import json
import os
import unittest

from lib.process import PROGRAMS, PYTHON
from lib.recorded import record

SERVER, OBJECTS = PROGRAMS / "cachetools_server.py", PROGRAMS / "watched_objects.py"
INTERPRETERS = [PYTHON, *os.environ.get("CPROBE_TEST_PYTHONS", "").split()]
CREATED = "make_cache"
WINDOW, RAISED, OVERLAPPED, WRITE = 1, 2, 4, 8
OTHER_AT_END = 1


def of(trace, kind):
    return [e for e in trace.events if e["type"] == kind]


def methods_of(trace):
    return {e["id"]: e["name"] for e in of(trace, "method")}


class Uses(unittest.TestCase):
    def serve(self, mode, threads, seconds, *rate, python=PYTHON):
        done = record(python, SERVER, mode, threads, seconds, *rate, env=self.library(python), timeout=170)
        self.assertEqual(done.status, 0, done.err)
        return done.trace(stacks=True), json.loads(done.out.splitlines()[-1])

    def library(self, python):
        from test_python_bracket import library  # pylint: disable=import-outside-toplevel
        return {} if python == PYTHON else {"PYTHONPATH": library(), "PYTHONDONTWRITEBYTECODE": "1"}

    def use(self, mode, **env):
        done = record(PYTHON, OBJECTS, mode, env={"CPROBE_WATCH_PY": "__main__:Own", **env})
        self.assertEqual((done.status, done.out.count("done")), (0, 2 if mode == "forked" else 1), done.err)
        return done.traces(stacks=True)

    def assert_locked(self, trace):
        """No overlap, and one lock that all operations had in common."""
        self.assertEqual(of(trace, "overlap"), [])
        locks = {e["id"]: e["locks"] for e in of(trace, "lockset")}
        held = [locks.get(e["locks"]) for e in of(trace, "mutate")]
        self.assertTrue(held)
        self.assertEqual(len(set(held)), 1, held[:9])
        self.assertTrue(held[0])
        self.assertFalse([e for e in of(trace, "mutate") if e["flags"] & OVERLAPPED])

    def test_shared_without_a_lock(self):
        for python in INTERPRETERS:
            with self.subTest(python=python):
                trace, truth = self.serve("unlocked", 76 if python == PYTHON else 16, 4, python=python)
                overlaps = of(trace, "overlap")
                self.assertTrue(overlaps)
                if truth["first_error"]:
                    self.assertLess(overlaps[0]["time"] / 1e9, truth["first_error"], "known before anything went wrong")
                self.assertTrue(all(e["stack"] and e["other_stack"] and e["tid"] != e["other_tid"] for e in overlaps))
                self.assertFalse(any(e["locks"] or e["other_locks"] or e["flags"] for e in overlaps))
                self.assertTrue(any("cached" in line or "wrapper" in line for line in overlaps[0]["frames"]), overlaps[0])
                made = of(trace, "object")
                self.assertEqual([(e["module"], e["class"], e["flags"]) for e in made], [("cachetools", "TTLCache", 1)])
                self.assertTrue(any(CREATED in line for line in made[0]["frames"]), made[0])

    def test_counts_are_exact(self):
        trace, truth = self.serve("unlocked", 8, 1)
        names = methods_of(trace)
        counters = [c for t in trace.threads for c in t.counters if c["call"] == "object"]
        gets = [c for c in counters if names[c["flags"]] == "TTLCache.__getitem__"]
        self.assertEqual(sum(c["count"] for c in gets), truth["calls"])
        self.assertEqual(len(gets), 8)
        self.assertGreater(sum(c["failed"] for c in gets), 0, "misses")

    def test_windows_have_all(self):
        trace, _ = self.serve("unlocked", 4, 2, 50)
        first = [e for e in of(trace, "mutate") if e["window"] == 1]
        counted = sum(c["count"] for t in trace.threads for c in t.counters if c["call"] == "object")
        self.assertTrue(first and all(e["flags"] & WINDOW for e in first))
        self.assertLess(max(e["time"] for e in first) - first[0]["time"], 0.1e9)
        self.assertLess(len(first), counted)
        self.assertGreaterEqual(max(e["window"] for e in of(trace, "mutate")), 2)

    def test_the_account_drifts(self):
        """Until it does, which is a matter of luck: six times at most."""
        for _ in range(6):
            trace, truth = self.serve("unlocked", 76, 4)
            drifts = [e for e in of(trace, "drift") if e["counter"] != e["content"] or e["entries"] != e["links"]]
            if drifts:
                break
        self.assertTrue(drifts, truth)
        self.assertEqual((drifts[0]["counter_name"], drifts[0]["content_name"]), ("currsize", "sum of sizes"))
        self.assertEqual(drifts[0]["content"], drifts[0]["entries"])

    def test_locked(self):
        for python in INTERPRETERS:
            for mode in "locked", "with":
                with self.subTest(python=python, mode=mode):
                    trace, truth = self.serve(mode, 76 if python == PYTHON else 16, 2, python=python)
                    self.assertEqual(truth["errors"], 0)
                    self.assert_locked(trace)
                    self.assertEqual([e for e in of(trace, "drift") if e["counter"] != e["content"]], [])

    def test_alone(self):
        trace, _ = self.serve("alone", 6, 1, 50)
        self.assertEqual(of(trace, "overlap"), [])
        self.assertEqual(len(of(trace, "object")), 6)
        self.assertEqual(len({(e["object"], e["tid"]) for e in of(trace, "mutate")}), 6)

    def test_a_class_that_locks_by_itself(self):
        self.assert_locked(self.use("own-lock")[-1])

    def test_asked_for_and_not_locked(self):
        trace = self.use("no-lock")[-1]
        self.assertTrue(of(trace, "overlap"))
        self.assertEqual(set(methods_of(trace).values()), {"Own.put"})

    def test_locks_that_exclude_nobody(self):
        trace = self.use("other-lock")[-1]
        overlaps = of(trace, "overlap")
        self.assertTrue(overlaps)
        self.assertTrue(all(e["locks"] and e["other_locks"] and e["locks"] != e["other_locks"] for e in overlaps))

    def test_after_a_fork(self):
        traces = self.use("forked")
        pids = {t.process["pid"] for t in traces}
        parent, child = sorted(traces, key=lambda t: t.process["ppid"] in pids)
        for trace in parent, child:
            made = of(trace, "object")
            self.assertEqual([(e["class"], e["flags"]) for e in made], [("LRUCache", 1)])
            self.assertTrue(any("forked" in line for line in made[0]["frames"]), made[0])
            self.assertGreaterEqual(len({e["tid"] for e in of(trace, "mutate")}), 2)
            self.assertIn("LRUCache.__setitem__", methods_of(trace).values())

    def test_greenlets(self):
        trace = self.use("greenlets")[-1]
        overlaps = of(trace, "overlap")
        self.assertTrue(overlaps)
        self.assertTrue(all(e["tid"] == e["other_tid"] and e["fiber"] != e["other_fiber"] for e in overlaps))
        self.assertTrue(all(e["stack"] and e["other_stack"] and e["flags"] & OTHER_AT_END for e in overlaps))
        self.assertEqual(of(self.use("in-turn")[-1], "overlap"), [])

    def test_the_end_of_the_interpreter(self):
        self.assertTrue(of(self.use("daemon")[-1], "overlap"))

    def test_deep_recursion(self):
        trace = self.use("deep")[-1]
        self.assertEqual([e["text"] for e in trace.notes()], ["Tree.put was called deep in the stack; it is not watched any more"])
        self.assertEqual(sum(c["count"] for t in trace.threads for c in t.counters if c["call"] == "object"), 1)

    def test_many_objects(self):
        trace = self.use("short-lived")[-1]
        self.assertLess(len(of(trace, "object")), 1024, "room is kept for those that threads share")
        self.assertEqual(sum(c["count"] for t in trace.threads for c in t.counters if c["call"] == "object"), 100000)


if __name__ == "__main__":
    unittest.main()
