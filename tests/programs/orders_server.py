# SPDX-License-Identifier: GPL-2.0-or-later
"""A threaded HTTP server over a database: GET /orders lists an order with its ITEMS items.

QUERIES=each: one statement an item (the N+1 pattern: keyspace-sweep is expected, in GET /orders, at the marked line);
QUERIES=once: one statement for all (nothing is expected). PORT, MYSQL_PORT, MYSQL_PASSWORD say where. TRUTH: see truth.py.
"""

import os
import signal
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import MySQLdb

import truth

ITEMS = 25
local = threading.local()


def database():
    if not hasattr(local, "connection"):
        local.connection = MySQLdb.connect(host="127.0.0.1", port=int(os.environ["MYSQL_PORT"]), user="probe",
                                           password=os.environ["MYSQL_PASSWORD"], database="shop")
    return local.connection


def items_of_order():
    cursor = database().cursor()
    if os.environ["QUERIES"] == "once":
        cursor.execute("SELECT name FROM user WHERE id IN (" + ",".join(str(number) for number in range(ITEMS)) + ")")
        return len(cursor.fetchall())
    for number in range(ITEMS):
        with truth.measure():
            cursor.execute(f"SELECT name FROM user WHERE id = {number}")  # asks
        cursor.fetchall()
    return ITEMS


class Orders(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = f"{items_of_order()}\n".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def main():
    server = ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Orders)
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    server.serve_forever()


if __name__ == "__main__":
    sys.exit(main())
