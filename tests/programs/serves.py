#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""An HTTP server that waits 20 ms for each request, one behind the other: serves.py gevent|asyncio|threads PORT.

Expected: with gevent and threads every such wait (a call of usleep, which no monkey patching reaches) says which request it was for;
with asyncio, whose requests share one chain of frames, none claims one, but for the first. /a waits in wait_a, /b in wait_b.
"""

import ctypes
import sys

libc = ctypes.CDLL(None)
WAIT_US = 20000


def wait_a():
    libc.usleep(WAIT_US)


def wait_b():
    libc.usleep(WAIT_US)


def answer(path, rest):
    rest(0.01)
    (wait_a if path == "/a" else wait_b)()
    rest(0.01)
    return b"ok"


def serve_gevent(port):
    from gevent import monkey
    monkey.patch_all()
    import gevent
    from gevent.pywsgi import WSGIServer

    def application(environ, start):
        body = answer(environ["PATH_INFO"], gevent.sleep)
        start("200 OK", [("Content-Length", "2")])
        return [body]

    WSGIServer(("127.0.0.1", port), application, log=None).serve_forever()


def serve_threads(port):
    import http.server
    import time

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            body = answer(self.path, time.sleep)
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n" + body)

        def log_message(self, *_):
            pass

    http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()


def serve_asyncio(port):
    import asyncio

    async def handle(reader, writer):
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            await asyncio.sleep(0.01)
            (wait_a if head.split()[1] == b"/a" else wait_b)()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    async def run():
        server = await asyncio.start_server(handle, "127.0.0.1", port)
        async with server:
            await server.serve_forever()

    asyncio.run(run())


{"gevent": serve_gevent, "threads": serve_threads, "asyncio": serve_asyncio}[sys.argv[1]](int(sys.argv[2]))
