#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""memcached, MariaDB and PostgreSQL: what was recorded of a client is what the server's own log or statistics say."""

import collections
import re
import socket

from lib.case import Case, main
from lib.process import PROGRAMS, PYTHON, run, scratch
from lib.recording import Recording
from lib.servers import PASSWORD, MariaDB, Memcached, Postgres
from lib.spoken import Spoken

ASKS = PROGRAMS / "servers_ask.py"


def record(test, *argv):
    with Recording([PYTHON, ASKS, *argv]) as r:
        test.assertEqual(r.process.wait(), 0, r.process.output())
    raw = b"".join(path.read_bytes() for path in r.directory.glob("*.trace"))
    test.assertNotIn(b"planted", raw)
    return Spoken(r.directory)


class Memcacheds(Case):
    def test_counts(self):
        with Memcached() as memcached:
            spoken = record(self, "memcached", memcached.port, 3000)
            with socket.create_connection(("127.0.0.1", memcached.port)) as s:
                s.sendall(b"stats\r\n")
                said = b""
                while not said.endswith(b"END\r\n"):
                    said += s.recv(65536)
        stats = {name: int(value) for name, value in re.findall(r"STAT (\w+) (\d+)\r", said.decode())}
        counts = spoken.counts(protocol="memcached")
        self.assertEqual(counts["GET"][0], stats["cmd_get"])
        self.assertEqual(counts["SET"][0], stats["cmd_set"])
        self.assertEqual(counts["GET"][0], 3000)
        self.assertEqual(counts["SET"][0], 3000)


class MariaDBs(Case):
    def test_counts(self):
        with MariaDB() as database:
            home = scratch("log")
            mysql = ["mysql", "-h127.0.0.1", f"-P{database.port}", "-uprobe", f"-p{PASSWORD}", "-N", "-B", "-e"]
            run([*mysql, f"SET GLOBAL general_log_file='{home}/general.log'; SET GLOBAL general_log=1"])
            spoken = record(self, "mysql", database.port, PASSWORD, 2000)
            run([*mysql, "SET GLOBAL general_log=0"])
            log = (home / "general.log").read_text(errors="replace")
        logged = collections.Counter(re.findall(r"\tQuery\t(SELECT|INSERT|UPDATE|BAD)\b", log.replace(" Query\t", "\tQuery\t")))
        counts = spoken.counts(protocol="mysql")
        for verb in "SELECT", "INSERT", "UPDATE":
            self.assertEqual(counts[verb][0], logged[verb], verb)
        self.assertEqual(counts["SELECT"], (2001, 1))
        self.assertEqual(counts["UPDATE"], (1, 0))


class Postgreses(Case):
    def test_counts(self):
        with Postgres() as database:
            spoken = record(self, "pgsql", database.port, 2000)
        counts = spoken.counts(protocol="pgsql")
        self.assertEqual(counts["SELECT"], (2001, 1))
        self.assertEqual(counts["INSERT"], (5, 0))


if __name__ == "__main__":
    main()
