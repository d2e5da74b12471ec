#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A program that is attached to in the middle of its work, twice, and left again as it was."""

import json
import os
import pathlib
import signal
import subprocess
import time
import unittest

from lib.kernel import Attached, require_kernel
from lib.process import PYTHON, run, scratch

# Works without an end, on two threads, in files of its own.
PROGRAM = """
import os, threading, time
def work(name):
    turn = 0
    while True:
        with open(name, "w") as file:
            file.write(str(turn))
        turn += 1
        time.sleep(0.003)
threading.Thread(target=work, args=("two",), daemon=True).start()
work("one")
"""
NAMES = {"prog": {"sched_switch", "sched_waking", "each_thread", "sched_process_f", "sched_process_e"},
         "map": {"threads", "seeds", "totals", "records", "interrupts", "works", "interpreters", "python_threads"}}


def in_kernel(kind, owner):
    """Ids of what has a name of ours and belongs to the process `owner`, or to none."""
    return {thing["id"] for thing in json.loads(run(["/usr/sbin/bpftool", kind, "show", "-j"]))
            if thing.get("name") in NAMES[kind]
            and owner in {process["pid"] for process in thing.get("pids", [{"pid": owner}])}}


def links(programs):
    return {link["id"] for link in json.loads(run(["/usr/sbin/bpftool", "link", "show", "-j"])) if link.get("prog_id") in programs}


def state_of(pid, home):
    """What the process has and is, without what its own work changes."""
    proc = pathlib.Path(f"/proc/{pid}")
    status = dict(line.split(":", 1) for line in (proc / "status").read_text().splitlines())
    return {"files": sorted(os.listdir(home)), "threads": sorted(os.listdir(proc / "task")), "tracer": status["TracerPid"].strip(),
            "pending": status["ShdPnd"].strip(), "handled": status["SigCgt"].strip(),
            "code": [line.split(None, 5)[-1] for line in (proc / "maps").read_text().splitlines() if " r-xp " in line],
            "locks": [link for link in map(os.readlink, (proc / "fd").glob("[012]"))]}


class Detach(unittest.TestCase):
    def assert_works(self, home):
        before = (home / "one").stat().st_mtime_ns, (home / "two").stat().st_mtime_ns
        deadline = time.monotonic() + 20
        while any(then == (home / name).stat().st_mtime_ns for then, name in zip(before, ("one", "two"))):
            self.assertLess(time.monotonic(), deadline, "it does not go on")
            time.sleep(0.02)

    def assert_nothing_in_kernel(self, before, owner):
        """The kernel frees programs a moment after their last user has gone, and their maps when nobody can be running them any
        more: on a machine with many threads that can run, half a minute later."""
        deadline = time.monotonic() + 70
        while True:
            left = {kind: in_kernel(kind, owner) - before[kind] for kind in before}
            if not any(left.values()):
                return
            self.assertLess(time.monotonic(), deadline, left)
            time.sleep(0.1)

    def record(self, pid, ends_by):
        with Attached(pid) as attached:
            owner = attached.child.pid
            programs, maps = in_kernel("prog", owner), in_kernel("map", owner)
            self.assertTrue(programs and maps and links(programs), "what is looked for is there while it records")
            time.sleep(0.5)
            attached.child.send_signal(ends_by)
            attached.wait(20)
        return attached, owner, programs

    def test_leaves_no_trace(self):
        home = scratch("home")
        with subprocess.Popen([PYTHON, "-c", PROGRAM], cwd=home) as program:
            try:
                while not ((home / "one").exists() and (home / "two").exists()):
                    time.sleep(0.02)
                before = {kind: in_kernel(kind, 0) for kind in NAMES}
                state = state_of(program.pid, home)
                for ends_by in signal.SIGINT, signal.SIGKILL:  # a recorder that is killed leaves as little
                    with self.subTest(ends_by):
                        attached, owner, programs = self.record(program.pid, ends_by)
                        sleeps = [wait for wait in attached.events("offcpu") if wait["syscall"].endswith(":clock_nanosleep")]
                        self.assertGreater(len({wait["tid"] for wait in sleeps}), 1)
                        self.assert_works(home)
                        self.assertEqual(state_of(program.pid, home), state)
                        self.assert_nothing_in_kernel(before, owner)
                        self.assertEqual(links(programs), set())
            finally:
                program.kill()


if __name__ == "__main__":
    require_kernel()
    unittest.main()
