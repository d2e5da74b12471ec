#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Beside other preload libraries, whatever the order."""

import pathlib
import unittest

from lib.process import BUILD, PYTHON, SHIM
from lib.recorded import bare, record

PROGRAMS = BUILD / "tests/programs"
LIBRARIES = pathlib.Path("/usr/lib/x86_64-linux-gnu")
FAKETIME = LIBRARIES / "faketime/libfaketime.so.1"
JEMALLOC = LIBRARIES / "libjemalloc.so.2"


class Preloads(unittest.TestCase):
    def each_order(self, library):
        if not library.exists():
            self.skipTest(f"{library} is not installed")
        for order in ((SHIM, library), (library, SHIM)):
            with self.subTest(first=order[0].name):
                yield {"LD_PRELOAD": ":".join(map(str, order))}

    def test_faketime(self):
        program = "import datetime, time; print(datetime.date.today()); time.sleep(0.2)"
        for env in self.each_order(FAKETIME):
            recorded = record(PYTHON, "-c", program, env={**env, "FAKETIME": "@2001-02-03 04:05:06 x10"})
            self.assertEqual([recorded.status, recorded.out], [0, "2001-02-03\n"], recorded.err)
            trace = recorded.trace()
            # Its clock runs ten times as fast, so the sleep lasts 20 ms: what is recorded is real time.
            slept = trace.total("clock_nanosleep") + trace.total("nanosleep") + trace.total("select")
            self.assertGreater(slept, 19_000_000)
            self.assertLess(slept, 190_000_000)
            self.assertLess(trace.header["exit_status"], 1)

    def test_jemalloc(self):
        for env in self.each_order(JEMALLOC):
            recorded = record(PROGRAMS / "threads", "data", env=env)
            self.assertEqual([recorded.status, recorded.err], [0, ""])
            self.assertEqual(recorded.trace().count("usleep"), 8000)

    def test_early_and_late_calls(self):
        for env in self.each_order(PROGRAMS / "edges.so"):
            for program in ("ends", "cancelled"):
                recorded = record(PROGRAMS / program, env=env)
                expected = bare(PROGRAMS / program)
                self.assertEqual([recorded.status, recorded.err, recorded.out], [0, "", expected.out])
                trace = max(recorded.traces(), key=lambda t: len(t.threads))
                self.assertEqual(trace.state, "finished")
                self.assertGreater(trace.count("usleep"), 3)


if __name__ == "__main__":
    unittest.main()
