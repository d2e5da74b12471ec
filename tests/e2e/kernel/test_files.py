#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Programs whose files the reader does not have: replaced while they ran, or in a container that is gone."""

import os
import re
import shutil
import unittest

from lib.kernel import Attached, require_kernel, with_stacks
from lib.process import BUILD, CPROBE, Process, run, scratch

PROGRAM = BUILD / "tests/programs/replaced"
COMPLETE = 0x01


class Files(unittest.TestCase):
    def record(self, process):
        process.until(lambda: "ready" in process.output())
        with Attached(process.pid, "-d", "1") as attached:
            self.assertEqual(attached.wait(40), 0, attached.output())
        return attached

    def assert_named(self, attached):
        waits = [wait for wait in with_stacks(attached.events("offcpu")) if wait["cause"].endswith("sleep")]
        self.assertGreater(len(waits), 20)
        incomplete = [wait for wait in waits if not wait["stack_flags"] & COMPLETE]
        self.assertLessEqual(len(incomplete) / len(waits), 0.03, incomplete[:1])
        folded = attached.directory / "flame.folded"
        run([CPROBE, "flame", attached.directory, "--kind", "offcpu", "-o", folded])
        sleeping = [line for line in folded.read_text().splitlines() if "serve_request" in line]
        self.assertTrue(sleeping, folded.read_text())
        for line in sleeping:
            self.assertRegex(line, "start_thread;serve;serve_request;usleep;")


class Replaced(Files):
    def upgrade(self, name):
        """The program, started from a file of its own; then other files come to lie in the places of it and of nothing else."""
        program = scratch("replaced") / name
        shutil.copy(PROGRAM, program)
        return program

    def test_replaced_before_recording(self):
        program = self.upgrade("server")
        with Process([program]) as process:
            process.until(lambda: "ready" in process.output())
            os.unlink(program)
            shutil.copy("/bin/true", program)
            attached = self.record(process)
        self.assert_named(attached)

    def test_deleted(self):
        program = self.upgrade("server")
        with Process([program]) as process:
            process.until(lambda: "ready" in process.output())
            os.unlink(program)
            attached = self.record(process)
        self.assert_named(attached)


class Container(Files):
    def test_files_that_only_the_container_sees(self):
        """Its root is a file system that nobody else has mounted, and its libraries have paths of their own."""
        root = scratch("root")
        libraries = re.findall(r"(/\S+)", run(["ldd", PROGRAM]))
        loader = next(path for path in libraries if "ld-linux" in path)
        script = (f"mount -t tmpfs none {root}; cd {root}; mkdir old app app/lib; cp {PROGRAM} app/server; "
                  f"cp {' '.join(libraries)} app/lib; pivot_root . old; "
                  f"exec /app/lib/{os.path.basename(loader)} --library-path /app/lib /app/server")
        with Process(["unshare", "-m", "sh", "-c", script]) as process:
            attached = self.record(process)
            self.assertFalse((root / "app").exists(), "the container is one")
        self.assert_named(attached)
        modules = {module["path"] for module in attached.events("module")}
        # Where the tests run in a chroot themselves the path begins with that of it: maps name the namespace's root.
        self.assertTrue([path for path in modules if path.endswith('/app/server"')], modules)


class Here(Files):
    def test_files_that_are_here_are_not_named_in_the_trace(self):
        with Process([PROGRAM]) as process:
            attached = self.record(process)
        self.assert_named(attached)
        self.assertEqual(attached.events("symbol"), [])




if __name__ == "__main__":
    require_kernel()
    unittest.main()
