#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Stacks of a Java virtual machine: native code has call frame information, generated code has frame pointers where it is told to."""

import os
import pathlib
import unittest

from lib.kernel import Attached, require_kernel, with_stacks
from lib.process import CPROBE, PROGRAMS, Process, run, scratch

COMPLETE = 0x01


def is_generated(wait):
    """Frames in no file."""
    return any(" " not in frame and not frame.startswith("0xffffffff") for frame in wait["native"])


class Java(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.classes = scratch("classes")
        run(["javac", "-d", cls.classes, PROGRAMS / "JavaWaits.java"])

    def record(self, *options, before=None):
        with Process(["java", *options, "-Xmx64m", "-cp", self.classes, "JavaWaits"]) as program:
            program.until(lambda: "ready" in program.output())
            if before:
                before(program)
            with Attached(program.pid, "-d", "3") as attached:
                self.assertEqual(attached.wait(60), 0, attached.output())
        return attached

    def assert_complete(self, waits):
        waits = with_stacks(waits)
        bad = [wait for wait in waits if not wait["stack_flags"] & COMPLETE]
        self.assertGreater(len(waits), 20)
        self.assertLessEqual(len(bad) / len(waits), 0.01, bad[:1])

    def test_native_threads(self):
        waits = self.record().events("offcpu")
        self.assert_complete([wait for wait in waits if not is_generated(wait)])

    def test_interpreted(self):
        waits = self.record("-Xint").events("offcpu")
        self.assertTrue(any(is_generated(wait) for wait in waits))
        self.assert_complete(waits)

    def test_compiled_with_frame_pointers_and_named(self):
        def write_map(program):
            self.addCleanup(pathlib.Path(f"/tmp/perf-{program.pid}.map").unlink)
            program.until(lambda: "serve" in self.map_of(program))

        attached = self.record("-XX:+PreserveFramePointer", "-XX:-Inline", before=write_map)
        self.assert_complete(attached.events("offcpu"))
        folded = scratch("flame") / "flame.folded"
        run([CPROBE, "flame", attached.directory, "--kind", "offcpu", "-o", folded])
        self.assertRegex(folded.read_text(), "JavaWaits.serve[^;]*;[^\n]*clock_nanosleep|JavaWaits.serve[^;]*;[^\n]*pthread_cond")

    def map_of(self, program):
        run(["jcmd", program.pid, "Compiler.perfmap"], check=False)
        path = f"/tmp/perf-{program.pid}.map"
        return pathlib.Path(path).read_text(errors="replace") if os.path.exists(path) else ""


if __name__ == "__main__":
    require_kernel()
    unittest.main()
