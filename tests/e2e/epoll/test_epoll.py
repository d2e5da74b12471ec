#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A C server on epoll that waits for its upstream inside the loop; the twin waits in the loop's own epoll_wait."""

import socketserver
import socket
import threading
import time

from lib.case import Case, frames_of, main
from lib.process import BUILD, free_port
from lib.recording import Recording


class Upstream(socketserver.StreamRequestHandler):
    """Answers each line after 4 ms, in order."""

    def handle(self):
        for _ in self.rfile:
            time.sleep(0.004)
            self.wfile.write(b"OK\n")


class Threaded(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True


def ask(port, times):
    with socket.create_connection(("127.0.0.1", port)) as client, client.makefile("rwb", buffering=0) as stream:
        for _ in range(times):
            stream.write(b"GET\n")
            stream.readline()


class Epoll(Case):
    @classmethod
    def setUpClass(cls):
        cls.upstream = Threaded(("127.0.0.1", 0), Upstream)
        cls.upstream_port = cls.upstream.server_address[1]
        threading.Thread(target=cls.upstream.serve_forever, daemon=True).start()

    def record(self, mode, early=0):
        port = free_port()
        with Recording([BUILD / "tests/programs/epoll_server", mode, port, self.upstream_port, early]) as recording:
            recording.process.until_listening(port)
            clients = [threading.Thread(target=ask, args=(port, 60)) for _ in range(4)]
            for client in clients:
                client.start()
            for client in clients:
                client.join()
            self.assertEqual(recording.process.stop(), 0, recording.process.output())
            count, wall, cpu = map(int, recording.process.output().split())
            return recording.report(), {"count": count, "wall_ns": wall, "cpu_ns": cpu, "queued_ns": 0}

    def assert_blocked_at(self, finding, function):
        frame = next(f for f in frames_of(finding) if f["function"] == function)
        self.assertEqual(frame["module"], "epoll_server")
        self.assertTrue(frame["file"].endswith("epoll_server.c"))
        self.assertEqual(finding["peer"]["address"], f"127.0.0.1:{self.upstream_port}")

    def test_blocking(self):
        report, truth = self.record("blocking")
        found = self.find(report, module="epoll_server")
        self.assert_loop(report, found[0], "epoll")
        self.assert_blocked_at(found[0], "ask_and_wait")
        self.assert_total(found, truth)

    def test_before_the_first_epoll_wait(self):
        report, truth = self.record("yielding", early=50)
        found = self.find(report, module="epoll_server")
        self.assert_blocked_at(found[0], "warm_up")
        self.assert_total(found, truth)

    def test_yielding(self):
        report, _ = self.record("yielding")
        self.assert_clean(report)


if __name__ == "__main__":
    main()
