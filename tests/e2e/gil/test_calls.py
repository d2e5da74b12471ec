#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Which call of C does not give the GIL away, in an interpreter without symbols; the same call that does is silent."""

from lib.case import Case, main
from lib.process import PROGRAMS, PYTHON
from lib.recording import Recording


class Calls(Case):
    def record(self, what):
        with Recording([PYTHON, PROGRAMS / "gil_calls.py", what]) as recording:
            self.assertEqual(recording.process.wait(150), 0, recording.process.output())
            return recording.report()

    def keeps(self, what, call, module, caller):
        finding = self.find(self.record(what), "lock-contention")[0]
        evidence = finding["evidence"]
        self.assertEqual(evidence["lock"], "GIL")
        self.assertIn(call, evidence["call"])
        self.assertIn(module, evidence["call"])
        self.assertIn(evidence["call"], finding["title"])
        self.assertIn(caller, evidence["call_from"])
        self.assertGreater(evidence["call_share"], 0.5)
        stack = next(stack for stack in finding["stacks"] if stack["role"] == "does not release the GIL")
        self.assertIn("hog", [frame["function"] for frame in stack["frames"]])

    def test_extension_keeps(self):
        self.keeps("match", "match", "python3", "re/__init__.py")

    def test_library_keeps(self):
        self.keeps("pydll", "SHA256", "libcrypto", "gil_calls.py")

    def test_library_released(self):
        report = self.record("cdll")
        self.assertEqual([f["title"] for f in report["findings"] if f["rule"] in ("lock-contention", "gil-held-io")], [])

    def test_nobody_keeps(self):
        self.assertEqual([f["evidence"]["call"] for f in self.record("pool")["findings"] if "call" in f["evidence"]], [])


if __name__ == "__main__":
    main()
