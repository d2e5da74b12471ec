# SPDX-License-Identifier: GPL-2.0-or-later
"""Clients of dnsmasq whose conversations are recorded."""

import collections
import re
import socket

import dns.message
import dns.query

from lib.process import free_port, scratch
from lib.servers import Server

HOST = "127.0.0.1"
MANY = 60


class Dnsmasq(Server):
    """Answers of its own only, and a log of all questions."""

    def __init__(self):
        home, port = scratch("dnsmasq"), free_port()
        (home / "hosts").write_text("".join(f"127.0.1.{n} many.shop.example\n" for n in range(1, MANY)) +
                                    "127.0.0.9 db.shop.example\n::9 db.shop.example\n")
        super().__init__(["dnsmasq", "--keep-in-foreground", "--no-resolv", "--no-hosts", f"--addn-hosts={home}/hosts", f"--port={port}",
                          f"--listen-address={HOST}", "--bind-interfaces", "--conf-file=/dev/null", "--user=root", f"--pid-file={home}/pid",
                          "--log-queries", "--log-facility=-", "--local=/shop.example/", "--edns-packet-max=512",
                          "--srv-host=_ldap._tcp.shop.example,db.shop.example,389", "--txt-record=shop.example,planted"], port)

    def account(self, since):
        """Types of the questions that it logged behind the first `since` characters of its output."""
        return collections.Counter(re.findall(r"query\[(\w+)\] \S+ from", self.output()[since:]))


QUESTIONS = [("db.shop.example", "A"), ("db.shop.example", "AAAA"), ("DB.Shop.Example", "A"), ("many.shop.example", "A"), ("nothing.shop.example", "A"),
             ("_ldap._tcp.shop.example", "SRV"), ("shop.example", "TXT"), ("shop.example", "MX"), ("somewhere.else", "A"), ("db.shop.example", "NS")]


def udp(port):
    for name, kind in QUESTIONS:
        dns.query.udp(dns.message.make_query(name, kind, use_edns=kind == "A"), HOST, port=port, timeout=10)


def tcp(port):
    with socket.create_connection((HOST, port)) as connection:
        connection.setblocking(False)
        for name, kind in QUESTIONS:
            dns.query.tcp(dns.message.make_query(name, kind), HOST, timeout=10, sock=connection)
