#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What a trace keeps: after kill -9, in little room, and of samples."""

import random
import signal
import subprocess
import time
import unittest

from lib.process import BUILD
from lib.recording import preload
from lib.recorded import Trace, is_trace, record, scratch

PROGRAM = BUILD / "tests/programs/busy"
KILLS = 100


class Loss(unittest.TestCase):
    def kill_one(self, directory, delay, **settings):
        """The trace of a process that was killed after so many seconds, or None where it had not come so far."""
        child = subprocess.Popen([str(PROGRAM), "forever"], env=preload(directory, **settings))
        time.sleep(delay)
        child.send_signal(signal.SIGKILL)
        child.wait()
        paths = list(directory.glob("*.trace")) if directory.exists() else []
        return paths[0] if paths else None

    def test_kill(self):
        seed = random.randrange(1 << 32)
        chance = random.Random(seed)
        opened = 0
        for i in range(KILLS):
            path = self.kill_one(scratch("killed") / "data", chance.uniform(0.003, 0.05),
                                 CPROBE_SAMPLE="1us", CPROBE_MAX_SIZE=chance.choice(["1M", "2M", "64M"]))
            if path is None or not is_trace(path):
                continue  # killed before it was a trace
            try:
                trace = Trace(path, events=i % 10 == 0)
            except AssertionError as error:
                if "before recording had begun" in str(error):
                    continue
                raise
            opened += 1
            with self.subTest(seed=seed, kill=i, path=path):
                self.assertEqual([trace.state, trace.message], ["recording", ""])
                # A thread is between a call and its counter: at most one wait of each of four threads is not paired.
                self.assertLessEqual(abs(trace.count("write") - trace.count("read")), 4)
                self.assertFalse([e for e in trace.waits() if not 0 <= e["duration_ns"] < 10**9])
            path.unlink()
        self.assertGreater(opened, KILLS / 2)

    def test_little_room(self):
        recorded = record(PROGRAM, "load", env={"CPROBE_MAX_SIZE": "1M", "CPROBE_SAMPLE": "2us"})
        self.assertEqual(recorded.status, 0)
        trace = recorded.trace()
        self.assertEqual([trace.state, trace.message, trace.lost["ring_full"]], ["finished", "", 0])
        self.assertGreater(trace.lost["overwritten"], 1000)
        self.assertLessEqual(trace.path.stat().st_size, 1 << 20)
        words = dict(line.split() for line in recorded.out.splitlines())
        self.assertEqual([trace.count("read"), trace.count("write")], [int(words["read"]), int(words["write"])])
        self.assertIn(("inet", words["connect"]), trace.endpoints().values())
        self.assertEqual(len([e for e in trace.events if e["type"] == "thread" and e["name"] == "worker"]), 8)
        modules = {e["path"] for e in trace.events if e["type"] == "module"}
        self.assertIn(str(PROGRAM), modules)

    def test_samples_are_unbiased(self):
        recorded = record(PROGRAM, "sleeps", timeout=120)
        trace = recorded.trace()
        self.assertEqual([trace.count("usleep"), trace.lost["overwritten"]], [200000, 0])
        waits = trace.waits("usleep")
        self.assertLess(len(waits), 100000, "not all are recorded")
        estimate = sum(e["weight"] * e["duration_ns"] for e in waits)
        self.assertAlmostEqual(estimate / trace.total("usleep"), 1, delta=0.03)
        self.assertAlmostEqual(sum(e["weight"] for e in waits) / 200000, 1, delta=0.06)


if __name__ == "__main__":
    unittest.main()
