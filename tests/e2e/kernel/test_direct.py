#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Known waits where no library call shows them: io_uring, and a Go program, whose runtime has system calls of its own."""

import shutil
import subprocess
import unittest

from lib.kernel import Attached, require_kernel
from lib.process import BUILD, CPROBE, PROGRAMS, run, scratch
from lib.recording import read_report


def record(program, *argv):
    """Runs it recorded, from the byte on its standard input on: the numbers that it printed, and the report."""
    with subprocess.Popen([program, *argv], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        with Attached(child.pid) as attached:
            truth = child.communicate("x", timeout=60)[0]
            assert attached.wait(20) == 0, attached.output()
    if child.returncode == 77:
        raise unittest.SkipTest("the kernel has none")
    assert child.returncode == 0, child.returncode
    return [int(word) for word in truth.split()], read_report(attached.directory), attached


def calls(report, name):
    return [row for row in report["syscalls"] if row["name"] == name]


class Waits(unittest.TestCase):
    def assert_waited(self, rows, count, wait_ns, wall_ns):
        """Not shorter than each is at least. The program's own clock also runs while it queues for a CPU before a wait."""
        self.assertEqual(sum(row["count"] for row in rows), count, rows)
        total = sum(row["total_ns"] + row["runqueue_ns"] for row in rows)
        self.assertTrue(0.98 * count * wait_ns <= total <= 1.02 * wall_ns, (total, wall_ns, rows))


class Ring(Waits):
    def test_waits_for_completions(self):
        (tid, wall), report, attached = record(BUILD / "tests/programs/ring_waits")
        rows = calls(report, "io_uring_enter")
        self.assertEqual([(row["thread"]["tid"], row["cause"]) for row in rows], [(tid, "syscall")], report["syscalls"])
        self.assert_waited(rows, 29, 11e6, wall)
        waits = [wait for wait in attached.events("offcpu") if wait["syscall"].endswith(":io_uring_enter")]
        self.assertEqual(len(waits), 29, "all of them are longer than the sampler's mean")


class Go(Waits):
    def test_known_waits(self):
        go = shutil.which("go")
        if not go:
            self.skipTest("there is no go")
        home = scratch("go")
        program = home / "go_waits"
        run([go, "build", "-o", program, PROGRAMS / "go_waits.go"], timeout=150, CGO_ENABLED="0", GOCACHE=str(home / "cache"),
            GOFLAGS="-mod=mod", GO111MODULE="off")
        (read_ns, slept_ns), report, attached = record(program)
        self.assert_waited(calls(report, "read"), 43, 7e6, read_ns)
        long_sleeps = [wait for wait in attached.events("offcpu") if wait["syscall"].endswith(":nanosleep")
                       and int(wait["duration_ns"]) > 20e6]
        self.assertEqual(len(long_sleeps), 19, [wait["duration_ns"] for wait in long_sleeps])
        total = sum(int(wait["duration_ns"]) + int(wait["runqueue_ns"]) for wait in long_sleeps)
        self.assertTrue(0.98 * 19 * 31e6 <= total <= 1.02 * slept_ns, (total, slept_ns))
        folded = run([CPROBE, "flame", attached.directory, "--format", "folded"])
        stacks = [line for line in folded.splitlines() if "main.sleepAll" in line]
        self.assertTrue(stacks and all("runtime.goexit" in line for line in stacks), folded)


if __name__ == "__main__":
    require_kernel()
    unittest.main()
