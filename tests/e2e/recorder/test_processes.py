#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""fork, vfork, exec and daemons: a trace a process, and nobody writes into another's."""

import subprocess
import time
import unittest

from lib.process import BUILD, SHIM
from lib.recorded import Trace, bare, record, scratch

PROGRAMS = BUILD / "tests/programs"
CLOSING = "cprobe: recorded into "
EXEC = 3  # TRACE_REASON_EXEC


class Processes(unittest.TestCase):
    def record(self, *argv, **how):
        recorded = record(PROGRAMS / argv[0], *argv[1:], **how)
        self.assertEqual(recorded.status, 0, recorded.err)
        return recorded

    def assert_finished(self, traces):
        for trace in traces:
            self.assertEqual([trace.state, trace.message, trace.lost["ring_full"]], ["finished", "", 0], trace.path)

    def split(self, traces):
        """The parent's trace and the children's."""
        pids = {trace.process["pid"] for trace in traces}
        parents = [trace for trace in traces if trace.process["ppid"] not in pids]
        self.assertEqual(len(parents), 1)
        return parents[0], [trace for trace in traces if trace is not parents[0]]

    def test_fork(self):
        parent, children = self.split(self.record("forks", "tree").traces())
        self.assert_finished([parent, *children])
        self.assertEqual(parent.count("usleep"), 3)
        self.assertEqual([child.count("usleep") for child in children], [2, 2])
        self.assertEqual(sorted(e["child"] for e in parent.events if e["type"] == "fork"),
                         sorted(child.process["pid"] for child in children))
        self.assertEqual(sorted(child.header["exit_status"] for child in children), [0, 1])

    def test_fork_under_load(self):
        parent, children = self.split(self.record("forks", "load").traces())
        self.assert_finished([parent, *children])
        self.assertEqual([child.count("usleep") for child in children], 200 * [1])
        self.assertEqual([len(child.threads) for child in children], 200 * [1])
        self.assertEqual(parent.count("fork"), 200)
        self.assertEqual(parent.count("read"), parent.count("write"))

    def test_fork_by_system_call(self):
        parent, children = self.split(self.record("forks", "raw").traces())
        self.assert_finished([parent, *children])
        self.assertEqual(parent.count("usleep"), 2)
        self.assertEqual([child.count("usleep") for child in children], [2])

    def test_vfork(self):
        parent, children = self.split(self.record("forks", "vfork").traces())
        self.assert_finished([parent, *children])
        self.assertEqual(len(children), 10, "those that called exec")
        self.assertEqual(parent.count("waitpid"), 500)
        self.assertEqual([parent.count("read"), parent.count("close")], [0, 0])
        received = [c for thread in parent.threads for c in thread.counters if c["call"] == "recv"]
        self.assertEqual([(c["count"], c["flags"]) for c in received], [(1, 64)])  # WAIT_SERVER_SIDE

    def test_daemon(self):
        home = scratch("daemon")
        errors = home / "errors"
        recorded = self.record("forks", "daemon", errors, cwd=home, directory=home / "data",
                               env={"CPROBE_DIR": "data", "CPROBE_QUIET": None})
        self.assertEqual(recorded.err.count(CLOSING), 1, recorded.err)
        self.assertIn(str(home / "data"), recorded.err)
        end = time.monotonic() + 20
        found = []
        while not found or found[0].state != "finished":
            self.assertLess(time.monotonic(), end, "the daemon's trace does not come")
            time.sleep(0.05)
            found = [t for t in recorded.traces() if any(thread["name"] == "daemon" for thread in t.threads)]
        self.assertEqual(found[0].thread("daemon").count("usleep"), 4)
        self.assertEqual(errors.read_text(), "")

    def check_exec(self, mode):
        recorded = self.record("execs", mode, env={"CPROBE_QUIET": None})
        self.assertEqual(recorded.err.count(CLOSING), 1, recorded.err)
        traces = sorted(recorded.traces(), key=lambda trace: trace.process["exec"])
        self.assert_finished(traces)
        return traces

    def test_exec(self):
        for mode in ("same", "thread"):
            with self.subTest(mode=mode):
                first, last = self.check_exec(mode)
                self.assertEqual([first.count("usleep"), last.count("usleep")], [1, 5])
                self.assertEqual([first.header["reason"], last.header["reason"]], [EXEC, 0])
                self.assertEqual(first.process["pid"], last.process["pid"])
                self.assertLess(first.path.stat().st_size, 2 << 20, "the first is cut to size")

    def test_exec_with_another_environment(self):
        recorded = self.record("execs", "clean", env={"CPROBE_QUIET": None})
        trace = recorded.trace()
        self.assertEqual([trace.state, trace.header["reason"], trace.count("usleep")], ["finished", EXEC, 1])

    def test_exec_that_fails(self):
        trace, = self.check_exec("fails")
        self.assertEqual([trace.header["reason"], trace.count("usleep")], [0, 3])

    def test_shells(self):
        script = "sleep 0.01; (sleep 0.01) | cat; x=$(/bin/echo a b); printf '%s\\n' \"$x\""
        recorded = record("/bin/sh", "-c", script, env={"CPROBE_QUIET": None})
        self.assertEqual([recorded.status, recorded.out], [0, "a b\n"])
        self.assertEqual(recorded.err.count(CLOSING), 1, recorded.err)
        self.assert_finished(recorded.traces())
        self.assertEqual(sum(trace.count("clock_nanosleep") + trace.count("nanosleep") for trace in recorded.traces()), 2)

    def test_replaced_standard_error(self):
        home = scratch("stderr")
        program = f"exec 2>{home}/errors; CPROBE_TYPO=1 /bin/true; LD_PRELOAD= /bin/true"
        recorded = record("/bin/sh", "-c", program, env={"CPROBE_QUIET": None})
        self.assertEqual([recorded.status, recorded.err], [0, ""])
        self.assertNotIn(CLOSING, (home / "errors").read_text())

    def test_closed_standard_streams(self):
        for closed in ("2>&-", "0<&- 1>&- 2>&-", "0<&-", "1>&-"):
            with self.subTest(closed=closed):
                directory = scratch("closed") / "data"
                done = subprocess.run(["/bin/sh", "-c", f'exec env LD_PRELOAD="$1" CPROBE_DIR="$2" "$3" tree {closed}', "sh",
                                       SHIM, directory, PROGRAMS / "forks"], stderr=subprocess.PIPE, text=True, check=False)
                self.assertEqual(done.returncode, 0)
                self.assertEqual(done.stderr.count("\n"), 0 if "2>" in closed else 1)
                parent, _ = self.split([Trace(path) for path in directory.glob("*.trace")
                                        if "/forks" in Trace(path).process["exe"]])
                self.assertEqual(parent.count("usleep"), 3)

    def test_same_without_the_recorder(self):
        for mode in ("tree", "raw", "vfork"):
            self.assertEqual(bare(PROGRAMS / "forks", mode).status, 0)


if __name__ == "__main__":
    unittest.main()
