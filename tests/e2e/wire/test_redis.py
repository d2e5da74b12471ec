#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Redis: what was recorded of its clients, and of itself, is what it counted itself."""

import re

from lib import load
from lib.case import Case, main
from lib.process import PROGRAMS, PYTHON, Process, free_port, run, scratch
from lib.recording import Recording, preload
from lib.servers import Redis
from lib.spoken import GIVEN_UP, NOTABLE, SERVER, Spoken

ASKS = PROGRAMS / "redis_asks.py"


def commandstats(port):
    """{verb: (calls, failed)} of INFO commandstats; what it takes to ask is left out."""
    text = run(["redis-cli", "-p", port, "info", "commandstats"])
    found = re.findall(r"cmdstat_([^:]+):calls=(\d+),.*?rejected_calls=(\d+),failed_calls=(\d+)", text)
    stats = {verb.replace("|", " ").upper(): (int(calls), int(rejected) + int(failed)) for verb, calls, rejected, failed in found}
    return {verb: stat for verb, stat in stats.items() if verb not in ("INFO", "CONFIG RESETSTAT", "COMMAND DOCS")}


class Redises(Case):
    @classmethod
    def setUpClass(cls):
        cls.redis = Redis()

    @classmethod
    def tearDownClass(cls):
        cls.redis.stop()

    def ask(self, way, count, address=None, port=None, **settings):
        """Runs redis_asks.py recorded; what was recorded is what the server says."""
        port = port or self.redis.port
        run(["redis-cli", "-p", port, "config", "resetstat"])
        with Recording([PYTHON, ASKS, way, address or port, count], **settings) as r:
            self.assertEqual(r.process.wait(), 0, r.process.output())
        spoken = Spoken(r.directory)
        self.assertEqual(spoken.counts(), commandstats(port))
        return spoken

    def test_one_at_a_time(self):
        spoken = self.ask("plain", 5000)
        self.assertEqual(spoken.counts()["LPUSH"], (1, 1))
        self.assertEqual(spoken.protocols(), {"redis"})
        connect, = spoken.events("connect")
        self.assertEqual((connect["error"], connect["flags"]), (0, 0))

    def test_pipelined(self):
        self.assertEqual(self.ask("pipelined", 20000).counts()["LPUSH"], (4000, 4000))

    def test_threads(self):
        """One sends while another receives, on one connection. Either may lose its CPU while it is at work on what is said."""
        spoken = self.ask("threads", 10000)
        self.assertEqual(sum(1 for e in spoken.events("request") if e["flags"] & GIVEN_UP), 0)

    def test_scattered(self):
        self.ask("scattered", 200)

    def test_peeked(self):
        self.ask("peeked", 200)

    def test_dup(self):
        self.ask("dup", 200)

    def test_fork(self):
        self.assertEqual(len(self.ask("fork", 200).traces), 2)

    def test_passed(self):
        self.assertEqual(len(self.ask("passed", 200).traces), 2)

    def test_reused(self):
        connects = self.ask("reused", 300).events("connect")
        self.assertAlmostEqual(sum(c["weight"] for c in connects), 300, delta=5)
        self.assertTrue(all(c["stack"] for c in connects[:16]))

    def test_hurried(self):
        connect, = self.ask("hurried", 200).events("connect")
        self.assertEqual((connect["error"], connect["flags"]), (0, 1))
        self.assertTrue(connect["stack"])

    def test_off(self):
        with Recording([PYTHON, ASKS, "plain", self.redis.port, 10], CPROBE_WIRE="off") as r:
            self.assertEqual(r.process.wait(), 0, r.process.output())
        self.assertEqual(Spoken(r.directory).counts(), {})

    def test_addresses(self):
        home = scratch("redis6")
        port = free_port()
        with Process(["redis-server", "--port", port, "--bind", "127.0.0.1", "::1", "--unixsocket", home / "s", "--save", "",
                      "--dir", home]) as server:
            server.until_listening(port)
            spoken = self.ask("plain", 50, address=home / "s", port=port)
            self.assertIn(str(home / "s"), spoken.endpoints())
            spoken = self.ask("plain", 50, address=f"[::1]:{port}", port=port)
            self.assertIn(f"[::1]:{port}", spoken.endpoints())

    def test_secrets_stay_out(self):
        with Redis() as redis:
            with Recording([PYTHON, ASKS, "secrets", redis.port]) as r:
                self.assertEqual(r.process.wait(), 0, r.process.output())
        raw = b"".join(path.read_bytes() for path in r.directory.glob("*.trace"))
        self.assertNotIn(b"planted-secret", raw)
        self.assertIn(b"AUTH", raw)
        counts = Spoken(r.directory).counts()
        self.assertEqual(counts["AUTH"][0], 3)
        self.assertEqual(counts["SET"], (1, 0))

    def test_benchmark_as_client_and_server(self):
        """Both sides at once, non-blocking: redis-benchmark and redis-server."""
        for pipeline, number in (1, 20000), (16, 64000), (300, 60000):
            server_data = scratch("server") / "data"
            with Redis(env=preload(server_data)) as redis:
                with Recording(["redis-benchmark", "-p", redis.port, "-n", number, "-c", 20, "-P", pipeline, "-t", "set,get",
                                "-q"]) as r:
                    self.assertEqual(r.process.wait(), 0, r.process.output())
                stats = commandstats(redis.port)
            counts, served = Spoken(r.directory).counts(), Spoken(server_data).counts(SERVER)
            for verb in "SET", "GET":
                self.assertGreaterEqual(counts[verb][0], number)
                self.assertEqual(served[verb], stats[verb], f"{verb} -P {pipeline}, as the server")
                self.assertEqual(counts[verb][0], stats[verb][0], f"{verb} -P {pipeline}, as the client")

    def test_server_names_what_it_serves(self):
        """A turn that was long is the request's that took so long."""
        server_data = scratch("server") / "data"
        with Redis(env=preload(server_data)) as redis:
            run(["redis-cli", "-p", redis.port, "eval", "for i = 1, 400000 do redis.call('set', 'k' .. i, 'v') end", "0"])
            run(["redis-cli", "-p", redis.port, "keys", "none*"])
        spoken = Spoken(server_data)
        trace, = spoken.traces
        verbs = spoken.operation_verbs(trace)
        served = {}
        for before, event in zip(trace.events, trace.events[1:]):
            if event["type"] == "turn" and before["type"] == "context" and before["time"] == event["time"]:
                served[verbs[before["serving"]]] = event["duration_ns"]
        self.assertIn("KEYS", served)
        keys = [e for e in spoken.events("request") if verbs[e["operation"]] == "KEYS"]
        self.assertEqual([e["flags"] & (NOTABLE | GIVEN_UP) for e in keys], [NOTABLE])

    def test_load_of_many_clients(self):
        self.assertTrue(load.redis_benchmark(self.redis.port, 1000))


if __name__ == "__main__":
    main()
