#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A program cannot tell that the methods of its caches are watched: under Debian's python3 and those named in CPROBE_TEST_PYTHONS."""

import json
import os
import unittest

from lib.process import PROGRAMS, PYTHON, scratch
from lib.recorded import bare, record

INTERPRETERS = [PYTHON, *os.environ.get("CPROBE_TEST_PYTHONS", "").split()]


def library():
    """A directory for PYTHONPATH that has Debian's cachetools, which is pure Python, and nothing else."""
    import cachetools  # pylint: disable=import-outside-toplevel
    path = scratch("library")
    os.symlink(os.path.dirname(cachetools.__file__), path / "cachetools")
    return str(path)


class Bracket(unittest.TestCase):
    maxDiff = None

    def test_nothing_is_seen_of_it(self):
        env = {"PYTHONPATH": library(), "PYTHONDONTWRITEBYTECODE": "1"}
        for python in INTERPRETERS:
            with self.subTest(python=python):
                alone = bare(python, PROGRAMS / "watched_methods.py", env=env)
                recorded = record(python, PROGRAMS / "watched_methods.py", env=env)
                self.assertEqual([alone.status, recorded.status, recorded.err], [0, 0, alone.err])
                self.assertEqual(json.loads(recorded.out), json.loads(alone.out))
                methods = {e["name"] for e in recorded.trace().events if e["type"] == "method"}
                self.assertGreaterEqual(methods, {"LruCache.put", "Sub.put", "Slotted.__getitem__", "TTLCache.__setitem__"})
                self.assertEqual(recorded.trace().notes(), [])

    def test_off(self):
        recorded = record(PYTHON, PROGRAMS / "watched_methods.py", env={"CPROBE_WATCH_PY": "off"})
        self.assertEqual(recorded.status, 0, recorded.err)
        self.assertFalse([e for e in recorded.trace().events if e["type"] in ("object", "method", "mutate")])

    def test_a_bad_list_is_said(self):
        recorded = record(PYTHON, "-c", "print(1)", env={"CPROBE_WATCH_PY": "Basket", "CPROBE_QUIET": "0"})
        self.assertEqual((recorded.status, recorded.out), (0, "1\n"))
        self.assertIn("CPROBE_WATCH_PY=Basket is not a list of module:Class[.method,...], or off", recorded.err)


if __name__ == "__main__":
    unittest.main()
