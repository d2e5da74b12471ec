#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Code that programs generate at run time is named as /tmp/perf-PID.map says."""

import os
import pathlib
import signal
import unittest

from lib.kernel import Attached, require_kernel, with_stacks
from lib.process import BUILD, CPROBE, PROGRAMS, Process, run, scratch
from lib.recording import preload

COMPLETE = 0x01


def flame(directory, kind):
    folded = scratch("flame") / "flame.folded"
    run([CPROBE, "flame", directory, "--kind", kind, "-o", folded])
    return folded.read_text().splitlines()


class Generated(unittest.TestCase):
    def test_own_namespaces_and_code_in_the_place_of_other_code(self):
        script = f"mount -t tmpfs none /tmp; exec {BUILD / 'tests/programs/generated'}"
        if str(BUILD).startswith("/tmp/"):
            script = f"exec 3<{BUILD / 'tests/programs/generated'}; mount -t tmpfs none /tmp; exec /proc/self/fd/3"
        with Process(["unshare", "-m", "-p", "-f", "--mount-proc", "sh", "-c", script]) as process:
            process.until(lambda: "ready" in process.output())
            program = int(pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text())
            self.assertFalse(os.path.exists(f"/tmp/perf-{program}.map"))
            with Attached(program) as attached:
                attached.until(lambda: attached.names() >= {"generated_first"})
                os.kill(program, signal.SIGUSR1)
                attached.until(lambda: attached.names() >= {"generated_second"})
                os.kill(program, signal.SIGKILL)
                self.assertEqual(attached.wait(40), 0, attached.output())
        waits = with_stacks(attached.events("offcpu"))
        self.assertEqual([wait for wait in waits if not wait["stack_flags"] & COMPLETE], [])
        lines = flame(attached.directory, "offcpu")
        for name in ("generated_first", "generated_second"):
            self.assertTrue([line for line in lines if f";main;{name};wait_a_little;usleep;" in line], lines)


class Node(unittest.TestCase):
    def assert_named(self, lines):
        waits = [line for line in lines if "waitHere" in line]
        self.assertTrue(waits, lines)
        kind, place = r"(JS|LazyCompile|Function):\S*", r" /\S+/jit_waits.js:\d+(:\d+)?;"  # Node 18 knows no columns
        for line in waits:
            self.assertRegex(line, f"{kind}serve{place}{kind}waitHere{place}")

    def node(self, **environment):
        options = ["--perf-basic-prof", "--interpreted-frames-native-stack"]
        return Process(["node", *options, PROGRAMS / "jit_waits.js"], env=environment, cwd=scratch("node"))  # it logs there

    def test_attached(self):
        with self.node() as process:
            self.addCleanup(pathlib.Path(f"/tmp/perf-{process.pid}.map").unlink)
            process.until(lambda: "ready" in process.output())
            with Attached(process.pid, "-d", "2") as attached:
                self.assertEqual(attached.wait(40), 0, attached.output())
        waits = with_stacks(attached.events("offcpu"))
        incomplete = [wait for wait in waits if not wait["stack_flags"] & COMPLETE]
        self.assertLessEqual(len(incomplete) / len(waits), 0.01, incomplete[:1])
        self.assert_named(flame(attached.directory, "offcpu"))

    def test_preloaded(self):
        """The recorder does not read the map: the reader does, while it is still there."""
        directory = scratch("preloaded")
        with self.node(TURNS="200", **preload(directory)) as process:
            self.addCleanup(pathlib.Path(f"/tmp/perf-{process.pid}.map").unlink)
            self.assertEqual(process.wait(), 0, process.output())
        self.assert_named(flame(directory, "lock"))


if __name__ == "__main__":
    require_kernel()
    unittest.main()
