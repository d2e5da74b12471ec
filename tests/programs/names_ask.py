#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Asks name servers over sockets that are not connected: names_ask.py WAY SERVER SERVER COUNT, servers by address.

Expected: each server's own account of what it was asked, by type, with its answers paired (NXDOMAIN for names that begin with
"no"). "dnspython": COUNT names of each server, one at a time. "shared": one socket asks both servers for COUNT names before it takes
an answer. "messages": the same with sendmsg and recvmsg. "unnamed": recv, which does not say whom from, of one server. "strangers": datagrams
to another port are nobody's questions.
"""

import socket
import sys

import dns.message
import dns.query

way, servers, count = sys.argv[1], sys.argv[2:4], int(sys.argv[4])


def query(i, kind="A"):
    return dns.message.make_query(f"{'no' if i % 5 == 4 else 'host'}{i}.test", kind)


def with_dnspython():
    for i in range(count):
        for server in servers:
            dns.query.udp(query(i), server, timeout=20)


def shared(send, receive):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(20)
        for i in range(count):
            for server in servers:
                send(s, query(i, "A" if server == servers[0] else "AAAA").to_wire(), (server, 53))
            for _ in servers:
                receive(s)


def unnamed():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        for i in range(count):
            s.sendto(query(i, "MX").to_wire(), (servers[0], 53))
            s.recv(512)


def strangers():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        other.bind(("127.0.0.1", 0))
        for i in range(count):
            s.sendto(query(i).to_wire(), other.getsockname())
            other.recvfrom(512)


if way == "dnspython":
    with_dnspython()
elif way == "shared":
    shared(lambda s, data, to: s.sendto(data, to), lambda s: s.recvfrom(512))
elif way == "messages":
    shared(lambda s, data, to: s.sendmsg([data[:12], data[12:]], [], 0, to), lambda s: s.recvmsg(512))
elif way == "unnamed":
    unnamed()
else:
    strangers()
