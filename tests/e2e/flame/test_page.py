#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The html page in a real browser, from file://; FLAME_SCREENSHOTS=DIR keeps what it looked like."""

import json
import os
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from lib import case
from lib.process import CPROBE, PROGRAMS, PYTHON, run, scratch
from lib.recording import Recording
from node import CHROMIUM, install, node


class Page(case.Case):
    @classmethod
    def setUpClass(cls):
        install()
        if not os.access(CHROMIUM, os.X_OK):
            raise case.unittest.SkipTest("chromium is not installed")
        with Recording([PYTHON, PROGRAMS / "flame_waits.py"]) as recording:
            assert recording.process.wait() == 0, recording.process.output()
        cls.data, cls.home = recording.directory, scratch("flame")
        cls.page = cls.home / "flame.html"
        done = subprocess.run([CPROBE, "flame", "-o", cls.page, cls.data], capture_output=True, text=True, check=False)
        if done.returncode == 3 and "built without the page" in done.stderr:
            raise case.unittest.SkipTest(done.stderr)
        assert done.returncode == 0, done.stderr

    def test_use(self):
        shots = pathlib.Path(os.environ.get("FLAME_SCREENSHOTS", self.home / "screenshots"))
        shots.mkdir(parents=True, exist_ok=True)
        node("page.mjs", CHROMIUM, self.page, shots)
        self.assertGreaterEqual(len(list(shots.glob("*.png"))), 5)

    def test_large(self):
        result = json.loads(node("large.mjs", CHROMIUM, self.page, self.home / "large.html"))
        self.assertLess(result["times"]["load"], 20000, result)
        self.assertLess(max(result["times"][step] for step in ("zoom", "search", "thread", "toggle")), 5000, result)
        self.assertLess(result["boxes"], 20000, result)
        print(result)

    def test_self_contained(self):
        text = self.page.read_text()
        for outside in ('src="', "@import", "url(http"):
            self.assertNotIn(outside, text)

    def test_speedscope_opens_its_file(self):
        file = self.home / "flame.speedscope.json"
        run([CPROBE, "flame", "-o", file, self.data])
        node("speedscope_view.mjs", CHROMIUM, file, self.home, "stall (flame_waits.py:")


if __name__ == "__main__":
    case.main()
