#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A C server on select that waits for one descriptor most of the time: its own wait, not that of a driver."""

import socket
import time

from lib.case import Case, frames_of, main
from lib.process import BUILD, free_port
from lib.recording import Recording

PAUSE = 0.004  # between clients, and before one answers


def talk(port, lines):
    with socket.create_connection(("127.0.0.1", port)) as client, client.makefile("rwb", buffering=0) as stream:
        for _ in range(lines):
            stream.write(b"GET\n")
            if stream.readline() == b"SURE?\n":
                time.sleep(PAUSE)
                stream.write(b"YES\n")
                stream.readline()


class Select(Case):
    def record(self, mode):
        port = free_port()
        with Recording([BUILD / "tests/programs/select_server", mode, port]) as recording:
            recording.process.until_listening(port)
            time.sleep(0.3)  # nobody there yet
            for _ in range(60):
                talk(port, 2)
                time.sleep(PAUSE)
            self.assertEqual(recording.process.stop(), 0, recording.process.output())
            count, wall, cpu = map(int, recording.process.output().split())
            return recording.report(), {"count": count, "wall_ns": wall, "cpu_ns": cpu, "queued_ns": 0}

    def test_blocking(self):
        report, truth = self.record("blocking")
        found = self.find(report, module="select_server")
        self.assert_loop(report, found[0], "select")
        self.assertIn("confirm", [f["function"] for f in frames_of(found[0])])
        self.assert_total(found, truth)

    def test_yielding(self):
        report, _ = self.record("yielding")
        self.assert_clean(report)
        self.assertGreater(report["loops"][0]["idle_ns"], 0.5 * report["loops"][0]["wall_ns"])


if __name__ == "__main__":
    main()
