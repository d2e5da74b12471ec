#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Waits of known number, length, cause and waker, in programs that are not prepared for being recorded."""

import json
import os
import shutil
import signal
import subprocess
import time
import unittest

from lib.kernel import Attached, require_kernel
from lib.process import BUILD, PROGRAMS, PYTHON, Process, run, scratch
from lib.recording import read_report

CAUSES = {"sleeper": "sleep", "reader": "syscall", "locker": "lock"}
UNFINISHED, NO_STACK = 0x01, 0x10
UNSEEN_MAX = 2  # waits whose end no program was run for: they are counted, but have no stack (bpf/waits.bpf.h)
COMPLETE = 0x01


class KnownWaits(unittest.TestCase):
    options = ()

    def record(self):
        with subprocess.Popen([BUILD / "tests/programs/known_waits"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              text=True) as program:
            with Attached(program.pid, *self.options) as attached:
                truth = json.loads(program.communicate("x", timeout=60)[0])
                self.assertEqual(attached.wait(20), 0, attached.output())
                return attached, truth

    def assert_time(self, total, expected):
        """Not less than the waits were long at least. The program's own clock also runs while it queues for a CPU before a wait."""
        self.assertTrue(0.98 * expected["count"] * expected["wait_ns"] <= total <= 1.02 * expected["wall_ns"], (total, expected))

    def test_static_program(self):
        attached, truth = self.record()
        report = read_report(attached.directory)
        waits = attached.events("offcpu")
        self.assertEqual(len(report["processes"]), 1, report["processes"])
        self.assertEqual(report["lost"]["kernel"], 0)
        for name, expected in truth.items():
            with self.subTest(name):
                rows = [row for row in report["syscalls"]
                        if row["thread"]["tid"] == expected["tid"] and row["name"] == expected["call"]]
                self.assertEqual(len(rows), 1, report["syscalls"])
                row = rows[0]
                self.assertEqual((row["count"], row["cause"], row["thread"]["name"]),
                                 (expected["count"], CAUSES[name], name))
                total = row["total_ns"] + row["runqueue_ns"]
                self.assert_time(total, expected)
                self.assert_waits([w for w in waits if w["tid"] == str(expected["tid"])
                                   and w["syscall"].endswith(":" + expected["call"])], name, expected)

    def assert_waits(self, waits, name, expected):
        self.assertEqual(len(waits), expected["count"], "all of them are longer than the sampler's mean")
        total = sum(int(wait["duration_ns"]) + int(wait["runqueue_ns"]) for wait in waits)
        self.assert_time(total, expected)
        unseen = [wait for wait in waits if int(wait["flags"]) & NO_STACK]
        self.assertLessEqual(len(unseen), UNSEEN_MAX, unseen)
        for wait in waits:
            self.assertFalse(int(wait["flags"]) & UNFINISHED, wait)
            self.assertEqual(wait["cause"].split(":")[1], CAUSES[name], wait)
            if wait in unseen:
                continue
            self.assertEqual((int(wait["waker"]), wait["weight"]), (expected["waker"], "1"), wait)
            self.assertTrue(wait["stack_flags"] & COMPLETE, wait)

    def test_nothing_is_left_behind(self):
        before = programs_loaded()
        self.record()
        deadline = time.monotonic() + 60
        while programs_loaded() - before and time.monotonic() < deadline:
            time.sleep(0.1)
        self.assertEqual(programs_loaded() - before, set())


class KnownWaitsOlderKernels(KnownWaits):
    """Stacks taken at the end of system calls, as before Linux 6.18."""

    options = ("--every-sys-exit",)


class KnownWaitsRawTracepoints(KnownWaits):
    """On raw tracepoints, as where the kernel refuses those with types."""

    options = ("--raw-tracepoints",)
    test_nothing_is_left_behind = None  # what ends them is the same


class ManyWaits(unittest.TestCase):
    def record(self):
        with subprocess.Popen([BUILD / "tests/programs/many_waits"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              text=True) as program:
            with Attached(program.pid) as attached:
                truth = [[int(word) for word in line.split()] for line in program.communicate("x", timeout=60)[0].splitlines()]
                self.assertEqual(attached.wait(20), 0, attached.output())
        return attached, truth

    def test_none_is_missed(self):
        attached, truth = self.record()
        counts = {row["thread"]["tid"]: row["count"] for row in read_report(attached.directory)["syscalls"]
                  if row["name"] == "clock_nanosleep"}
        for tid, sleeps, blocked in truth:
            self.assertTrue(min(sleeps, blocked) <= counts[tid] <= max(sleeps, blocked), (tid, counts, truth))

    def test_stacks_are_bounded(self):
        """Eight thousand waits a second are sampled more thinly than asked for, and those that are recorded stand for all."""
        attached, truth = self.record()
        waits = attached.events("offcpu")
        sleeps = [float(wait["weight"]) for wait in waits if wait["syscall"].endswith(":clock_nanosleep")]
        seconds = max((event["time"] - event["begin_ns"]) / 1e9 for event in
                      ({key: int(event[key]) for key in ("time", "begin_ns")} for event in attached.events("sched")))
        self.assertLessEqual(len(waits), 3000 + 2 * 500 * max(2, os.cpu_count()) * seconds)
        self.assertAlmostEqual(sum(sleeps) / sum(blocked for _, _, blocked in truth), 1, delta=0.15)

    def test_time_adds_up(self):
        """On CPU, blocked, queueing and preempted are all the time there is."""
        attached, truth = self.record()
        sched = {int(event["tid"]): {key: int(value) for key, value in event.items()} for event in attached.events("sched")}
        for tid, sleeps, _ in truth:
            event = sched[tid]
            parts = sum(event[key] for key in ("oncpu_ns", "blocked_ns", "runqueue_ns", "preempted_ns"))
            self.assertTrue(0.99 <= parts / (event["time"] - event["begin_ns"]) <= 1.01, event)
            self.assertGreaterEqual(event["blocked_ns"], 0.5 * sleeps * 1e6, event)


class Preempted(unittest.TestCase):
    def test_is_not_waiting(self):
        """Two loops on one CPU: each has it half of the time, and waits for nothing."""
        script = "read go; for i in 1 2; do taskset -c 0 sh -c 'ulimit -t 1; while :; do :; done' & done; wait"
        with subprocess.Popen(["sh", "-c", script], stdin=subprocess.PIPE, text=True) as program:
            with Attached(program.pid) as attached:
                program.communicate("x\n", timeout=30)
                self.assertEqual(attached.wait(20), 0, attached.output())
        loops = [{key: int(value) for key, value in event.items()} for event in attached.events("sched")
                 if int(event["oncpu_ns"]) > 1e8]
        self.assertEqual(len(loops), 2, loops)
        for loop in loops:
            self.assertGreater(loop["preempted_ns"], 0.5 * loop["oncpu_ns"], loop)
            self.assertGreater(loop["preemptions"], 10, loop)
            self.assertLess(loop["blocked_ns"], 0.2 * loop["oncpu_ns"], loop)


class Wakers(unittest.TestCase):
    def test_stack_of_the_waker(self):
        with subprocess.Popen([BUILD / "tests/programs/known_waits"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              text=True) as program:
            with Attached(program.pid) as attached:
                truth = json.loads(program.communicate("x", timeout=60)[0])
                self.assertEqual(attached.wait(20), 0, attached.output())
        wakes = {(wake["wait_tid"], wake["wait_ns"]): wake for wake in attached.events("wake")}
        for name in "reader", "locker":
            waits = [wait for wait in attached.events("offcpu") if wait["tid"] == str(truth[name]["tid"])
                     and wait["syscall"].endswith(":" + truth[name]["call"])]
            found = [wakes[wait["tid"], wait["time"]] for wait in waits if (wait["tid"], wait["time"]) in wakes]
            self.assertGreaterEqual(len(found), truth[name]["count"] - UNSEEN_MAX, (name, len(waits), len(wakes)))
            for wake in found:
                self.assertEqual(int(wake["tid"]), truth[name]["waker"], wake)
                self.assertTrue(wake["stack_flags"] & COMPLETE, wake)


class Python(unittest.TestCase):
    def test_stacks_are_complete(self):
        with Process([PYTHON, PROGRAMS / "python_waits.py"], env={"IDLE": "2"}) as program:
            program.until(lambda: "ready" in program.output())
            with Attached(program.pid, "-d", "2") as attached:
                self.assertEqual(attached.wait(20), 0, attached.output())
            self.assertIsNone(program.child.poll(), "the program goes on")
        waits = attached.events("offcpu")
        complete = [wait for wait in waits if wait.get("stack_flags", 0) & COMPLETE
                    and not int(wait["flags"]) & NO_STACK]
        self.assertGreater(len(waits), 300)
        self.assertGreaterEqual(len(complete) / len(waits), 0.99)
        unfinished = {wait["tid"] for wait in waits if int(wait["flags"]) & UNFINISHED}
        self.assertGreaterEqual(len(unfinished), 2, "those that still wait are captured at the end")


class Children(unittest.TestCase):
    def test_fork_and_exec_are_followed(self):
        script = "read go; for i in 1 2 3; do sleep 0.2; done; exec sleep 0.3"
        with subprocess.Popen(["sh", "-c", script], stdin=subprocess.PIPE, text=True) as program:
            with Attached(program.pid) as attached:
                program.communicate("x\n", timeout=30)
                self.assertEqual(attached.wait(20), 0, attached.output())
        report = read_report(attached.directory)
        sleeps = [row for row in report["syscalls"] if row["name"] == "clock_nanosleep"]
        self.assertEqual(sorted(round(row["total_ns"] / 1e8) for row in sleeps), [2, 2, 2, 3], report["syscalls"])
        self.assertEqual({row["process"]["cmdline"] for row in sleeps}, {"sleep 0.2", "sleep 0.3"})


class LateCollector(unittest.TestCase):
    """What the collector learns late, as on a busy machine: waits belong to the program and the process that waited."""

    def record(self, command, traces):
        """Records it while the collector stands still, from its start until it has printed "slept"; it ends when there are so many traces."""
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as program:
            with Attached(program.pid) as attached:
                attached.child.send_signal(signal.SIGSTOP)
                program.stdin.write("x\n")
                program.stdin.flush()
                line = program.stdout.readline()
                attached.child.send_signal(signal.SIGCONT)
                if line:
                    attached.until(lambda: len(list(attached.directory.glob("*.trace"))) >= traces)
                program.stdin.close()
                status = program.wait(30)
                self.assertEqual(attached.wait(20), 0, attached.output())
        sleeps = [row for row in read_report(attached.directory)["syscalls"] if row["name"] == "clock_nanosleep"]
        return status, line, sleeps

    def test_exec(self):
        slept = "import sys, time\nfor i in range(7): time.sleep(0.02)\nprint('slept', flush=True)\nsys.stdin.read()"
        status, line, sleeps = self.record(["sh", "-c", 'read go; exec "$@"', "sh", PYTHON, "-c", slept], 2)
        self.assertEqual((status, line), (0, "slept\n"))
        self.assertEqual([(row["count"], row["process"]["cmdline"].split()[0]) for row in sleeps], [(7, PYTHON)], sleeps)

    def test_process_id_used_again(self):
        for _ in range(5):
            status, line, sleeps = self.record([BUILD / "tests/programs/reused"], 3)
            if status != 77:
                break
        self.assertEqual((status, line), (0, "slept\n"))
        self.assertEqual(sorted(row["count"] for row in sleeps), [3, 5], sleeps)


class RingFull(unittest.TestCase):
    def test_end_is_noticed_whose_record_was_lost(self):
        """What the program does while the collector stands still is more than the kernel keeps."""
        with subprocess.Popen([BUILD / "tests/programs/many_waits"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as program:
            with Attached(program.pid, "--sample", "1us") as attached:
                attached.child.send_signal(signal.SIGSTOP)
                program.communicate("x", timeout=120)
                attached.child.send_signal(signal.SIGCONT)
                self.assertEqual(attached.wait(90), 0, attached.output())
        self.assertGreater(read_report(attached.directory)["lost"]["kernel"], 0, "all waits were longer than the sampler's mean")
        self.assertIn("records were lost", attached.output())


class EndedBefore(unittest.TestCase):
    def test_is_counted(self):
        """Programs that came and went while the collector stood still."""
        script = "read go; for i in 1 2 3 4 5 6 7; do /bin/true; done; echo done; read go; sleep 0.2"
        with subprocess.Popen(["sh", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as program:
            with Attached(program.pid) as attached:
                attached.child.send_signal(signal.SIGSTOP)
                program.stdin.write("x\n")
                program.stdin.flush()
                self.assertEqual(program.stdout.readline(), "done\n")
                attached.child.send_signal(signal.SIGCONT)
                program.communicate("x\n", timeout=30)
                self.assertEqual(attached.wait(20), 0, attached.output())
        self.assertIn("7 processes ended before they could be recorded", attached.output())
        self.assertEqual(read_report(attached.directory)["lost"]["processes"], 7)


class Zombies(unittest.TestCase):
    def test_what_has_ended_does_not_wait(self):
        with subprocess.Popen(["sh", "-c", "read go; sleep 0.1 & exec sleep 2"], stdin=subprocess.PIPE, text=True) as program:
            with Attached(program.pid, "-d", "1") as attached:
                program.stdin.write("x\n")
                program.stdin.flush()
                self.assertEqual(attached.wait(20), 0, attached.output())
            program.kill()
        unfinished = [wait for wait in attached.events("offcpu") if int(wait["flags"]) & UNFINISHED]
        self.assertEqual([wait["tid"] for wait in unfinished], [str(program.pid)], unfinished)


class Run(unittest.TestCase):
    def test_both_sides_are_one_process(self):
        home = scratch("run")
        program = "import time\nfor i in range(7): time.sleep(0.05)"
        done = subprocess.run([BUILD / "cprobe", "run", "--bpf=on", "-o", home, "--", PYTHON, "-c", program],
                              capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("1 process recorded", done.stderr)
        report = read_report(home)
        self.assertEqual(len(report["processes"]), 1)
        sleeps = [row for row in report["syscalls"] if row["name"] == "clock_nanosleep"]
        self.assertEqual([row["count"] for row in sleeps], [7], report["syscalls"])
        self.assertTrue(0.98 <= sleeps[0]["total_ns"] / 350e6 <= 1.5, sleeps[0])

    def test_without_capabilities(self):
        done = subprocess.run(["setpriv", "--reuid=65534", "--clear-groups", BUILD / "cprobe", "run", "-o",
                               "/tmp/cprobe-unprivileged-test", "true"], capture_output=True, text=True, check=False)
        shutil.rmtree("/tmp/cprobe-unprivileged-test", ignore_errors=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("recorded by preloading only: eBPF would add", done.stderr)


class Refused(unittest.TestCase):
    def test_no_such_process(self):
        done = subprocess.run([BUILD / "cprobe", "record", "-p", "2147483647", "-o", scratch("none")],
                              capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 3)
        self.assertIn("no such process", done.stderr)

    def test_without_capabilities(self):
        done = subprocess.run(["setpriv", "--reuid=65534", "--clear-groups", BUILD / "cprobe", "record", "-p", "1", "-o",
                               "/nonexistent"], capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 3)
        self.assertIn("CAP_BPF is missing", done.stderr)
        self.assertIn("needs root, or CAP_BPF and CAP_PERFMON", done.stderr)


def programs_loaded():
    """Ids of the programs in the kernel that have the name of one of ours."""
    shown = json.loads(run(["/usr/sbin/bpftool", "prog", "show", "-j"]))
    return {program["id"] for program in shown if program.get("name") in ("sched_switch", "sched_waking", "raw_switch", "raw_waking", "each_thread")}


if __name__ == "__main__":
    require_kernel()
    unittest.main()
