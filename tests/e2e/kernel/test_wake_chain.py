#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Where nobody owns what is waited for, the kernel's wakers lead to the cause."""

from lib.case import Case, main
from lib.kernel import require_kernel
from lib.process import BUILD, CPROBE, Process, run, scratch
from lib.recording import read_report

PROGRAM = BUILD / "tests" / "programs" / "wake_chain"


class WakeChain(Case):
    def record(self, mode):
        directory = self.directory = scratch("run")
        with Process([CPROBE, "run", "--bpf=on", "-o", directory, "--", PROGRAM, mode]) as process:
            self.assertEqual(process.wait(), 0, process.output())
        return self.find(read_report(directory), "non-yielding-io", function="job_run")[0]

    def test_worker_that_waits(self):
        finding = self.record("query")
        self.assertRegex(finding["evidence"]["root_cause"], r"^wake_chain \(\d+\) waits \d.* of that time for .*, in ask_server \(")
        stacks = [stack for stack in finding["stacks"] if stack["role"] == "what the waker waits for"]
        self.assertEqual(len(stacks), 1)
        self.assertIn("worker", [frame["function"] for frame in stacks[0]["frames"]])

    def test_worker_that_waits_for_another(self):
        finding = self.record("chain")
        self.assertRegex(finding["evidence"]["root_cause"],
                         r"^wake_chain \(\d+\) waits for wake_chain \(\d+\), which waits \d.* of that time for .*, in ask_server \(")
        stacks = [stack for stack in finding["stacks"] if stack["role"] == "what the waker waits for"]
        self.assertIn("store", [frame["function"] for frame in stacks[0]["frames"]])
        self.assertRegex(run([CPROBE, "report", self.directory]), r"\n    because  wake_chain \(\d+\) waits for wake_chain ")

    def test_worker_that_computes(self):
        self.assertNotIn("root_cause", self.record("compute")["evidence"])


if __name__ == "__main__":
    require_kernel()
    main()
