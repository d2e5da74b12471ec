#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""cprobe top: a deadlock while the process hangs, a blocked loop with its rate, by directory and by process; the screen."""

import os
import pty
import select
import subprocess
import time

from lib.case import Case, main
from lib.process import BUILD, CPROBE, free_port
from lib.recording import Recording

PATIENCE = 60  # seconds, for what is bound to come


def top(*arguments, status=0):
    result = subprocess.run([CPROBE, "top", *map(str, arguments)], capture_output=True, text=True, timeout=PATIENCE)
    assert result.returncode == status, (result.returncode, result.stdout, result.stderr)
    return result.stdout if status == 0 else result.stderr


class Screen:
    """cprobe top on a terminal of its own."""

    def __init__(self, *arguments):
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            os.execve(CPROBE, [str(CPROBE), "top", *map(str, arguments)],
                      {**os.environ, "TERM": "xterm", "LINES": "40", "COLUMNS": "100"})

    def until(self, text):
        """What was written until `text` came."""
        seen, end = b"", time.monotonic() + PATIENCE
        while text not in seen and time.monotonic() < end:
            if select.select([self.terminal], [], [], 0.1)[0]:
                try:
                    seen += os.read(self.terminal, 65536)
                except OSError:  # EIO: it has ended
                    break
        assert text in seen, (text, seen)
        return seen

    def press(self, keys):
        os.write(self.terminal, keys)

    def status(self):
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            if select.select([self.terminal], [], [], 0.1)[0]:
                try:
                    os.read(self.terminal, 65536)
                except OSError:
                    break
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


class Top(Case):
    def test_deadlock_while_it_hangs(self):
        with Recording([BUILD / "tests/programs/locks_patterns", "hang"]) as recording:
            end = time.monotonic() + PATIENCE
            while "hanging" not in recording.process.output() and time.monotonic() < end:
                time.sleep(0.05)
            text = top("--once", "-i", 0.5, recording.process.child.pid)
            self.assertIn("1 process recording", text)
            self.assertIn("ERROR lock-order-inversion: Deadlock", text)

    def test_loop_that_is_blocked_now(self):
        port = free_port()
        with Recording([BUILD / "tests/programs/select_server", "blocking", port]) as recording:
            recording.process.until_listening(port)
            client = subprocess.Popen(["/usr/bin/python3", "-c", f"""
import socket, time
stream = socket.create_connection(("127.0.0.1", {port})).makefile("rwb", buffering=0)
while True:
    stream.write(b"GET\\n"); stream.readline(); time.sleep(0.004); stream.write(b"YES\\n"); stream.readline()
"""])
            try:
                text = ""
                end = time.monotonic() + PATIENCE
                while "non-yielding-io" not in text and time.monotonic() < end:
                    text = top("--once", "-i", 0.5, recording.directory)
                self.assertRegex(text, r"now [0-9.]+/s, [0-9.]+ % of the time; in all ")
                self.assertIn("at confirm ", text)
                screen = Screen("-i", 0.3, recording.directory)
                screen.until(b"non-yielding-io")
                screen.press(b"p")
                screen.until(b"PAUSED")
                screen.press(b"pq")
                self.assertEqual(screen.status(), 0)
            finally:
                client.kill()
                client.wait()
        ended = top(recording.directory)  # says so, and ends
        self.assertIn("0 processes recording, 1 ended; since the recording began", ended)

    def test_what_cannot_be_shown(self):
        self.assertIn("not recorded from inside", top(os.getpid(), status=3))
        self.assertIn("nowhere", top("nowhere", status=3))
        self.assertIn("--interval is a number of seconds", top("--interval", "soon", status=2))


if __name__ == "__main__":
    main()
