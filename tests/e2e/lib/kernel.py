# SPDX-License-Identifier: GPL-2.0-or-later
"""Recording through the kernel: `cprobe record` on running processes, where the machine permits."""

import os
import re
import subprocess
import sys

from lib.process import CPROBE, Process, run, scratch


def require_kernel():
    """Ends the test as skipped where nothing can be recorded through the kernel; with CPROBE_REQUIRE_BPF=1 that is a failure."""
    tried = subprocess.run([CPROBE, "record", "-p", str(os.getpid()), "-d", "0.1", "-o", scratch("try")],
                           capture_output=True, text=True, check=False)
    if tried.returncode == 0:
        return
    print(tried.stderr)
    sys.exit(1 if os.environ.get("CPROBE_REQUIRE_BPF") == "1" else 77)


class Attached(Process):
    """cprobe record -p PID, until the process has ended or stop() is called; then its traces are in `directory`."""

    def __init__(self, pid, *options):
        self.directory = scratch("attached")
        super().__init__([CPROBE, "record", "-p", pid, "-o", self.directory, *options], name="record")
        self.until(lambda: "recording" in self.output())

    def events(self, kind):
        return trace_events(self.directory, kind)

    def names(self):
        """The functions that the traces name so far."""
        return {event["name"].strip('"') for event in self.events("symbol")}


NO_STACK = 0x10  # OFFCPU_FLAG_NO_STACK of src/trace/format.h


def with_stacks(waits):
    """Those whose end the programs saw. On some machines the kernel runs no program for a few switches: such waits are counted, but
    have neither stack nor waker (bpf/waits.bpf.h). They must stay few."""
    seen = [wait for wait in waits if not int(wait["flags"]) & NO_STACK]
    assert len(waits) - len(seen) <= max(3, len(waits) // 10), f"{len(waits) - len(seen)} of {len(waits)} waits without a stack"
    return seen


def trace_events(directory, kind, pattern="*.trace"):
    """Every event of this kind as a dictionary of texts. Those with a stack also have "stack_flags", and "native" and "python":
    its frames as cprobe dump has them, innermost first."""
    found, event = [], None
    for trace in sorted(directory.glob(pattern)):
        for line in run([CPROBE, "dump", "--stacks", trace]).splitlines():
            match = re.match(r"(\d+) (\w+) (.*)", line)
            if match:
                event = None
                if match[2] == kind:
                    event = dict(re.findall(r"(\w+)=(\"[^\"]*\"|\S+)", match[3]))
                    event["time"] = match[1]
                    found.append(event)
            elif event is not None:
                stack_line_take(event, line.split())
    return found


def stack_line_take(event, words):
    if words[0].startswith("flags="):
        event.update(stack_flags=int(words[0].split("=")[1]), native=[], python=[])
    elif words[0] == "native":
        event["native"].append(" ".join(words[1:]))
    elif words[0] == "python":
        event["python"].append(re.sub(r"code=\d+ ", "", " ".join(words[1:])))
