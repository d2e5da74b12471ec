# SPDX-License-Identifier: GPL-2.0-or-later
"""A gevent WSGI server, monkey-patched, over a database and a cache.

GET /db runs one query, GET /cache reads one key, GET /page reads ten keys and runs one query, GET / does
nothing. Connections are made once.
DRIVER=mysqldb and CACHE=pylibmc are C libraries that gevent cannot patch: non-yielding-io is expected for each.
DRIVER=pymysql and CACHE=memcache are Python: nothing is expected.
PORT, MYSQL_PORT, MYSQL_PASSWORD, MEMCACHED_PORT say where. QUERY_SECONDS is what a query takes, CACHED_BYTES the size of
the cached value. WARMUP queries run before the loop starts. TRUTH: see truth.py.
"""

from gevent import monkey

monkey.patch_all()

import os
import signal
import socket
import sys

import gevent
from gevent.pywsgi import WSGIServer
from gevent.queue import Queue

import truth


def connect_database():
    if os.environ.get("DRIVER") == "pymysql":
        import pymysql as driver
    else:
        import MySQLdb as driver
    return driver.connect(host="127.0.0.1", port=int(os.environ["MYSQL_PORT"]), user="probe",
                          password=os.environ["MYSQL_PASSWORD"])


def connect_cache():
    address = f"127.0.0.1:{os.environ['MEMCACHED_PORT']}"
    if os.environ.get("CACHE") == "memcache":
        import memcache
        return memcache.Client([address])
    import pylibmc
    return pylibmc.Client([address])


class Shop:
    """The application: a pool of connections and two views."""

    def __init__(self):
        self.query = f"SELECT SLEEP({os.environ.get('QUERY_SECONDS', '0.005')})"
        self.databases, self.caches = Queue(), Queue()

    def open(self, size):
        if "MYSQL_PORT" in os.environ:
            for _ in range(size):
                self.databases.put(connect_database())
        if "MEMCACHED_PORT" in os.environ:
            for _ in range(size):
                self.caches.put(connect_cache())
            cache = self.caches.get()
            cache.set("user:1", "x" * int(os.environ.get("CACHED_BYTES", "100")))
            self.caches.put(cache)

    def load_user(self):
        database = self.databases.get()
        cursor = database.cursor()
        with truth.measure():
            cursor.execute(self.query)  # blocks: query
        cursor.fetchall()
        cursor.close()
        self.databases.put(database)

    def read_cache(self):
        cache = self.caches.get()
        with truth.measure():
            cache.get("user:1")  # blocks: cache
        self.caches.put(cache)

    def handle(self, environ, start_response):
        views = {"/db": [self.load_user], "/cache": [self.read_cache], "/page": [self.read_cache] * 10 + [self.load_user], "/": []}
        for view in views[environ["PATH_INFO"]]:
            view()
        start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "3")])
        return [b"ok\n"]


def main():
    shop = Shop()
    shop.open(4)
    for _ in range(int(os.environ.get("WARMUP", "0"))):
        shop.load_user()
    server = WSGIServer(("127.0.0.1", int(os.environ["PORT"])), shop.handle, log=None)
    gevent.signal_handler(signal.SIGTERM, server.stop)
    server.start()
    server.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    server.serve_forever()


if __name__ == "__main__":
    sys.exit(main())
