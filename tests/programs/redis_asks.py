#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A client of Redis that uses its connection in one unusual way: redis_asks.py WAY ADDRESS [COUNT].

Expected: what the server counts (INFO commandstats) is what the recording has counted, whatever the way. ADDRESS: a port of 127.0.0.1,
[::1]:PORT, or a path. The connection ends only after everything was answered.
"""

import array
import os
import socket
import sys
import threading

way, address, count = sys.argv[1], sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else 100


def dial():
    if address.startswith("/"):
        s = socket.socket(socket.AF_UNIX)
        s.connect(address)
        return s
    if address.startswith("["):
        return socket.create_connection(("::1", int(address.rpartition(":")[2])))
    return socket.create_connection(("127.0.0.1", int(address)))


def message(*words):
    parts = [word if isinstance(word, bytes) else str(word).encode() for word in words]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)


def answers(sock, expected):
    """Takes so many simple answers (one line each, or a string) off the connection."""
    data = b""
    while expected:
        chunk = sock.recv(65536)
        if not chunk:
            raise SystemExit("the server closed the connection")
        data += chunk
        while expected and b"\r\n" in data:
            line, _, rest = data.partition(b"\r\n")
            if line.startswith(b"$") and line != b"$-1":
                if len(rest) < int(line[1:]) + 2:
                    break
                rest = rest[int(line[1:]) + 2:]
            data, expected = rest, expected - 1


def ask(sock, *words, out=None):
    (out or sock).sendall(message(*words))
    answers(sock, 1)


def plain():
    with dial() as sock:
        for i in range(count):
            ask(sock, "SET", f"key:{i}", "value")
            ask(sock, "GET", f"key:{i}")
        ask(sock, "LPUSH", "key:0", "x")  # not a list: an error


def pipelined():
    with dial() as sock:
        for _ in range(count // 100):
            sock.sendall(b"".join(message("INCR", f"n:{i}") if i % 5 else message("LPUSH", "n:1", "x") for i in range(1, 101)))
            answers(sock, 100)


def threads():
    """One thread sends, another one receives."""
    with dial() as sock:
        def send():
            for i in range(count):
                sock.sendall(message("SET", f"t:{i}", "v") if i % 2 else message("GET", f"t:{i}"))

        sender = threading.Thread(target=send)
        sender.start()
        answers(sock, count)
        sender.join()


def scattered():
    """Byte by byte, in parts of one call, and by the calls of files."""
    with dial() as sock:
        for i in range(count):
            for byte in message("GET", f"s:{i}"):
                sock.send(bytes([byte]))
            answers(sock, 1)
        for i in range(count):
            whole = message("SET", f"s:{i}", "v")
            sock.sendmsg([whole[:3], whole[3:10], whole[10:]])
            left, right = bytearray(2), bytearray(10)
            sock.recvmsg_into([left, right])
        for i in range(count):
            whole = message("SET", f"s:{i}", "v")
            os.writev(sock.fileno(), [whole[:7], whole[7:]])
            os.readv(sock.fileno(), [left, right])
        for i in range(count):
            os.write(sock.fileno(), message("INCR", "c"))
            os.read(sock.fileno(), 100)
            sock.recv(10, socket.MSG_DONTWAIT | socket.MSG_PEEK) if i < 0 else None


def peeked():
    with dial() as sock:
        for i in range(count):
            sock.sendall(message("GET", f"p:{i}"))
            sock.recv(3, socket.MSG_PEEK)
            answers(sock, 1)


def dup():
    with dial() as sock:
        ask(sock, "SET", "d", "v")
        other = sock.dup()
        for i in range(count):
            ask(sock, "GET", "d", out=other)
            ask(other, "GET", "d", out=sock)
        sock.close()
        ask(other, "INCR", "e")
        other.close()


def fork():
    """The child goes on with its parent's connection."""
    sock = dial()
    for _ in range(count):
        ask(sock, "GET", "f")
    child = os.fork()
    if child == 0:
        for _ in range(count):
            ask(sock, "INCR", "f")
        sock.close()
        os._exit(0)
    sock.close()
    os.waitpid(child, 0)


def passed():
    """A child gets the connection through a socket, in the middle of it."""
    here, there = socket.socketpair()
    child = os.fork()
    if child == 0:
        here.close()
        _, ancillary, _, _ = there.recvmsg(1, socket.CMSG_SPACE(4))
        fds = array.array("i")
        fds.frombytes(ancillary[0][2])
        with socket.socket(fileno=fds[0]) as sock:
            for _ in range(count):
                ask(sock, "INCR", "p")
        os._exit(0)
    there.close()
    sock = dial()
    for _ in range(count):
        ask(sock, "GET", "p")
    here.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [sock.fileno()]))])
    sock.close()
    os.waitpid(child, 0)


def reused():
    """The same number of a descriptor, again and again."""
    for i in range(count):
        with dial() as sock:
            ask(sock, "SET", f"r:{i}", "v")


def hurried():
    """In non-blocking mode, connected without waiting."""
    import select
    with socket.socket() as sock:
        sock.setblocking(False)
        sock.connect_ex(("127.0.0.1", int(address)))
        select.select([], [sock], [])
        if sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            raise SystemExit("not connected")
        for i in range(count):
            sock.send(message("SET", f"h:{i}", "v"))
            select.select([sock], [], [])
            sock.recv(100)


def secrets():
    with dial() as sock:
        ask(sock, "CONFIG", "SET", "requirepass", "planted-secret-1")
        ask(sock, "AUTH", "planted-secret-1")
        ask(sock, "AUTH", "planted-user-x", "planted-secret-2")
        sock.sendall(message("HELLO", "2", "AUTH", "default", "planted-secret-1"))
        sock.recv(65536)
        ask(sock, "SET", "visible-key", "planted-secret-3" * 100)
        ask(sock, "GET", "visible-key")
        ask(sock, "EVAL", "return 'planted-secret-4'", "0")
        sock.sendall(b"AUTH planted-secret-5\r\n")  # inline
        answers(sock, 1)
        ask(sock, "ACL", "SETUSER", "somebody", ">planted-secret-6")


{name: ways for name, ways in list(globals().items()) if callable(ways)}[way]()
