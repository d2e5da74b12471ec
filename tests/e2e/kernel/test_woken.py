#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A finding says who ended the waits, and from where."""

from lib.case import Case, main
from lib.kernel import require_kernel
from lib.process import CPROBE, PROGRAMS, PYTHON, run, scratch
from lib.recording import read_report

SOURCE = PROGRAMS / "woken_loop.py"


class Woken(Case):
    def record(self, *mode):
        directory = scratch("run")
        run([CPROBE, "run", "--bpf=on", "-o", directory, "--", PYTHON, SOURCE, *mode], timeout=60)
        return directory, read_report(directory)

    def test_from_where(self):
        directory, report = self.record()
        found = self.find(report, "non-yielding-io", function="ask")[0]
        line = 1 + next(i for i, text in enumerate(SOURCE.read_text().splitlines()) if text.endswith("# wakes"))
        self.assertRegex(found["evidence"]["woken_by"], r"^\S+ \(\d+\), \d+ % of the time$")
        self.assertIn(f"answer ({SOURCE}:{line})", found["evidence"]["woken_from"])
        waker = [stack for stack in found["stacks"] if stack["role"] == "woken from"]
        self.assertEqual(len(waker), 1, found["stacks"])
        functions = [frame["function"] for frame in waker[0]["frames"] if frame["kind"] == "python"]
        self.assertIn(("answer", "work"), list(zip(functions, functions[1:])))
        shown = " ".join(run([CPROBE, "report", directory]).split())
        self.assertIn(f"woken by {found['evidence']['woken_by']} in {found['evidence']['woken_from']}", shown)

    def test_innocent(self):
        self.assert_clean(self.record("innocent")[1])


if __name__ == "__main__":
    require_kernel()
    main()
