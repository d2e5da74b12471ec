#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""cprobe top: of a directory and of a process, once and live on a terminal."""

import os
import pty
import select
import subprocess
import time

from lib.case import Case, main
from lib.process import BUILD, CPROBE, PROGRAMS, PYTHON, scratch
from lib.recording import Recording

PATTERNS = BUILD / "tests" / "programs" / "locks_patterns"
SECONDS = 60  # for what is bound to come


def top(*arguments):
    return subprocess.run([CPROBE, "top", *map(str, arguments)], capture_output=True, text=True, check=False)


class Terminal:
    """cprobe top on a terminal of its own."""

    def __init__(self, *arguments):
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            os.environ.update(TERM="xterm", LINES="40", COLUMNS="100", LC_ALL="C.UTF-8")
            os.execv(CPROBE, ["cprobe", "top", *map(str, arguments)])
        self.shown = ""

    def until(self, text):
        end = time.monotonic() + SECONDS
        while text not in self.shown and time.monotonic() < end:
            if select.select([self.terminal], [], [], 0.1)[0]:
                try:
                    self.shown += os.read(self.terminal, 65536).decode(errors="replace")
                except OSError:  # EIO: it has ended
                    break
        assert text in self.shown, (text, self.shown)

    def end(self):
        os.write(self.terminal, b"q")
        status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        os.close(self.terminal)
        return status


class Top(Case):
    def test_deadlock_of_a_process(self):
        with Recording([PATTERNS, "hang"]) as recording:
            recording.process.until(lambda: "hanging" in recording.process.output())
            end, said = time.monotonic() + SECONDS, ""
            while "Deadlock: 2 threads" not in said and time.monotonic() < end:
                done = top("--once", recording.process.pid)
                self.assertEqual(done.returncode, 0, done.stderr)
                said = done.stdout
            self.assertRegex(said, r"(?m)^ ERROR +Deadlock: 2 threads wait for each other's locks: lock_[ab] and lock_[ab]$")
            self.assertIn("1 of 1 processes running", said)

    def test_live(self):
        with Recording([PYTHON, PROGRAMS / "flame_waits.py"]) as recording:
            self.assertEqual(recording.process.wait(), 0)
        terminal = Terminal("-d", "0.2", recording.directory)
        terminal.until("nap (flame_waits.py:")
        terminal.until("the last ")
        self.assertEqual(terminal.end(), 0)

    def test_once(self):
        with Recording([BUILD / "tests" / "programs" / "locks_convoy", "guilty"]) as recording:
            self.assertEqual(recording.process.wait(), 0)
        done = top(recording.directory)  # no terminal
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("ledger_lock", done.stdout)
        self.assertIn("[mutex ledger_lock]", done.stdout)
        self.assertLessEqual(max(map(len, done.stdout.splitlines())), 100)

    def test_nothing_to_see(self):
        for arguments, status in (["--delay", "0"], 2), ([scratch("empty")], 3), (["--once", os.getpid()], 3), (["a", "b"], 3):
            done = top(*arguments)
            self.assertEqual((done.returncode, done.stdout), (status, ""), arguments)
            self.assertTrue(done.stderr.startswith("cprobe: "), done.stderr)
        self.assertIn("is not being recorded", top(os.getpid()).stderr)


if __name__ == "__main__":
    main()
