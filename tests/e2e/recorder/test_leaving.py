#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Calls that do not return: cancellation, exceptions, jumps; and calls in signal handlers."""

import os
import unittest

from lib.process import PROGRAMS, BUILD
from lib.recorded import bare, record, scratch


def program(name):
    assert list(PROGRAMS.glob(f"{name}.*")), name
    return BUILD / "tests/programs" / name


class Leaving(unittest.TestCase):
    def assert_same(self, *argv, env=None):
        """Runs it bare and recorded; the trace of the second."""
        expected, recorded = bare(*argv, env=env), record(*argv, env=env)
        self.assertEqual([recorded.out, recorded.err, recorded.status], [expected.out, expected.err, expected.status])
        self.assertEqual(recorded.status, 0)
        trace = max(recorded.traces(), key=lambda t: len(t.threads))
        self.assertEqual([trace.state, trace.message], ["finished", ""])
        return recorded.out, trace

    def test_cancellation(self):
        out, trace = self.assert_same(program("cancelled"))
        lines = out.splitlines()
        self.assertEqual([line for line in lines if not line.endswith(": cancelled, 1 handler")], [])
        after = [thread for thread in trace.threads if thread["name"] == "after"]
        self.assertEqual(sum(thread.count("usleep") for thread in after), len(lines))

    def test_exceptions(self):
        out, trace = self.assert_same(program("unwound"))
        self.assertEqual(out.count("forced unwind"), 2)
        self.assertIn("from inside of fread", out)
        self.assertEqual(trace.count("usleep"), 5)

    def test_jumps(self):
        fifo = scratch("jumps") / "aliases"
        os.mkfifo(fifo)
        out, trace = self.assert_same(program("jumps"), env={"HOSTALIASES": str(fifo)})
        self.assertIn("read was left", out)
        self.assertEqual(trace.thread("jumping").count("usleep"), 6)
        self.assertEqual(trace.thread("other").count("usleep"), 1)

    def check_storm(self, stack):
        recorded = record(program("signal_storm"), stack)
        self.assertEqual([recorded.status, recorded.err], [0, ""])
        handled, looped = map(int, recorded.out.split())
        self.assertGreater(handled, 100)
        trace = recorded.trace()
        found = {call: trace.count(call) for call in ("write", "recv", "nanosleep")}
        self.assertEqual(sum(found.values()) + trace.lost["nested"], 3 * handled + 2 * looped, f"{found} {trace.lost}")
        self.assertGreaterEqual(found["nanosleep"], handled - trace.lost["nested"])
        self.assertLessEqual(found["nanosleep"], handled)
        self.assertEqual([trace.state, trace.message, trace.lost["ring_full"]], ["finished", "", 0])

    def test_signals_on_the_own_stack(self):
        self.check_storm("own")

    def test_signals_on_an_alternate_stack(self):
        self.check_storm("alternate")


if __name__ == "__main__":
    unittest.main()
