#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""https_client.py socket|memory PORT CERTIFICATE: seven GETs and a failing one over one connection inside TLS, whose
session works on the socket (http.client) or on memory (asyncio). The query and the cookie are secrets."""

import asyncio
import http.client
import ssl
import sys

kind, port, certificate = sys.argv[1], int(sys.argv[2]), sys.argv[3]
context = ssl.create_default_context(cafile=certificate)
PATHS = [f"/cards/{i}?token=hunter2" for i in range(7)] + ["/missing"]


def over_socket():
    connection = http.client.HTTPSConnection("localhost", port, context=context)
    for path in PATHS:
        connection.request("GET", path, headers={"Cookie": "session=hunter2", "Authorization": "Bearer hunter2"})
        assert connection.getresponse().read() == b"hello"


async def over_memory():
    reader, writer = await asyncio.open_connection("localhost", port, ssl=context)
    for path in PATHS:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nCookie: session=hunter2\r\n\r\n".encode())
        await reader.readuntil(b"hello")
    writer.close()


if kind == "socket":
    over_socket()
else:
    asyncio.run(over_memory())
