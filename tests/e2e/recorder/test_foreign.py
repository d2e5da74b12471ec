#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Stacks that are not the thread's own, code without unwind tables, programs that pass libc by."""

import re
import unittest

from lib.process import BUILD, PYTHON, run
from lib.recorded import record

PROGRAMS = BUILD / "tests/programs"
COMPLETE, FOREIGN = 1, 8  # STACK_

GREENLETS = """
import greenlet, time
def work(depth):
    if depth:
        return work(depth - 1)
    for _ in range(5):
        time.sleep(0.0011)
        main.switch()
main = greenlet.getcurrent()
workers = [greenlet.greenlet(work) for _ in range(100)]
for turn in range(6):
    for number, worker in enumerate(workers):
        worker.switch(number % 7) if turn == 0 else worker.switch()
print("done")
"""


class Foreign(unittest.TestCase):
    def record(self, *argv):
        recorded = record(*argv)
        self.assertEqual([recorded.status, recorded.out, recorded.err], [0, "done\n", ""])
        trace = recorded.trace(stacks=True)
        self.assertEqual([trace.state, trace.message], ["finished", ""])
        return trace

    def symbol_range(self, name):
        for line in run(["nm", "-S", PROGRAMS / "foreign"]).splitlines():
            words = line.split()
            if words[-1] == name:
                return range(int(words[0], 16), int(words[0], 16) + int(words[1], 16) + 1)
        raise AssertionError(name)

    def check(self, mode, count, flags):
        trace = self.record(PROGRAMS / "foreign", mode)
        waits = trace.waits("usleep")
        self.assertEqual([trace.count("usleep"), len(waits)], [count, count])
        place = self.symbol_range("sleep_here")
        for wait in waits:
            stack_flags = int(wait["frames"][0].split()[0].split("=")[1])
            self.assertIn("/foreign+0x", wait["frames"][1])
            self.assertIn(int(wait["frames"][1].rsplit("+", 1)[1], 16), place)
            self.assertEqual(stack_flags & flags, flags, wait)
        return waits

    def test_coroutines(self):
        self.check("coroutines", 1000, FOREIGN)

    def test_alternate_stack(self):
        for wait in self.check("signals", 50, FOREIGN | COMPLETE):
            self.assertTrue(any("libc.so.6" in frame for frame in wait["frames"]), "the interrupted frames follow")

    def test_code_without_tables(self):
        self.check("code", 50, 0)

    def test_greenlets(self):
        trace = self.record(PYTHON, "-c", GREENLETS)
        waits = [e for e in trace.waits() if "sleep" in e["call"]]
        self.assertEqual(len(waits), 500)
        for wait in waits:
            python = [re.search(r"lasti=\d+ (\S+) \(", frame)[1] for frame in wait["frames"] if frame.startswith("python")]
            self.assertEqual(set(python), {"work"}, wait)

    def test_static_program(self):
        recorded = record(PROGRAMS / "apart")
        self.assertEqual([recorded.status, recorded.out, recorded.err, recorded.paths()], [0, "done\n", "", []])

    def test_direct_system_calls(self):
        trace = self.record(PROGRAMS / "direct")
        self.assertEqual([trace.count("usleep"), trace.count("nanosleep")], [3, 0])


if __name__ == "__main__":
    unittest.main()
