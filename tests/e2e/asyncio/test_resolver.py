#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A DNS look-up in a coroutine, against a real but slow name server; the twin looks up in the executor."""

import socket
import struct
import threading
import time

from lib.case import Case, main, require_root
from lib.process import scratch

PROGRAM = "asyncio_server.py"
NAME = "shop.example"

# The program sees another /etc/resolv.conf, nobody else does, and it works in a chroot, whose / is no mount point that could be
# made private: below a private /proc stands a private copy of the whole tree.
PRIVATE_RESOLVER = """
mount --make-private /proc
mount --rbind / /proc/fs
mount --make-rprivate /proc/fs
mount --bind "$1" /proc/fs/etc/resolv.conf
shift
exec chroot /proc/fs "$@"
"""


class NameServer(threading.Thread):
    """Answers A with 127.0.0.1 and AAAA with nothing, 10 ms late (RFC 1035). On port 53, the only one that resolv.conf knows."""

    ADDRESS = "127.53.0.1"

    def __init__(self):
        super().__init__(daemon=True)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((self.ADDRESS, 53))
        self.start()

    def run(self):
        while True:
            query, client = self.socket.recvfrom(512)
            threading.Thread(target=self.answer, args=(query, client), daemon=True).start()

    def answer(self, query, client):
        time.sleep(0.01)
        end = query.index(b"\0", 12) + 5
        wants_a = query[end - 4:end - 2] == b"\0\1"
        reply = query[:2] + struct.pack(">HHHHH", 0x8180, 1, wants_a, 0, 0) + query[12:end]
        if wants_a:
            reply += struct.pack(">HHHIH4s", 0xC00C, 1, 1, 0, 4, socket.inet_aton("127.0.0.1"))
        self.socket.sendto(reply, client)


@require_root
class Resolver(Case):
    @classmethod
    def setUpClass(cls):
        NameServer()
        resolver = scratch("resolver") / "resolv.conf"
        resolver.write_text(f"nameserver {NameServer.ADDRESS}\n")
        cls.wrapper = ["unshare", "--mount", "--propagation=unchanged", "sh", "-ec", PRIVATE_RESOLVER, "sh", resolver]

    def record(self, handler):
        return self.record_server(PROGRAM, count=60, wrapper=self.wrapper, HANDLER=handler, NAME=NAME)

    def test_getaddrinfo(self):
        report, truth = self.record("getaddrinfo")
        found = self.find(report, function="getaddrinfo")
        self.assertEqual(found[0]["operation"], NAME)
        self.assert_loop(report, found[0], "asyncio")
        self.assert_place(found[0], PROGRAM, "getaddrinfo")
        self.assert_total(found, truth)

    def test_getaddrinfo_executor(self):
        report, _ = self.record("getaddrinfo_async")
        self.assert_clean(report)


if __name__ == "__main__":
    main()
