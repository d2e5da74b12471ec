#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Well-behaved servers under load: default settings find nothing."""

import signal

from lib import load
from lib.case import Case, main
from lib.process import PROGRAMS, PYTHON, free_port, run, scratch
from lib.recording import Recording, preload, read_report
from lib.servers import PASSWORD, MariaDB, Memcached, Nginx, Postgres, Redis, postgres_tool


class Innocent(Case):
    def record(self, server, drive):
        """Records a server of lib.servers while drive(it) runs; its report."""
        home = scratch("recording")
        home.chmod(0o777)
        with server(env=preload(home / "data")) as running:
            drive(running)
            running.stop(signal.SIGINT if server is Postgres else signal.SIGTERM)
        return read_report(home / "data")

    def assert_loops(self, report, at_least=1):
        """Silence proves little if the loop was not seen at all."""
        self.assertGreaterEqual(len(report["loops"]), at_least, report["processes"])

    def test_redis(self):
        report = self.record(Redis, lambda redis: load.redis_benchmark(redis.port))
        self.assert_clean(report)
        self.assert_loops(report)

    def test_nginx(self):
        report = self.record(Nginx, lambda nginx: load.wrk(nginx.port))
        self.assert_clean(report)
        self.assert_loops(report)

    def test_memcached(self):
        def drive(cache):
            run(["/usr/bin/python3", "-c", "import pylibmc, sys\n"
                 "clients = [pylibmc.Client(['127.0.0.1:' + sys.argv[1]]) for _ in range(8)]\n"
                 "for i in range(3000):\n    clients[i % 8].set(str(i % 100), 'x' * 500); clients[-i % 8].get(str(i % 100))",
                 cache.port])

        report = self.record(Memcached, drive)
        self.assert_clean(report)
        self.assert_loops(report)

    def test_postgresql(self):
        def drive(database):
            pgbench = [postgres_tool("pgbench"), "-h", "127.0.0.1", "-p", str(database.port), "-U", "postgres"]
            run([*pgbench, "-i", "-q", "postgres"])
            run([*pgbench, "-c", "4", "-t", "100", "-n", "postgres"])

        self.assert_clean(self.record(Postgres, drive))

    def test_mariadb(self):
        def drive(database):
            run(["mariadb-slap", "--no-defaults", "-h", "127.0.0.1", f"-P{database.port}", "-uprobe", f"-p{PASSWORD}",
                 "--concurrency=4", "--number-of-queries=1000", "--query=SELECT * FROM shop.user", "--create-schema=shop"])

            run(["mariadb-slap", "--no-defaults", "-h", "127.0.0.1", f"-P{database.port}", "-uprobe", f"-p{PASSWORD}", "--concurrency=4",
                 "--auto-generate-sql", "--auto-generate-sql-load-type=mixed", "--auto-generate-sql-add-autoincrement",
                 "--number-of-queries=2000", "--engine=innodb", "--create-schema=slap"])

        self.assert_clean(self.record(MariaDB, drive))


class Runtime(Case):
    """Servers in other languages, and a TLS client."""

    def record_command(self, argv, exit_status):
        port = free_port()
        with Recording(argv, PORT=port) as recording:
            recording.process.until_listening(port)
            load.wrk(port)
            self.assertEqual(recording.process.stop(), exit_status, recording.process.output())
            return recording.report()

    def test_python_threads(self):
        with Recording([PYTHON, PROGRAMS / "python_threads.py"]) as recording:
            self.assertEqual(recording.process.wait(), 0, recording.process.output())
            findings = recording.report()["findings"]
        # That threads which compute wait for their turn is so.
        self.assertEqual([f["title"] for f in findings if f["evidence"].get("lock") != "GIL"], [])

    def test_node(self):
        report = self.record_command(["node", PROGRAMS / "http_server.js"], 0)
        self.assert_clean(report)
        self.assertTrue({"node", "libuv"} & {loop["kind"] for loop in report["loops"]}, report["loops"])

    def test_java(self):
        classes = scratch("classes")
        run(["javac", "-d", classes, PROGRAMS / "NioServer.java"])
        # A JVM that is told to stop says so by 128 + SIGTERM.
        report = self.record_command(["java", "-Xmx64m", "-cp", classes, "NioServer"], 143)
        self.assert_clean(report)
        self.assertTrue(report["loops"])

    def test_openssl(self):
        home, port = scratch("tls"), free_port()
        run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-days", "1",
             "-keyout", home / "key", "-out", home / "cert"])
        with Recording(["openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-key", home / "key", "-cert", home / "cert",
                        "-www", "-quiet"]) as server:
            server.process.until_listening(port)
            with Recording(["curl", "-sk", *[f"https://127.0.0.1:{port}/"] * 20]) as client:
                self.assertEqual(client.process.wait(), 0, client.process.output())
                self.assert_clean(client.report())
            server.process.stop()
            self.assert_clean(server.report())


if __name__ == "__main__":
    main()
