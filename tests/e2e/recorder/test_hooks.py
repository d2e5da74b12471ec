#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Every row of hooks.def: the recorder counts exactly what the hooks_*.c programs expect, and changes no result."""

import re
import unittest

from lib.process import BUILD, ROOT, SHIM, run
from lib.recorded import bare, record

OFFERED = {"cprobe_watch_region", "cprobe_unwatch_region"}  # interpose nothing: src/capture/cprobe.h
PROGRAMS = sorted((ROOT / "tests/programs").glob("hooks_*.c"))


def rows():
    """(name, version or None, symbol, call) of each row."""
    text = re.sub(r"/\*.*?\*/", "", (ROOT / "src/capture/hooks.def").read_text(), flags=re.S)
    found = re.findall(r'HOOK\([^,]*,\s*(\w+),\s*\(.*?\),\s*(NULL|"[^"]*"),\s*"(\w+)",\s*(\w+)\)', text, flags=re.S)
    assert len(found) == text.count("HOOK("), "a row of hooks.def was not understood"
    return [(name, None if version == "NULL" else version.strip('"'), symbol, call) for name, version, symbol, call in found]


def cases(out):
    """{thread name: (hook, {call: (count, failed, at least ms, kind)})}"""
    result = {}
    for thread, hook, expected in re.findall(r"^case (\w+) (\w+): ?(.*)$", out, flags=re.M):
        result[thread] = hook, {words[0]: (int(words[1]), int(words[2]), int(words[3]), words[4])
                                for words in (part.split() for part in expected.split("; ") if part)}
    return result


class Hooks(unittest.TestCase):
    def check_counters(self, trace, thread, hook, expected):
        found = trace.thread(thread)
        counters = [c for c in found.counters if c["call"] != "hold"] if found else []
        kinds = {number: kind for number, (kind, _) in trace.endpoints().items()}
        self.assertEqual({c["call"] for c in counters}, set(expected), f"{hook}: {counters}")
        for call, (count, failed, least, kind) in expected.items():
            self.assertEqual(found.count(call), count, f"{hook}: waits in {call}: {counters}")
            self.assertEqual(sum(c["failed"] for c in counters if c["call"] == call), failed, f"{hook}: failed {call}")
            self.assertGreaterEqual(found.total(call), least * 1000000, f"{hook}: ns in {call}")
            if kind != "none":
                self.assertIn(kind, [kinds.get(c["endpoint"]) for c in counters if c["call"] == call], f"{hook}: {counters}")
            else:
                self.assertEqual({c["endpoint"] for c in counters if c["call"] == call}, {0}, hook)

    def check_program(self, name):
        program = BUILD / "tests/programs" / name
        expected, recorded = bare(program), record(program)
        self.assertEqual((recorded.status, recorded.err), (0, ""))
        self.assertEqual(recorded.out, expected.out)
        trace = max(recorded.traces(), key=lambda t: len(t.threads))
        self.assertEqual([trace.state, trace.message, trace.lost["nested"]], ["finished", "", 0])
        for thread, (hook, counted) in cases(recorded.out).items():
            with self.subTest(hook=hook):
                self.check_counters(trace, thread, hook, counted)

    def test_every_row_has_a_case(self):
        tested = set()
        for source in PROGRAMS:
            tested |= {hook for hook, _ in cases(bare(BUILD / "tests/programs" / source.stem).out).values()}
        self.assertEqual(sorted({name for name, *_ in rows()} - tested), [])
        self.assertEqual(sorted(tested - {name for name, *_ in rows()}), [], "cases without a row")

    def test_exports_are_the_rows(self):
        exported = set()
        for line in run(["nm", "-D", "--defined-only", SHIM]).splitlines():
            kind, name = line.split()[1:3]
            if kind != "A":
                exported.add(name)
        wanted = set(OFFERED)
        for _, version, symbol, _ in rows():
            versions = [v for _, v, s, _ in rows() if s == symbol and v]
            default = max(versions, key=lambda v: [int(n) for n in v[6:].split(".")]) if versions else None
            wanted.add(symbol if not version else symbol + ("@@" if version == default else "@") + version)
        self.assertEqual(sorted(exported), sorted(wanted))


def add_program(name):
    setattr(Hooks, f"test_{name}", lambda self: self.check_program(name))


for each in PROGRAMS:
    add_program(each.stem)

if __name__ == "__main__":
    unittest.main()
