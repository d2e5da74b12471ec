#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Connects with every outcome, on ports of its own, which it prints: one line a connect, "NAME PORT".

Expected of each: see tests/e2e/wire/test_connects.py.
"""

import errno
import os
import select
import socket


def listener(backlog=8):
    s = socket.socket()
    s.bind(("127.0.0.1", 0))
    s.listen(backlog)
    return s


def port_of(s):
    return s.getsockname()[1]


def closed_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return port_of(s)


def say(name, port):
    print(name, port, flush=True)
    return ("127.0.0.1", port)


def wait_writable(s):
    select.select([], [s], [])


server = listener()
with socket.socket() as s:
    s.connect(say("waited", port_of(server)))

with socket.socket() as s:
    try:
        s.connect(say("refused", closed_port()))
    except ConnectionRefusedError:
        pass

asked = listener()
with socket.socket() as s:
    s.setblocking(False)
    s.connect_ex(say("asked", port_of(asked)))
    wait_writable(s)
    s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)

with socket.socket() as s:
    s.setblocking(False)
    s.connect_ex(say("asked-refused", closed_port()))
    wait_writable(s)
    s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)

again = listener()
with socket.socket() as s:
    s.setblocking(False)
    s.connect_ex(say("again", port_of(again)))
    wait_writable(s)
    s.connect_ex(("127.0.0.1", port_of(again)))

spoken = listener()
with socket.socket() as s:
    s.setblocking(False)
    s.connect_ex(say("spoken", port_of(spoken)))
    wait_writable(s)
    os.write(s.fileno(), b"x")

# A connect that is a send: it waits, and what it sends is said on the connection.
opened = listener()
with socket.socket() as s:
    s.sendto(b"PING\r\n", socket.MSG_FASTOPEN, say("opened", port_of(opened)))
    connection, _ = opened.accept()
    connection.send(b"+PONG\r\n")
    s.recv(100)
with socket.socket() as s:
    s.sendmsg([b"PI", b"NG\r\n"], [], socket.MSG_FASTOPEN, ("127.0.0.1", port_of(opened)))
    connection, _ = opened.accept()
    connection.send(b"+PONG\r\n")
    s.recv(100)
with socket.socket() as s:
    try:
        s.sendto(b"PING\r\n", socket.MSG_FASTOPEN, say("opened-refused", closed_port()))
    except ConnectionRefusedError:
        pass

# The queue of a listener that never accepts is full after some: the next one waits for ever.
full, waiting = listener(0), []
while True:
    s = socket.socket()
    s.setblocking(False)
    s.connect_ex(("127.0.0.1", port_of(full)))
    if not select.select([], [s], [], 0.2)[1]:
        break
    s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    waiting.append(s)
say("given-up", port_of(full))
s.close()

with socket.socket(socket.AF_UNIX) as s:
    if s.connect_ex("/nowhere/at/all") != errno.ENOENT:
        raise SystemExit("connected to nowhere")

socket.getaddrinfo("localhost", 80)
socket.getaddrinfo("127.0.0.1", 80)
