#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Connects are recorded with their outcome and the place that made them; names with their addresses."""

import errno

from lib.case import Case, main
from lib.process import PROGRAMS, PYTHON
from lib.recording import Recording
from lib.spoken import CLIENT, Spoken

PENDING, GIVEN_UP = 1, 2  # CONNECT_*

EXPECTED = {"waited": (0, 0), "refused": (errno.ECONNREFUSED, 0), "asked": (0, PENDING),
            "asked-refused": (errno.ECONNREFUSED, PENDING), "again": (0, PENDING), "spoken": (0, PENDING),
            "opened": (0, 0), "opened-refused": (errno.ECONNREFUSED, 0), "given-up": (errno.ETIMEDOUT, PENDING | GIVEN_UP)}


class Connects(Case):
    @classmethod
    def setUpClass(cls):
        with Recording([PYTHON, PROGRAMS / "connects.py"]) as r:
            assert r.process.wait() == 0, r.process.output()
        cls.ports = {name: int(port) for name, port in
                     (line.split() for line in r.process.output().splitlines() if len(line.split()) == 2)}
        cls.spoken = Spoken(r.directory, stacks=True)
        cls.endpoints = {str(e["text"]): e["id"] for e in cls.spoken.events("endpoint") if e["role"] == CLIENT}

    def connects_to(self, text):
        return [c for c in self.spoken.events("connect") if c["endpoint"] == self.endpoints[text]]

    def test_outcomes(self):
        for name, expected in EXPECTED.items():
            with self.subTest(name):
                last = self.connects_to(f"127.0.0.1:{self.ports[name]}")[-1]
                self.assertEqual((last["error"], last["flags"]), expected)
                self.assertTrue(last["stack"])
                self.assertEqual(last["weight"], 1)

    def test_given_up_has_its_cost(self):
        *others, last = self.connects_to(f"127.0.0.1:{self.ports['given-up']}")
        self.assertTrue(all(c["error"] == 0 for c in others))
        self.assertGreaterEqual(last["duration_ns"], 150e6)

    def test_opened(self):
        """Connects that send: what they sent is the beginning of what is said."""
        self.assertEqual(len(self.connects_to(f"127.0.0.1:{self.ports['opened']}")), 2)
        self.assertEqual(self.spoken.counts()["PING"], (2, 0))

    def test_unix(self):
        connect, = self.connects_to("/nowhere/at/all")
        self.assertEqual(connect["error"], errno.ENOENT)

    def test_names(self):
        addresses = {(str(e["name"]), str(e["address"])) for e in self.spoken.events("address")}
        self.assertIn(("localhost", "127.0.0.1"), addresses)
        self.assertNotIn("127.0.0.1", {name for name, _ in addresses})


if __name__ == "__main__":
    main()
