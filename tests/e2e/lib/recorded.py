# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs a program with and without the recorder and takes its traces apart: what `cprobe dump` says, as Python values."""

import os
import re
import subprocess

from lib.process import CPROBE, SHIM, run, scratch

_FIELD = re.compile(r'([a-z_]+)=("(?:[^"]*)"|\S+)')

KINDS = ("none", "inet", "inet6", "unix", "file", "pipe", "tty", "eventfd", "timerfd", "name", "process", "waitset",
         "socket", "other", "lock")  # enum endpoint_kind


def _value(text):
    if re.fullmatch(r"-?\d+", text):
        return int(text)
    if re.fullmatch(r"\d+\.\d+(e[+-]?\d+)?|\d+e[+-]?\d+", text):
        return float(text)
    return text.strip('"')


def fields(text):
    return {name: _value(value) for name, value in _FIELD.findall(text)}


class Thread(dict):
    """One thread slot; counters: a list of dicts with call, endpoint, count, total, failed, …"""

    def __init__(self, values):
        super().__init__(values)
        self.counters = []

    def count(self, call):
        return sum(c["count"] for c in self.counters if c["call"] == call)

    def total(self, call):
        return sum(c["total"] for c in self.counters if c["call"] == call)


class Trace:
    def __init__(self, path, stacks=False, events=True):
        self.path, self.threads, self.events = path, [], []
        done = subprocess.run([str(CPROBE), "dump", *(["--stacks"] if stacks else []), str(path)], capture_output=True,
                              encoding="utf-8", errors="replace", timeout=60, check=False)
        self.message = done.stderr
        if done.returncode != 0:
            raise AssertionError(f"{path} cannot be read: {done.stderr}")
        for line in done.stdout.splitlines():
            if events or line.startswith("#"):
                self._take(line)

    def _take(self, line):
        if line.startswith("# process"):
            self.process = fields(line)
        elif line.startswith("# state"):
            self.state = line.split()[2]
            self.header = fields(line)
        elif line.startswith("# lost"):
            self.lost = fields(line)
        elif line.startswith("# thread"):
            self.threads.append(Thread(fields(line)))
        elif line.startswith("#   wanted"):
            self.threads[-1]["wanted"] = fields(line)
        elif line.startswith("#   counter"):
            counter = fields(line)
            counter["call"] = counter["call"].split(":")[1]
            self.threads[-1].counters.append(counter)
        elif line.startswith("  "):
            self.events[-1].setdefault("frames", []).append(line.strip())
        elif not line.startswith("#"):
            words = line.split(None, 2)
            event = {"time": int(words[0]), "type": words[1], **fields(words[2] if len(words) > 2 else "")}
            if "call" in event:
                event["call"] = event["call"].split(":")[1]
            self.events.append(event)

    def thread(self, name):
        found = [t for t in self.threads if t["name"] == name]
        assert len(found) <= 1, f"{len(found)} threads are named {name}"
        return found[0] if found else None

    def waits(self, call=None):
        return [e for e in self.events if e["type"] == "wait" and (call is None or e["call"] == call)]

    def count(self, call):
        return sum(t.count(call) for t in self.threads)

    def total(self, call):
        return sum(t.total(call) for t in self.threads)

    def failed(self, call):
        return sum(c["failed"] for t in self.threads for c in t.counters if c["call"] == call)

    def endpoints(self):
        """{number: (kind, text)}"""
        return {e["id"]: (KINDS[e["kind"]], str(e.get("text", ""))) for e in self.events if e["type"] == "endpoint"}

    def notes(self):
        return [e for e in self.events if e["type"] == "note"]


def is_trace(path):
    """Whether recording had begun when the process was killed."""
    with open(path, "rb") as file:
        return file.read(8) != bytes(8)


class Run:
    """A program that has ended: status, out, err and its traces, oldest first."""

    def __init__(self, done, directory):
        self.status, self.out, self.err, self.directory = done.returncode, done.stdout, done.stderr, directory

    def paths(self):
        found = self.directory.glob("*.trace") if self.directory else []
        return sorted((path for path in found if is_trace(path)), key=lambda p: (p.stat().st_mtime_ns, p.name))

    def traces(self, stacks=False):
        return [Trace(path, stacks) for path in self.paths()]

    def trace(self, stacks=False):
        """The only one."""
        found = self.traces(stacks)
        assert len(found) == 1, f"{len(found)} traces in {self.directory}: {self.err}"
        return found[0]


def _run(argv, env, directory, timeout, **how):
    done = subprocess.run([str(a) for a in argv], env=env, capture_output=True, timeout=timeout, check=False,
                          encoding="utf-8", errors="replace", stdin=how.pop("stdin", subprocess.DEVNULL), **how)
    return Run(done, directory)


def bare(*argv, timeout=60, env=None, **how):
    return _run(argv, {**os.environ, **(env or {})}, None, timeout, **how)


def record(*argv, timeout=60, env=None, directory=None, **how):
    """env beats the usual settings; a value of None removes one."""
    directory = directory or scratch("recorded") / "data"
    settings = {"LD_PRELOAD": str(SHIM), "CPROBE_DIR": str(directory), "CPROBE_QUIET": "1", **(env or {})}
    merged = {name: value for name, value in {**os.environ, **settings}.items() if value is not None}
    return _run(argv, merged, directory, timeout, **how)


__all__ = ["Run", "Trace", "bare", "is_trace", "record", "run", "scratch"]
