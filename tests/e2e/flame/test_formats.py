#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Every format of cprobe flame, opened by a program that others wrote for it, tells what the recorded program knows."""

import json
import re
import subprocess
import sys
import pathlib
import xml.etree.ElementTree

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from lib import case
from lib.process import CPROBE, PROGRAMS, PYTHON, run, scratch
from lib.recording import Recording
from node import install, node


class Formats(case.Case):
    @classmethod
    def setUpClass(cls):
        install()
        with Recording([PYTHON, PROGRAMS / "flame_waits.py"]) as recording:
            assert recording.process.wait() == 0, recording.process.output()
        cls.data, cls.truth = recording.directory, recording.truth()
        cls.home = scratch("flame")

    def flame(self, ending, *options):
        file = self.home / f"flame{ending}"
        run([CPROBE, "flame", *options, "-o", file, self.data])
        return file

    def folded(self, *options):
        return run([CPROBE, "flame", "--format", "folded", *options, self.data])

    def assert_true_time(self, microseconds):
        """The loop's sleeps, compared with what the program measured around them."""
        most = self.truth["wall_ns"]
        least = most - self.truth["cpu_ns"] - self.truth["queued_ns"]
        self.assertTrue(least * 0.98 <= microseconds * 1000 <= most * 1.02, f"{microseconds} us, the truth is {self.truth}")

    def test_folded(self):
        lines = self.folded().splitlines()
        sleeps = 0
        for line in lines:
            # The grammar: frames that are not empty, joined by ';', and a whole number behind the last space.
            match = re.fullmatch(r"([^;]+(?:;[^;]+)+) ([0-9]+)", line)
            self.assertTrue(match, line)
            if ";nap (flame_waits.py:" in line:
                self.assertRegex(line, r"^python3;.*;main \(flame_waits\.py:\d+\);stall \(flame_waits\.py:\d+\);nap \(flame_waits\.py:\d+\);(time_)?sleep;clock_nanosleep \d+$")
                sleeps += int(match[2])
            self.assertNotIn("[idle]", line)
        self.assert_true_time(sleeps)
        self.assertTrue(any(re.search(r";ask \(flame_waits\.py:\d+\);.*recv;\[127\.0\.0\.1:\d+\] \d+$", line) for line in lines), lines)
        self.assertEqual(len(lines), len({line.rsplit(" ", 1)[0] for line in lines}), "equal stacks stand twice")

    def test_lock_and_idle(self):
        locks = self.folded("--kind", "lock").splitlines()
        self.assertTrue(any(";worker (" in line for line in locks))
        self.assertFalse(any("clock_nanosleep" in line for line in locks))
        self.assertIn(";[idle];", self.folded("--idle"))

    def test_lock_by_owner(self):
        """The same time by waiter and by owner, in every format."""
        owner = ["--kind", "lock", "--by", "owner"]
        time = lambda options: sum(int(line.rsplit(" ", 1)[1]) for line in self.folded(*options).splitlines()
                                   if ";worker (" in line and "threading.Lock of flame_waits.py" in line)
        by_waiter, truth = time(["--kind", "lock"]), time(owner)
        self.assertGreater(by_waiter, 100_000)
        self.assertAlmostEqual(truth / by_waiter, 1, delta=0.03)  # of some waits nobody may know who was the owner
        self.assertIn(";[had threading.Lock of flame_waits.py:", self.folded(*owner))
        speedscope = json.loads(node("speedscope.mjs", self.flame(".speedscope.json", *owner), "worker (flame_waits.py:"))
        pprof = json.loads(node("pprof.mjs", self.flame(".pb.gz", *owner), "worker"))
        for microseconds in speedscope["microseconds"], pprof["nanoseconds"] / 1000:
            self.assertAlmostEqual(microseconds / truth, 1, delta=0.001)
        svg = self.flame(".svg", *owner).read_text()
        self.assertIn("[had threading.Lock of flame_waits.py:", svg)

    def test_kernel_kinds_say_what_is_missing(self):
        for kind in ("offcpu", "wakeup"):
            done = subprocess.run([CPROBE, "flame", "--kind", kind, "--format", "folded", self.data], capture_output=True, text=True, check=False)
            self.assertEqual((done.returncode, done.stdout), (3, ""))
            self.assertIn("CAP_BPF", done.stderr)

    def test_usage(self):
        for options in (["--kind", "lok"], ["--by", "owner"], ["--kind", "lock", "--by", "me"], ["--format", "png"], ["-o", self.home / "x.png"]):
            done = subprocess.run([CPROBE, "flame", *map(str, options), self.data], capture_output=True, text=True, check=False)
            self.assertEqual(done.returncode, 2, done.stderr)
        done = subprocess.run([CPROBE, "flame", "--format", "folded", self.home / "missing"], capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 3)

    def test_speedscope(self):
        result = json.loads(node("speedscope.mjs", self.flame(".speedscope.json"), "nap (flame_waits.py:"))
        self.assertEqual(result["errors"], [])
        self.assert_true_time(result["microseconds"])

    def test_pprof(self):
        result = json.loads(node("pprof.mjs", self.flame(".pb.gz"), "nap"))
        self.assertEqual(result["types"], ["waits/count", "blocked/nanoseconds"])
        self.assertEqual(result["count"], self.truth["count"])
        self.assert_true_time(result["nanoseconds"] / 1000)
        self.assertTrue(result["file"].endswith("/flame_waits.py"))
        self.assertTrue(any(endpoint.startswith("[127.0.0.1:") for endpoint in result["endpoints"]))
        self.assertTrue(result["buildIds"], "no mapping has a build id")

    def test_svg(self):
        svg = xml.etree.ElementTree.parse(self.flame(".svg")).getroot()
        titles = [title.text for title in svg.iter("{http://www.w3.org/2000/svg}title")]
        self.assertTrue(any(title.startswith("nap (flame_waits.py:") for title in titles), titles)


if __name__ == "__main__":
    case.main()
