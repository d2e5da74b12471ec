#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""SCAN behind an annotation over 400,000 keys, as its client and as the server see it. Twin: exact keys."""

import socket

from lib.case import Case, brief, frames_of, main
from lib.process import PROGRAMS, PYTHON, run, scratch
from lib.recording import Recording, preload, read_report
from lib.servers import Redis

KEYS = 400_000
THREADS, EVICTIONS = 3, 10


def fill(port):
    """KEYS keys, one of 400 a meta::N, in one pipeline."""
    commands = bytearray()
    for number in range(KEYS):
        key = f"{'meta::' if number % 400 == 0 else 'card:'}{number}"
        commands += f"*3\r\n$3\r\nSET\r\n${len(key)}\r\n{key}\r\n$1\r\nx\r\n".encode()
    with socket.create_connection(("127.0.0.1", port)) as connection, connection.makefile("rb") as answers:
        for begin in range(0, len(commands), 1 << 20):
            connection.sendall(commands[begin:begin + (1 << 20)])
        for _ in range(KEYS):
            if answers.readline() != b"+OK\r\n":
                raise AssertionError("SET failed")


class Sweep(Case):
    def record(self, evict):
        """The reports of the client and of the server, and the server's own account of SCAN."""
        served = scratch("redis") / "data"
        with Redis(env=preload(served)) as server:
            fill(server.port)
            with Recording([PYTHON, PROGRAMS / "card_cache.py"], REDIS_PORT=server.port, EVICT=evict, THREADS=THREADS,
                           EVICTIONS=EVICTIONS) as recording:
                self.assertEqual(recording.process.wait(170), 0, recording.process.output())
            stats = run(["redis-cli", "-p", server.port, "info", "commandstats"])
            server.stop()
        calls = [line.split("calls=")[1].split(",")[0] for line in stats.splitlines() if line.startswith("cmdstat_scan:")]
        self.directories = [recording.directory, served]
        stalls = ["--set", "loop-stall.threshold=15ms"]  # whatever the machine: one SCAN is 100,000 keys
        return recording.report(), read_report(*stalls, served), int(calls[0]) if calls else 0

    def check_client(self, report, calls):
        self.assertEqual([f["rule"] for f in report["findings"]], ["keyspace-sweep"])
        finding = report["findings"][0]
        evidence = finding["evidence"]
        self.assertEqual(finding["severity"], "error")
        self.assertEqual(finding["operation"], "SCAN meta::*")
        self.assertEqual(finding["count"], THREADS * EVICTIONS)
        self.assertEqual(evidence["complete"], THREADS * EVICTIONS)
        self.assertEqual(evidence["calls"], calls)
        self.assertEqual(evidence["elements"], THREADS * EVICTIONS * KEYS // 400)
        self.assertEqual(evidence["count_at_least"], 65536)
        self.assertEqual(sum(evidence["timeline"]["counts"]), THREADS * EVICTIONS)
        self.assertEqual(finding["stacks"][0]["role"], "asked")
        self.assert_place(finding, "card_cache.py", "call", "# sweeps")
        self.assertGreater(evidence["others_p50_meanwhile_ns"], 2 * evidence["others_p50_otherwise_ns"])
        scan = [o for e in report["endpoints"] for o in e["top_operations"] if o["operation"] == "SCAN"]
        self.assertEqual(scan[0]["count"], calls)

    def check_server(self, report, calls):
        sweep = self.find(report, "keyspace-sweep")[0]
        self.assertEqual(sweep["operation"], "SCAN meta::*")
        self.assertEqual(sweep["evidence"]["calls"], calls)
        stalls = [f for f in report["findings"] if f["rule"] == "loop-stall" and f["serving"] == "SCAN"]
        self.assertTrue(stalls, brief(report))
        for stall in stalls:
            self.assertEqual(stall["context"]["kind"], "redis")
            self.assertIn(", serving SCAN", stall["title"])
            if stall["evidence"]["cause"] == "on CPU":  # on a busy machine it may have waited for a CPU instead
                self.assertIn("scanGenericCommand", [frame["function"] for frame in frames_of(stall)])

    def test_scan(self):
        client, server, calls = self.record("scan")
        self.check_client(client, calls)
        self.check_server(server, calls)
        both = read_report(*self.directories)
        self.assertEqual(len([f for f in both["findings"] if f["rule"] == "keyspace-sweep"]), 1)

    def test_exact_keys(self):
        client, server, _ = self.record("keys")
        self.assert_clean(client)
        self.assertEqual([f for f in server["findings"] if f["rule"] == "keyspace-sweep"], [])


if __name__ == "__main__":
    main()
