#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The kinds of flame graph that are made of what the kernel saw: offcpu, wakeup, and blocked where nothing else was recorded."""

import json
import re
import subprocess
import unittest

from lib.kernel import Attached, require_kernel
from lib.process import BUILD, CPROBE, PYTHON, run, scratch

RUNNABLE = "[runnable: waiting for a CPU]"
FAULT = "[page fault]"  # may happen to any thread, for the first page of something
INCOMPLETE = "[incomplete]"
UNKNOWN_WAKER = "[woken by an unknown thread]"  # of a wait whose end no program saw (lib.kernel.with_stacks)
# Seven times 50 ms. They print how long that took in microseconds: with the queueing for a CPU it may be much more.
TIMED = """import select, sys, time
def timed(wait):
    begin = time.monotonic()
    for i in range(7): wait(0.05)
    print(int((time.monotonic() - begin) * 1e6))
"""
EPOLL = TIMED + "sys.stdin.readline()\ntimed(select.epoll().poll)"
SLEEP = TIMED + "timed(time.sleep)"


def folded(directory, kind, *options):
    """The lines as (thread, [frames], microseconds)."""
    text = run([CPROBE, "flame", "--kind", kind, "--format", "folded", *options, directory])
    found = []
    for line in text.splitlines():
        stack, weight = re.fullmatch(r"([^;]+(?:;[^;]+)+) ([0-9]+)", line).groups()
        thread, *frames = stack.split(";")
        found.append((thread, frames, int(weight)))
    return found


def total(lines, thread=None, function=""):
    return sum(us for name, frames, us in lines
               if thread in (None, name) and any(function in frame for frame in frames))


class KnownWaits(unittest.TestCase):
    """A static program of which only the kernel knows."""

    @classmethod
    def setUpClass(cls):
        with subprocess.Popen([BUILD / "tests/programs/known_waits"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              text=True) as program, Attached(program.pid) as attached:
            cls.truth = json.loads(program.communicate("x", timeout=60)[0])
            assert attached.wait(20) == 0, attached.output()
        cls.data = attached.directory

    def assert_totals(self, lines, *threads):
        for thread in threads:
            with self.subTest(thread):
                # The program's own clock also runs while it queues for a CPU before and after a wait.
                share = total(lines, thread) * 1000 / self.truth[thread]["wall_ns"]
                self.assertTrue(0.85 <= share <= 1.02, share)

    def test_offcpu(self):
        lines = folded(self.data, "offcpu")
        self.assert_totals(lines, "sleeper", "reader", "locker")
        runs = {"sleeper": "sleep_run", "reader": "read_run", "locker": "lock_run"}
        for thread, frames, _ in lines:
            if thread in runs and frames[0] != INCOMPLETE and FAULT not in frames:
                kernel = [i for i, frame in enumerate(frames) if frame.endswith("_[k]")]
                self.assertIn(runs[thread], [frame.split(" (")[0] for frame in frames[:kernel[0]]], "the program's own frames come first")
                self.assertIn(frames[kernel[-1] + 1:], ([], [RUNNABLE]))

    def test_wakeup(self):
        lines = folded(self.data, "wakeup")
        wakers = {thread: f"[woken by known_waits ({self.truth[thread]['waker']})]" for thread in ("reader", "locker")}
        for thread, waker in {**wakers, "sleeper": "[woken by a timer or a device]"}.items():
            known = [(frames[-1], us) for name, frames, us in lines if name == thread and frames[-1] != UNKNOWN_WAKER]
            self.assertGreaterEqual(sum(us for leaf, us in known if leaf == waker), 0.98 * sum(us for _, us in known), known)
        self.assertFalse(any(RUNNABLE in frames for _, frames, _ in lines))

    def test_blocked_and_lock(self):
        self.assert_totals(folded(self.data, "blocked"), "sleeper", "reader", "locker")
        locks = folded(self.data, "lock")
        self.assert_totals(locks, "locker")
        self.assertEqual(total(locks, "sleeper") + total(locks, "reader"), 0)

    def test_every_format(self):
        home = scratch("formats")
        for ending in (".svg", ".speedscope.json", ".pb.gz"):
            run([CPROBE, "flame", "--kind", "offcpu", "-o", home / f"flame{ending}", self.data])
            self.assertGreater((home / f"flame{ending}").stat().st_size, 500)


class Idle(unittest.TestCase):
    def test_waits_in_an_epoll_set(self):
        with subprocess.Popen([PYTHON, "-c", EPOLL], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as program:
            with Attached(program.pid) as attached:
                took = int(program.communicate("x\n", timeout=30)[0])
                self.assertEqual(attached.wait(20), 0, attached.output())
        waits = [folded(attached.directory, kind, *options) for kind, *options in (["blocked"], ["blocked", "--idle"], ["offcpu"])]
        blocked, idle, offcpu = (total(lines, function="epoll_wait") for lines in waits)
        self.assertEqual(blocked, 0)
        for microseconds in idle, offcpu:
            self.assertTrue(340e3 <= microseconds <= took * 1.02, (microseconds, took))
        self.assertTrue(all("[idle]" in frames for _, frames, _ in waits[1] if any("epoll_wait" in frame for frame in frames)))


class BothSides(unittest.TestCase):
    def test_waits_are_counted_once(self):
        home = scratch("both")
        took = int(run([CPROBE, "run", "--bpf=on", "-o", home, "--", PYTHON, "-c", SLEEP]))
        for kind in ("blocked", "offcpu"):
            with self.subTest(kind):
                microseconds = total(folded(home, kind), function="clock_nanosleep")
                self.assertTrue(340e3 <= microseconds <= took * 1.02, (microseconds, took))
        sleeps = {kind: [frames for _, frames, _ in folded(home, kind) if any("clock_nanosleep" in frame for frame in frames)]
                  for kind in ("blocked", "offcpu")}
        self.assertFalse(any(frame.endswith("_[k]") for frames in sleeps["blocked"] for frame in frames))
        self.assertTrue(any("hrtimer_nanosleep_[k]" in frames for frames in sleeps["offcpu"]))
        self.assertTrue(all(any(frame.startswith("<module>") for frame in frames) for frames in sleeps["offcpu"]), sleeps)


if __name__ == "__main__":
    require_kernel()
    unittest.main()
