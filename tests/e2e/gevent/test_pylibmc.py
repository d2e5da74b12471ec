#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""pylibmc blocks a gevent server's loop, many times and never for long; python-memcached does not."""

import os

from lib.case import Case, main
from lib.servers import Memcached


class Cache(Case):
    @classmethod
    def setUpClass(cls):
        # On the server's own CPU memcached would often answer before the server gets to wait: give it another one.
        first, *others = sorted(os.sched_getaffinity(0))
        cls.wrapper = ["taskset", "-c", str(first)]
        os.sched_setaffinity(0, others or {first})
        cls.cache = cls.enterClassContext(Memcached())

    def record(self, client):
        return self.record_server("gevent_server.py", "/cache", wrk_seconds=3, wrapper=self.wrapper, CACHE=client,
                                  MEMCACHED_PORT=self.cache.port)

    def test_pylibmc_blocks(self):
        report, truth = self.record("pylibmc")
        found = self.find(report, module="libmemcached.so", function="read_cache", address=f"127.0.0.1:{self.cache.port}")
        worst = found[0]
        self.assert_loop(report, worst, "gevent")
        self.assert_place(worst, "gevent_server.py", "read_cache", "# blocks: cache")
        self.assert_total(found, truth)

    def test_memcache_yields(self):
        report, _ = self.record("memcache")
        self.assert_clean(report)


if __name__ == "__main__":
    main()
