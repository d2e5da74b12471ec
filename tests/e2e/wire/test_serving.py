#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Which request a wait was made for: exact for threads and greenlets, not claimed where it cannot be known."""

import collections
import threading

from lib import load
from lib.case import Case, main
from lib.process import PROGRAMS, PYTHON, free_port
from lib.recording import Recording
from lib.spoken import Spoken


def served(kind, count=40):
    """Counter of (request named, function that waited) over all waits in usleep; (None, …): none was named."""
    port = free_port()
    with Recording([PYTHON, PROGRAMS / "serves.py", kind, port]) as r:
        r.process.until_listening(port)
        clients = [threading.Thread(target=load.http_requests, args=(port, path, count, 4)) for path in ("/a", "/b")]
        for client in clients:
            client.start()
        for client in clients:
            client.join()
    trace, = Spoken(r.directory, stacks=True).traces
    texts = {e["id"]: str(e["text"]) for e in trace.events if e["type"] == "operation"}
    codes = {e["id"]: str(e["name"]) for e in trace.events if e["type"] == "code"}
    found = collections.Counter()
    for before, event in zip([None, *trace.events], trace.events):
        if event["type"] != "wait" or event["call"] != "usleep":
            continue
        frames = " ".join(event.get("frames", []))
        function = [name for number, name in codes.items() if name in ("wait_a", "wait_b") and f"code={number} " in frames + " "]
        context = before if before and before["type"] == "context" and before["time"] == event["time"] else None
        found[texts.get(context["serving"]) if context else None, function[0] if function else None] += 1
    return found


class Serving(Case):
    def assert_exact(self, found):
        self.assertGreaterEqual(found["/a", "wait_a"], 40, found)
        self.assertGreaterEqual(found["/b", "wait_b"], 40, found)
        self.assertEqual(len(found), 2, found)

    def test_threads(self):
        self.assert_exact(served("threads"))

    def test_gevent(self):
        self.assert_exact(served("gevent"))

    def test_asyncio(self):
        found = served("asyncio")
        self.assertLessEqual(sum(n for (named, _), n in found.items() if named), 1, found)
        self.assertGreaterEqual(sum(found.values()), 80)


if __name__ == "__main__":
    main()
