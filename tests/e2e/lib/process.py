# SPDX-License-Identifier: GPL-2.0-or-later
"""Child processes that never outlive the test, their files and ports."""

import ctypes
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[3]
BUILD = pathlib.Path(os.environ.get("BUILD", ROOT / "build"))
PROGRAMS = ROOT / "tests" / "programs"
PYTHON = "/usr/bin/python3"
SHIM = BUILD / "libcprobe.so"
CPROBE = BUILD / "cprobe"

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)

# The runner's time-out is a SIGTERM: leave by an exception, so that clean-ups run.
signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped by SIGTERM"))


def scratch(name):
    """A new empty directory, below the test's own."""
    return pathlib.Path(tempfile.mkdtemp(prefix=f"{name}.", dir=os.environ.get("TEST_TMP")))


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _die_with_parent():
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


class Process:
    """A child in a session of its own, its output in a file. Use with `with`: it is stopped at the end."""

    def __init__(self, argv, env=None, cwd=None, name=None):
        self.argv = [str(argument) for argument in argv]
        self.log = scratch("log") / (name or pathlib.Path(self.argv[0]).name)
        with open(self.log, "wb") as output:
            self.child = subprocess.Popen(self.argv, env={**os.environ, **(env or {})}, cwd=cwd, stdin=subprocess.DEVNULL,
                                          stdout=output, stderr=subprocess.STDOUT, preexec_fn=_die_with_parent,
                                          start_new_session=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    @property
    def pid(self):
        return self.child.pid

    def output(self):
        return self.log.read_text(errors="replace")

    def wait(self, timeout=60):
        return self.child.wait(timeout)

    def stop(self, number=signal.SIGTERM, timeout=20):
        """Ends it by the signal, after the time-out by SIGKILL; what is left of its session too. Returns its exit status."""
        if self.child.poll() is None:
            self.child.send_signal(number)
        try:
            return self.child.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.argv} did not end {timeout} s after signal {number}\n{self.output()}") from None
        finally:
            try:
                os.killpg(self.child.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            self.child.wait(5)

    def until(self, ready, seconds=40):
        """Waits until ready() is true; says what the process printed if it ends or does not come so far."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if ready():
                return
            if self.child.poll() is not None:
                raise AssertionError(f"{self.argv} ended with status {self.child.returncode}\n{self.output()}")
            time.sleep(0.02)
        raise AssertionError(f"{self.argv} was not ready after {seconds} s\n{self.output()}")

    def until_listening(self, port):
        self.until(lambda: is_listening(port))


def is_listening(port):
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def run(argv, timeout=60, check=True, **env):
    """Runs a command to its end and returns what it printed."""
    done = subprocess.run([str(argument) for argument in argv], env={**os.environ, **env}, timeout=timeout,
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if check and done.returncode != 0:
        raise AssertionError(f"{argv} ended with status {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout
