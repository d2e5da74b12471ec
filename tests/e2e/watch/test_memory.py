#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Which memory is watched: blocks by who allocates them, variables by name, regions that the program names; and with whose malloc."""

import pathlib
import shutil
import unittest

from lib.process import BUILD, ROOT, SHIM, run, scratch
from lib.recorded import bare, record

PROGRAMS = BUILD / "tests/programs"
LRU = PROGRAMS / "watch_lru"
LIBRARIES = pathlib.Path("/usr/lib/x86_64-linux-gnu")
ALLOCATORS = ("libjemalloc.so.2", "libtcmalloc_minimal.so.4", "libmimalloc.so.2")
BLOCK, GLOBAL, REGION = 1, 2, 3
CACHE, NODE = 8240, 48  # bytes: watch_lru.c


def watched(trace, kind):
    return [event for event in trace.events if event["type"] == "watched" and event["kind"] == kind]


class Memory(unittest.TestCase):
    def record(self, *argv, **env):
        recorded = record(*argv, env=env)
        self.assertEqual((recorded.status, recorded.err), (0, ""))
        return recorded

    def sizes(self, trace):
        return sorted({block["size"] for block in watched(trace, BLOCK)})

    def names(self, trace):
        return sorted(variable["name"] for variable in watched(trace, GLOBAL))

    def test_by_default(self):
        recorded = self.record(LRU, 4, 5000, "locked")
        self.assertEqual(recorded.out, "done\n")
        trace = recorded.trace()
        self.assertEqual(self.sizes(trace), [NODE, CACHE])
        self.assertEqual(self.names(trace), ["cache", "cache_limit"])
        self.assertTrue(all(block["stack"] and block["site"] and block["tid"] for block in watched(trace, BLOCK)))
        self.assertEqual([variable["size"] for variable in watched(trace, GLOBAL)], [8, 8])

    def test_by_setting(self):
        for setting, sizes, names in (("off", [], []), ("global:total", [], ["total"]), ("*_create", [CACHE], []),
                                      ("*cache*,!cache_put", [], ["cache", "cache_limit"])):
            with self.subTest(setting=setting):
                trace = self.record(LRU, 2, 2000, CPROBE_WATCH=setting).trace()
                self.assertEqual((self.sizes(trace), self.names(trace)), (sizes, names))

    def test_everything(self):
        trace = self.record(LRU, 2, 20000, CPROBE_WATCH="*").trace()
        self.assertLessEqual({NODE, CACHE}, set(self.sizes(trace)))
        self.assertLessEqual({"cache", "cache_limit", "total", "rounds"}, set(self.names(trace)))

    def test_templates(self):
        trace = self.record(PROGRAMS / "watch_templates").trace()
        self.assertIn(56, self.sizes(trace))
        self.assertNotIn(64, self.sizes(trace))
        self.assertEqual(self.names(trace), ["_ZL8theCache"])

    def test_stripped(self):
        """Nothing has a name any more, but what it exports."""
        program = scratch("stripped") / "watch_lru"
        shutil.copy(LRU, program)
        run(["strip", program])
        trace = self.record(program, 2, 2000).trace()
        self.assertEqual((self.sizes(trace), self.names(trace)), ([], []))

    def test_forked(self):
        first, second = sorted(self.record(LRU, 2, 5000, "forked").traces(), key=lambda trace: trace.process["pid"])
        self.assertEqual(self.sizes(first), [CACHE])
        self.assertEqual(self.sizes(second), [NODE])
        self.assertTrue(all(block["stack"] for block in watched(second, BLOCK)))

    def lifecycles(self, mode, threads=4, rounds=400000):
        trace = self.record(LRU, threads, rounds, mode).trace()
        return [event for event in trace.events if event["type"] == "lifecycle"]

    def test_no_life_cycle_conflicts(self):
        for mode in ("locked", "outside", "exchanged", "piped"):
            with self.subTest(mode=mode):
                self.assertEqual(self.lifecycles(mode, rounds=400000 if mode != "piped" else 20000), [])

    def test_other_allocators(self):
        """Behind the recorder its blocks are seen; before it they are not, and nothing is disturbed."""
        for name in ALLOCATORS:
            library = LIBRARIES / name
            if not library.exists():
                continue
            for order, sizes in ((f"{SHIM}:{library}", [NODE, CACHE]), (f"{library}:{SHIM}", [])):
                with self.subTest(order=order):
                    recorded = self.record(LRU, 4, 20000, LD_PRELOAD=order)
                    self.assertEqual((recorded.out, self.sizes(recorded.trace())), ("done\n", sizes))
                    recorded = self.record(LRU, 4, 20000, LD_PRELOAD=order, CPROBE_WATCH="*")
                    self.assertEqual(recorded.out, "done\n")
                    notes = [note["text"] for note in recorded.trace().notes()]
                    self.assertEqual(any("malloc of its own" in note for note in notes), not sizes)

    def test_early_allocations(self):
        """A malloc of another library that calls hooks itself, before the recorder's constructor."""
        for order in (f"{SHIM}:{PROGRAMS}/edges.so", f"{PROGRAMS}/edges.so:{SHIM}"):
            with self.subTest(order=order):
                self.assertEqual(self.record(LRU, 2, 2000, LD_PRELOAD=order).out, "done\n")

    def test_allocations_while_the_real_malloc_is_asked_for(self):
        recorded = self.record(LRU, 2, 2000, LD_PRELOAD=f"{SHIM}:{PROGRAMS}/dlsym_allocates.so")
        self.assertEqual((recorded.out, self.sizes(recorded.trace())), ("done\n", [NODE, CACHE]))

    def test_regions(self):
        program = PROGRAMS / "watch_regions"
        expected = {"table": 0, "block": 0, "again": 0, "no name": 0, "unwatch": 0, "unwatch again": -1, "unwatch freed": -1, "thread": 0}

        def results(out):
            return {name: int(value) for name, value in (line.rsplit(" ", 1) for line in out.splitlines()) if name in expected}

        recorded = self.record(program)
        self.assertEqual(results(recorded.out), expected)
        regions = watched(recorded.trace(), REGION)
        self.assertLessEqual({"table", "block", "again", "from a thread", ""}, {region["name"] for region in regions})
        self.assertTrue(all(region["stack"] for region in regions))
        absent = dict.fromkeys(expected, -1)
        self.assertEqual(results(bare(program).out), absent)
        self.assertEqual(results(self.record(program, CPROBE_WATCH="off").out), absent)

    def test_header_in_c(self):
        """As strictly as anybody compiles, in the oldest C that it serves."""
        home = scratch("header")
        source = home / "user.c"
        source.write_text("#include <cprobe.h>\nint main(void) { int x; return cprobe_watch(&x, sizeof(x), \"x\") + 1; }\n")
        shutil.copy(ROOT / "src/capture/cprobe.h", home)
        run(["gcc", "-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-O2", "-I", home, "-o", home / "user", source])
        self.assertEqual(bare(home / "user").status, 0)
        self.assertEqual(record(home / "user").status, 1)


if __name__ == "__main__":
    unittest.main()
