# SPDX-License-Identifier: GPL-2.0-or-later
"""What the traces of a recording say was asked on connections."""

import collections

from lib.recorded import Trace, is_trace

CLIENT, SERVER = 1, 2  # enum endpoint_role
PROTOCOLS = ("unknown", "redis", "mysql", "pgsql", "memcached", "mongodb", "amqp", "http", "http2", "dns", "tls")
FAILED, NOTABLE, CURSOR, GIVEN_UP = 1, 2, 4, 32  # REQUEST_*

Sum = collections.namedtuple("Sum", "count failed bytes total_ns")


class Spoken:
    """All processes of one directory together."""

    def __init__(self, directory, stacks=False):
        self.traces = [Trace(path, stacks) for path in sorted(directory.glob("*.trace")) if is_trace(path)]

    def requests(self, role=CLIENT, protocol=None, text=False):
        """{verb: Sum} from the exact counters; text=True: {(verb, text): Sum}."""
        sums = collections.defaultdict(lambda: [0, 0, 0, 0])
        for trace in self.traces:
            operations = {e["id"]: e for e in trace.events if e["type"] == "operation"}
            for counter in (c for thread in trace.threads for c in thread.counters if c["call"] == "request"):
                operation = operations[counter["endpoint"]]
                if operation["role"] != role or protocol not in (None, PROTOCOLS[operation["protocol"]]):
                    continue
                verb = str(operation["verb"])
                total = sums[(verb, str(operation["text"])) if text else verb]
                for i, name in enumerate(("count", "failed", "bytes", "total")):
                    total[i] += counter[name]
        return {verb: Sum(*total) for verb, total in sums.items()}

    def counts(self, role=CLIENT, protocol=None):
        """{verb: (count, failed)}"""
        return {verb: (total.count, total.failed) for verb, total in self.requests(role, protocol).items()}

    def events(self, kind):
        return [e for trace in self.traces for e in trace.events if e["type"] == kind]

    def operation_verbs(self, trace):
        return {e["id"]: str(e["verb"]) for e in trace.events if e["type"] == "operation"}

    def endpoints(self):
        return {text for trace in self.traces for _, text in trace.endpoints().values()}

    def protocols(self):
        return {PROTOCOLS[e["protocol"]] for e in self.events("protocol")}
