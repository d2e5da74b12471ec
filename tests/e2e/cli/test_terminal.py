#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""cprobe on a terminal: Ctrl-C reaches the program once, text is coloured, NO_COLOR is respected."""

import os
import pty
import select
import sys
import time

CPROBE = os.path.join(os.environ["BUILD"], "cprobe")
PROGRAM = """
import signal, sys, time
hits = []
signal.signal(signal.SIGINT, lambda *_: hits.append(1))
print("ready", flush=True)
end = time.monotonic() + 20
while not hits and time.monotonic() < end:
    time.sleep(0.01)
time.sleep(0.3)
sys.exit(10 + len(hits))
"""


def on_terminal(arguments, environment, type_after=None, keys=b""):
    """Runs a command on a terminal of its own; types `keys` once it has printed `type_after`. (status, output)"""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvpe(arguments[0], arguments, {**os.environ, "TERM": "xterm", **environment})
    output, deadline = b"", time.monotonic() + 30
    while time.monotonic() < deadline:
        if select.select([terminal], [], [], 0.1)[0]:
            try:
                output += os.read(terminal, 4096)
            except OSError:  # EIO: the last process has closed the terminal
                break
        if type_after and type_after in output:
            os.write(terminal, keys)
            type_after = None
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), output


def check(condition, text, output):
    if not condition:
        print(f"FAILED: {text}\n{output!r}")
        sys.exit(1)


def main():
    os.chdir(os.environ["TEST_TMP"])
    for name in [n for n in os.environ if n.startswith("CPROBE_") or n == "NO_COLOR"]:
        del os.environ[name]

    status, output = on_terminal([CPROBE, "run", "--", "/usr/bin/python3", "-c", PROGRAM], {}, b"ready", b"\x03")
    check(status == 11, f"exit status {status}, not 11: the program counted its interrupts", output)

    status, output = on_terminal([CPROBE, "report"], {})
    check(status == 0 and b"\x1b[" in output, "no colour on a terminal", output)
    for variables in {"NO_COLOR": "1"}, {"TERM": "dumb"}:
        status, output = on_terminal([CPROBE, "report"], variables)
        check(status == 0 and b"\x1b[" not in output, f"colour in spite of {variables}", output)
    print("passed")


main()
