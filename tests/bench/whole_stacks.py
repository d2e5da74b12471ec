# SPDX-License-Identifier: GPL-2.0-or-later
"""How many stacks of waits are whole: cprobe's, and those of bpftrace's ustack on the same servers, at the same time of their work."""

import contextlib
import json
import re
import shutil
import subprocess
import sys

from lib.kernel import Attached
from lib.process import PROGRAMS, PYTHON, Process
from lib.servers import MariaDB, Redis

SECONDS = 3
COMPLETE = 0x01  # STACK_COMPLETE of src/trace/format.h
START = re.compile(r"^(_start|clone3?|__clone3?|start_thread)\b")  # where threads begin
SCRIPT = "tracepoint:sched:sched_switch /pid == %d && args->prev_state != 0/ { @[ustack(perf, 127)] = count(); }"
# It needs tracefs, which need not be mounted: in a mount namespace of its own nobody else sees it.
MOUNT = ("for at in /sys/kernel/debug /sys/kernel/debug/tracing /sys/kernel/tracing; do "
         "[ $at = /sys/kernel/debug ] && type=debugfs || type=tracefs; mount -t $type nodev $at 2>/dev/null; done; exec \"$@\"")


def share(some, of):
    return f"{len(some) / len(of):7.1%}" if of else "      -"


def ours(pid):
    """Stacks of waits in one process: (whole, with Python frames)."""
    with Attached(pid, "-d", str(SECONDS)) as attached:
        attached.wait(SECONDS + 30)
        waits = [wait for wait in attached.events("offcpu") if wait.get("native")]
    return [(bool(wait["stack_flags"] & COMPLETE), bool(wait["python"])) for wait in waits]


def bpftrace(pid):
    """The same of bpftrace: whole is what ends where a thread begins. It knows no Python frames; told is whether the interpreter was
    reached."""
    done = subprocess.run(["unshare", "--mount", "sh", "-c", MOUNT, "sh", "bpftrace", "-f", "json", "-e",
                           SCRIPT % pid + f" interval:s:{SECONDS} {{ exit(); }}"], capture_output=True, text=True, check=False)
    stacks = []
    for line in done.stdout.splitlines():
        event = json.loads(line) if line.startswith("{") else {}
        if event.get("type") != "map":
            continue
        for stack, count in event["data"]["@"].items():
            frames = re.findall(r"^\s*[0-9a-f]+ (\S+)", stack, re.M)
            stacks += [(bool(frames and START.match(frames[-1])), any("_PyEval_EvalFrame" in frame for frame in frames))] * count
    if not stacks:
        sys.exit(f"bench: bpftrace saw nothing: {done.stderr.strip()[:300]}")
    return stacks


@contextlib.contextmanager
def python():
    with Process([PYTHON, PROGRAMS / "python_waits.py"]) as program:
        program.until(lambda: "ready" in program.output())
        yield program


def show(name, tool, stacks):
    whole = [stack for stack in stacks if stack[0]]
    interpreted = [stack for stack in stacks if stack[1]]
    print(f"{name:12} {tool:10} {len(stacks):8} stacks {share(whole, stacks)} whole {share(interpreted, stacks)} "
          f"{'with Python frames' if tool == 'cprobe' else 'reach the interpreter'}", flush=True)


def measure():
    has_bpftrace = shutil.which("bpftrace")
    if not has_bpftrace:
        print("stacks: bpftrace is not installed (Debian's package bpftrace): cprobe's numbers stand alone")
    for name, server in ("python3", python), ("redis", Redis), ("mariadb", MariaDB):
        with server() as program:
            for tool in [ours, bpftrace] if has_bpftrace else [ours]:
                work = None
                if name == "redis":
                    work = subprocess.Popen(["redis-benchmark", "-p", str(program.port), "-q", "-n", "10000000", "-c", "4", "-t", "get"],
                                            stdout=subprocess.DEVNULL)
                try:
                    show(name, "cprobe" if tool is ours else "bpftrace", tool(program.pid))
                finally:
                    if work:
                        work.kill()
                        work.wait()
