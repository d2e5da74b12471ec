#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Surroundings in which the recorder cannot work: the program goes on as without it, and the reason is told once."""

import os
import pathlib
import shutil
import subprocess
import unittest

from lib.case import require_root
from lib.process import BUILD, SHIM
from lib.recorded import Trace, record, scratch

PROGRAM = BUILD / "tests/programs/confined"
CLOSING = "cprobe: recorded into "
SECCOMP, SPACE = 1, 2  # TRACE_REASON_
LOUD = {"CPROBE_QUIET": None}


def lines(text):
    return [line for line in text.splitlines() if line.startswith("cprobe: ") and not line.startswith(CLOSING)]


class Confined(unittest.TestCase):
    def record(self, *argv, env=None, **how):
        recorded = record(*argv, env={**LOUD, **(env or {})}, **how)
        self.assertEqual([recorded.status, recorded.out], [0, "done\n"], recorded.err)
        return recorded

    def check_refused(self, directory, reason, wrapper=(), **env):
        recorded = self.record(*wrapper, PROGRAM, "waits", env={"CPROBE_DIR": str(directory), **env})
        told = lines(recorded.err)
        self.assertEqual(len(told), 1, recorded.err)
        self.assertTrue(told[0].startswith("cprobe: not recording: "), told)
        self.assertIn(str(directory), told[0])
        self.assertIn(reason, told[0])
        self.assertNotIn(CLOSING, recorded.err)

    # ---- directories ---------------------------------------------------------------------------------------------------

    def test_missing_parent(self):
        self.check_refused(scratch("parent") / "missing/data", "parent directory does not exist")

    def test_not_a_directory(self):
        file = scratch("file") / "data"
        file.write_text("")
        self.check_refused(file, "not a directory")
        self.check_refused(file / "data", "not a directory")

    def test_read_only_file_system(self):
        self.check_refused("/proc/cprobe.data", "parent directory does not exist")

    @require_root
    def test_not_permitted(self):
        home = scratch("mine")
        wrapper = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "env", f"LD_PRELOAD={SHIM}")
        self.check_refused(home / "data", "permission denied", wrapper, LD_PRELOAD="")
        (home / "there").mkdir(0o700)
        self.check_refused(home / "there", "permission denied", wrapper, LD_PRELOAD="")

    def test_path_too_long(self):
        recorded = self.record(PROGRAM, "waits", env={"CPROBE_DIR": "/tmp/" + 5000 * "x"}, cwd=scratch("long"))
        self.assertEqual(len(lines(recorded.err)), 1, recorded.err)
        self.assertIn("CPROBE_DIR", recorded.err)

    def test_quiet(self):
        recorded = record(PROGRAM, "waits", env={"CPROBE_DIR": "/nonexistent/data", "CPROBE_QUIET": "1", "CPROBE_TYPO": "1"})
        self.assertEqual([recorded.status, recorded.out, recorded.err], [0, "done\n", ""])

    # ---- variables -----------------------------------------------------------------------------------------------------

    def test_bad_variables(self):
        for name, value in (("CPROBE_MAX_SIZE", "64 potatoes"), ("CPROBE_MAX_SIZE", "1"), ("CPROBE_SAMPLE", "-1ms"),
                            ("CPROBE_SAMPLE", "99999999999999999999s"), ("CPROBE_MAX_SIZE", ""), ("CPROBE_SAMPEL", "1ms")):
            with self.subTest(variable=f"{name}={value}"):
                recorded = self.record("/bin/sh", "-c", f"{PROGRAM} waits", env={name: value})
                self.assertEqual(len(lines(recorded.err)), 1, recorded.err)
                self.assertIn(name, recorded.err)
                self.assertEqual(max(trace.count("usleep") for trace in recorded.traces()), 5)

    def test_good_variables(self):
        recorded = self.record(PROGRAM, "waits", env={"CPROBE_MAX_SIZE": "2M", "CPROBE_SAMPLE": "10us", "CPROBE_CONFIG": "x"})
        self.assertEqual(lines(recorded.err), [])
        self.assertEqual(recorded.trace().header["sample_mean"] if "sample_mean" in recorded.trace().header else 10000, 10000)

    # ---- limits --------------------------------------------------------------------------------------------------------

    def limited(self, limits, mode="waits", directory=None):
        return record("prlimit", *limits, PROGRAM, mode, env=LOUD, directory=directory)

    def test_file_size_limit(self):
        for size, recorded_at_all in ((4096, False), (600_000, True), (3_000_000, True)):
            with self.subTest(size=size):
                recorded = self.limited([f"--fsize={size}"])
                self.assertEqual([recorded.status, recorded.out], [0, "done\n"], recorded.err)
                if recorded_at_all:
                    self.assertEqual(max(trace.count("usleep") for trace in recorded.traces()), 5)
                    self.assertLessEqual(max(path.stat().st_size for path in recorded.paths()), size)
                else:
                    self.assertIn("file size limit", recorded.err)

    def test_file_size_limit_while_running(self):
        recorded = self.limited(["--fsize=1100000"], "fill")
        self.assertEqual([recorded.status, recorded.out], [0, "done\n"], recorded.err)
        self.assertEqual({trace.message for trace in recorded.traces()}, {""})

    def test_address_space_limit(self):
        for size in (12_000_000, 40_000_000, 90_000_000, 200_000_000):
            with self.subTest(size=size):
                recorded = self.limited([f"--as={size}"])
                self.assertEqual([recorded.status, recorded.out], [0, "done\n"], recorded.err)
                self.assertTrue(lines(recorded.err) or recorded.paths())

    def test_descriptor_limit(self):
        recorded = self.limited(["--nofile=16"])
        self.assertEqual([recorded.status, recorded.out, lines(recorded.err)], [0, "done\n", []])
        self.assertEqual(max(trace.count("usleep") for trace in recorded.traces()), 5)

    # ---- full disks ----------------------------------------------------------------------------------------------------

    def with_disk(self, size, action):
        """action(directory) on a small file system of its own."""
        disk = scratch("disk")
        if subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "cprobe-test", disk], check=False).returncode != 0:
            self.skipTest("mount is not permitted here")
        try:
            action(disk)
        finally:
            subprocess.run(["umount", disk], check=True)

    def check_full_at_start(self, disk):
        try:
            (disk / "filler").write_bytes(bytes(2 << 20))
        except OSError:
            pass
        self.check_refused(disk / "data", "disk is full")

    @require_root
    def test_full_disk(self):
        self.with_disk("1M", self.check_full_at_start)

    def check_full_later(self, disk):
        recorded = record(PROGRAM, "fill", env=LOUD, directory=disk / "data")
        self.assertEqual([recorded.status, recorded.out], [0, "done\n"], recorded.err)
        trace = recorded.trace()
        self.assertEqual([trace.header["reason"], trace.message], [SPACE, ""])
        self.assertGreater(trace.lost["ring_full"] + trace.lost["stacks"], 0)
        self.assertGreater(trace.count("usleep"), 1000)

    @require_root
    def test_disk_that_fills(self):
        self.with_disk("700K", self.check_full_later)

    # ---- sandboxes -----------------------------------------------------------------------------------------------------

    def test_seccomp(self):
        for mode in ("strict", "filter", "filter-syscall"):
            with self.subTest(mode=mode):
                trace = self.record(PROGRAM, mode).trace()
                self.assertEqual([trace.state, trace.header["reason"], trace.message], ["disabled", SECCOMP, ""])
                self.assertEqual([trace.count("usleep"), trace.count("read")], [2, 1])
                self.assertEqual(len([note for note in trace.notes() if "seccomp" in note["text"]]), 1)

    @require_root
    def test_chroot(self):
        recorded = self.record(PROGRAM, "chroot", cwd=scratch("root"))
        trace = recorded.trace()
        self.assertEqual([trace.count("usleep"), trace.lost["processes"]], [2, 5])
        self.assertEqual(len(lines(recorded.err)), 1, recorded.err)
        self.assertIn("not recording a child process", recorded.err)

    @require_root
    def test_privileged_program(self):
        """A set-uid program runs in secure mode: nothing is recorded, nothing is said. The loader ignores LD_PRELOAD then,
        so the recorder is linked to the program, which is what /etc/ld.so.preload would come to."""
        home = pathlib.Path("/var/tmp") / f"cprobe-test-{os.getpid()}"
        home.mkdir(0o755)
        try:
            program = home / "set-uid"
            shutil.copy(SHIM, home / "libcprobe.so")
            data = home / "data"
            data.mkdir()
            os.chmod(data, 0o777)
            subprocess.run(["gcc", "-o", program, "-x", "c", "-", "-x", "none", "-Wl,--no-as-needed", home / "libcprobe.so",
                            f"-Wl,-rpath,{home}"], input="#include <unistd.h>\n#include <stdio.h>\n"
                           "int main(void) { usleep(1000); puts(\"done\"); return 0; }", text=True, check=True)
            os.chmod(program, 0o4755)
            recorded = record("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", program, directory=data,
                              env={**LOUD, "LD_PRELOAD": None})
            self.assertEqual([recorded.status, recorded.out, recorded.err, recorded.paths()], [0, "done\n", "", []])
            os.chmod(program, 0o755)
            recorded = record(program, directory=data, env={"LD_PRELOAD": None})
            self.assertEqual([recorded.status, recorded.trace().count("usleep")], [0, 1])
        finally:
            shutil.rmtree(home)


if __name__ == "__main__":
    unittest.main()
