#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Where the time of a loop goes that could run: on CPU, or waiting for one. The truth is the kernel's schedstat."""

import json
import subprocess

from lib.case import Case, main
from lib.kernel import require_kernel
from lib.process import CPROBE, PROGRAMS, PYTHON, run, scratch
from lib.recording import read_report


class Neighbour(Case):
    def record(self, how):
        directory = scratch("neighbour")
        argv = [CPROBE, "run", "--bpf=on", "-o", directory, "--", PYTHON, PROGRAMS / "neighbour.py", how, "150"]
        with subprocess.Popen([str(a) for a in argv], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
            output = server.stdout.read()
            self.assertEqual(server.wait(60), 0)
        truth = json.loads(next(line for line in output.splitlines() if line.startswith("{")))
        return directory, read_report(directory), truth

    def assert_times(self, loop, truth):
        wall = loop["wall_ns"]
        parts = {part: loop[f"{part}_ns"] / wall for part in ("idle", "blocked", "oncpu", "runnable")}
        self.assertAlmostEqual(sum(parts.values()), 1, delta=0.02)
        self.assertAlmostEqual(wall / truth["wall_ns"], 1, delta=0.05)
        for part in ("oncpu", "runnable"):
            self.assertAlmostEqual(parts[part], truth[f"{part}_ns"] / truth["wall_ns"], delta=0.06, msg=(part, parts, truth))

    def test_beside(self):
        directory, report, truth = self.record("beside")
        loop = next(loop for loop in report["loops"] if loop["kind"] == "epoll")
        self.assert_times(loop, truth)
        self.assertGreater(loop["runnable_ns"] / loop["wall_ns"], 0.3)
        self.assertEqual(loop["verdict"], "starved")
        self.assertIn("waited for a CPU", report["verdict"])
        self.assertIn("others had the CPUs", run([CPROBE, "report", directory]))
        self.assertEqual([f for f in report["findings"] if f["rule"] == "non-yielding-io"], [])

    def test_alone(self):
        _, report, truth = self.record("alone")
        loop = next(loop for loop in report["loops"] if loop["kind"] == "epoll")
        self.assert_times(loop, truth)
        self.assertEqual([f for f in report["findings"] if f["rule"] == "non-yielding-io"], [])


if __name__ == "__main__":
    require_kernel()
    main()
