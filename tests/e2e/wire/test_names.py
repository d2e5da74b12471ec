#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Name servers that are asked without a connection: what was recorded is what they were asked, each for itself."""

import collections
import socket
import threading
import time

import dns.message
import dns.rcode
import dns.rdatatype

from lib.case import Case, main, require_root
from lib.process import PROGRAMS, PYTHON
from lib.recording import Recording
from lib.spoken import CLIENT, Spoken

ASKS = PROGRAMS / "names_ask.py"
WAYS = ["dnspython", "shared", "messages", "unnamed", "strangers"]


class NameServer(threading.Thread):
    """Answers late, and of every four answers two change places; names that begin with "no" are not there."""

    def __init__(self, address):
        super().__init__(daemon=True)
        self.asked = collections.Counter()
        self.missing = collections.Counter()
        self.address = address
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((address, 53))
        self.start()

    def run(self):
        while True:
            data, client = self.socket.recvfrom(512)
            query = dns.message.from_wire(data)
            kind, absent = dns.rdatatype.to_text(query.question[0].rdtype), query.question[0].name.to_text().startswith("no")
            self.asked[kind] += 1
            self.missing[kind] += absent
            reply = dns.message.make_response(query)
            reply.set_rcode(dns.rcode.NXDOMAIN if absent else dns.rcode.NOERROR)
            threading.Thread(target=self.answer, args=(reply.to_wire(), client, 0.001 + self.asked[kind] % 3 / 1000)).start()

    def answer(self, data, client, seconds):
        time.sleep(seconds)
        self.socket.sendto(data, client)


@require_root
class Names(Case):
    def ask(self, way, count=50):
        servers = [NameServer(f"127.53.{number}.{WAYS.index(way) + 1}") for number in (1, 2)]
        with Recording([PYTHON, ASKS, way, *(server.address for server in servers), count], CPROBE_SAMPLE="1us") as r:
            self.assertEqual(r.process.wait(), 0, r.process.output())
        return servers, Spoken(r.directory)

    def counts(self, spoken, server):
        """{type: (count, failed)} of what was asked of one server."""
        trace, = spoken.traces
        endpoints = {e["id"] for e in trace.events if e["type"] == "endpoint" and e["role"] == CLIENT
                     and str(e["text"]) == f"{server.address}:53"}
        operations = {e["id"]: str(e["verb"]) for e in trace.events if e["type"] == "operation" and e["endpoint"] in endpoints}
        return {operations[c["endpoint"]]: (c["count"], c["failed"]) for thread in trace.threads for c in thread.counters
                if c["call"] == "request" and c["endpoint"] in operations}

    def check(self, way):
        servers, spoken = self.ask(way)
        for server in servers:
            self.assertEqual(self.counts(spoken, server), {kind: (count, server.missing[kind]) for kind, count in server.asked.items()})
        self.assertEqual(spoken.protocols(), {"dns"})
        self.assertEqual(sum(sum(server.asked.values()) for server in servers), 50 if way == "unnamed" else 100)
        return servers, spoken

    def test_dnspython(self):
        self.check("dnspython")

    def test_shared(self):
        """Waits are for the server that was asked last, and for what it was asked. Before anybody is asked nobody is waited for."""
        servers, spoken = self.check("shared")
        trace, = spoken.traces
        endpoints = {e["id"]: str(e["text"]) for e in trace.events if e["type"] == "endpoint"}
        waits = collections.Counter()
        for e in trace.events:
            if e["type"] == "wait" and endpoints.get(e["endpoint"], "").endswith(":53"):
                waits[endpoints[e["endpoint"]]] += e["duration_ns"]
        self.assertEqual(waits.most_common(1)[0][0], f"{servers[1].address}:53")
        contexts = {e["operation"] for e in spoken.events("context") if e["operation"]}
        self.assertTrue(contexts & {e["id"] for e in spoken.events("operation") if str(e["verb"]) == "AAAA"})

    def test_messages(self):
        self.check("messages")

    def test_unnamed(self):
        self.check("unnamed")

    def test_strangers(self):
        servers, spoken = self.ask("strangers")
        self.assertEqual([server.asked.total() for server in servers], [0, 0])
        self.assertEqual(spoken.protocols(), set())
        self.assertEqual(spoken.requests(), {})


if __name__ == "__main__":
    main()
