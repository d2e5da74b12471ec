#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""make demo: a gevent server whose C drivers block it, recorded while real requests arrive; then the repaired server."""

import os
import pathlib
import shutil
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "e2e"))

from lib import load
from lib.process import CPROBE, PROGRAMS, PYTHON, Process, free_port, run
from lib.recording import preload
from lib.servers import PASSWORD, MariaDB, Memcached

SECONDS = 5


def say(text):
    print(text, flush=True)


def record(directory, database, cache, driver, client):
    """Serves requests for SECONDS with these drivers under a plain LD_PRELOAD; returns the requests per second."""
    port = free_port()
    env = {"PORT": str(port), "DRIVER": driver, "CACHE": client, "MYSQL_PORT": str(database.port), "MYSQL_PASSWORD": PASSWORD,
           "MEMCACHED_PORT": str(cache.port), "QUERY_SECONDS": "0.002", "CACHED_BYTES": "100000"}
    with Process([PYTHON, PROGRAMS / "gevent_server.py"], env={**env, **preload(directory)}) as server:
        server.until_listening(port)
        rate = load.wrk(port, "/page", seconds=SECONDS, connections=16)
        server.stop()
    return rate


def main():
    say("Starting a MariaDB and a memcached on loopback.")
    with MariaDB() as database, Memcached() as cache:
        home = pathlib.Path(os.environ["TEST_TMP"])
        say(f"\n1. A gevent server with MySQLdb and pylibmc answers requests for {SECONDS} s:\n"
            f"     LD_PRELOAD=libcprobe.so CPROBE_DIR=guilty python3 gevent_server.py")
        guilty = record(home / "guilty", database, cache, "mysqldb", "pylibmc")
        say(f"   {guilty:.0f} requests per second. What cprobe report says:\n")
        say(run([CPROBE, "report", home / "guilty"]))
        say(f"2. The same server with PyMySQL and python-memcached, which gevent can patch:\n"
            f"     LD_PRELOAD=libcprobe.so CPROBE_DIR=repaired python3 gevent_server.py")
        repaired = record(home / "repaired", database, cache, "pymysql", "memcache")
        say(f"   {repaired:.0f} requests per second. What cprobe report says:\n")
        say(run([CPROBE, "report", home / "repaired"]))
    say("What you saw: two C libraries that gevent cannot patch stopped the whole server during each of their waits. The report\n"
        "named them, the peer that they waited for and the line of gevent_server.py that called them, though server and drivers\n"
        "are unmodified and know nothing of cprobe. With drivers that yield, the same report finds nothing.")


if __name__ == "__main__":
    os.environ["TEST_TMP"] = tempfile.mkdtemp(prefix="cprobe-demo.")
    try:
        main()
    finally:
        shutil.rmtree(os.environ["TEST_TMP"], ignore_errors=True)
