#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A sleep with the GIL held stops every Python thread; the same call with the GIL released does not."""

from lib.case import Case, main
from lib.process import PROGRAMS, PYTHON
from lib.recording import Recording

PROGRAM = "gil_held.py"


class Gil(Case):
    def record(self, call):
        with Recording([PYTHON, PROGRAMS / PROGRAM], CALL=call) as recording:
            self.assertEqual(recording.process.wait(), 0, recording.process.output())
            return recording.report(), recording.truth()

    def test_pydll_holds(self):
        report, truth = self.record("pydll")
        found = self.find(report, "gil-held-io", function="pause")
        self.assert_place(found[0], PROGRAM, "pause")
        self.assert_total(found, truth)

    def test_cdll_releases(self):
        report, _ = self.record("cdll")
        self.assert_clean(report)


if __name__ == "__main__":
    main()
