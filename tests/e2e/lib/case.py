# SPDX-License-Identifier: GPL-2.0-or-later
"""unittest with what cprobe's tests assert: a guilty program's finding, an innocent one's silence."""

import json
import os
import unittest

from lib import load
from lib.process import PROGRAMS, PYTHON, free_port
from lib.recording import Recording

main = unittest.main


def frames_of(finding):
    return finding["stacks"][0]["frames"] if finding["stacks"] else []


def brief(report):
    """The findings, short enough for a failure's message."""
    return json.dumps([{**finding, "stacks": [[f"{f['function']} {f['module']} {f['file']}:{f['line']}" for f in s["frames"]]
                                              for s in finding["stacks"][:1]]} for finding in report["findings"]], indent=1)


class Case(unittest.TestCase):
    maxDiff = None

    def record_server(self, program, path="/", count=400, clients=8, wrk_seconds=0, wrapper=(), **settings):
        """Records tests/programs/<program> on PORT while it answers `count` requests, or wrk's for so long. (report, truth)"""
        port = free_port()
        with Recording([PYTHON, PROGRAMS / program], wrapper=wrapper, PORT=port, **settings) as recording:
            recording.process.until_listening(port)
            if wrk_seconds:
                load.wrk(port, path, wrk_seconds)
            else:
                load.http_requests(port, path, count, clients)
            self.assertEqual(recording.process.stop(), 0, recording.process.output())
            return recording.report(), recording.truth()

    def assert_clean(self, report):
        self.assertEqual(report["findings"], [], brief(report))
        self.assertTrue(report["processes"], "nothing was recorded")

    def find(self, report, rule="non-yielding-io", module=None, function=None, address=None):
        """The findings of a rule, by a module and a function in the stack and the peer's address: at least one, worst first."""
        found = [f for f in report["findings"] if f["rule"] == rule
                 and (module is None or any((frame["module"] or "").startswith(module) for frame in frames_of(f)))
                 and (function is None or any(frame["function"].split(".")[-1] == function for frame in frames_of(f)))
                 and (address is None or (f["peer"] or {}).get("address") == address)]
        self.assertTrue(found, f"no {rule} with {module} {function} {address} in {brief(report)}")
        return sorted(found, key=lambda finding: -finding["total_ns"])

    def assert_place(self, finding, program, function, marker="# blocks"):
        """The stack names the program's own Python function, and the line that carries the marker."""
        file = PROGRAMS / program
        frames = [f for f in frames_of(finding) if f["kind"] == "python" and f["file"] == str(file)
                  and f["function"].split(".")[-1] == function]
        self.assertTrue(frames, f"no frame {function} of {file} in {json.dumps(frames_of(finding), indent=1)}")
        line = file.read_text().splitlines()[frames[0]["line"] - 1]
        self.assertIn(marker, line, f"line {frames[0]['line']} is named")
        self.assertTrue(finding["stacks"][0]["complete"])

    def assert_total(self, findings, truth, tolerance=0.05):
        """The findings' time lies between what the calls slept and what they took in all, the tolerance added.

        A recorded wait ends when the thread runs again, so some of its queueing for a CPU belongs to it and some does not.
        """
        total = sum(finding["total_ns"] for finding in findings)
        least = (truth["wall_ns"] - truth["cpu_ns"] - truth["queued_ns"]) * (1 - tolerance)
        most = truth["wall_ns"] * (1 + tolerance)
        self.assertTrue(least <= total <= most, f"{total / 1e6:.1f} ms are reported, the truth is between "
                                                f"{least / 1e6:.1f} and {most / 1e6:.1f} ms")

    def assert_loop(self, report, finding, *kinds):
        """The finding is about a loop thread, which the table of loops lists with one of these kinds."""
        self.assertTrue(finding["thread"]["loop"])
        loops = [loop for loop in report["loops"] if loop["thread"]["tid"] == finding["thread"]["tid"]]
        self.assertEqual(len(loops), 1, json.dumps(report["loops"], indent=1))
        self.assertIn(loops[0]["kind"], kinds)


def require_root(test):
    return unittest.skipUnless(os.geteuid() == 0, "needs root")(test)
