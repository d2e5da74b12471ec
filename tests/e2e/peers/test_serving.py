#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Which request a thread or greenlet was at work on: the N+1 pattern, and queries that block a gevent server."""

from lib.case import Case, main
from lib.servers import PASSWORD, MariaDB

REQUESTS = 60
ITEMS = 25


class Serving(Case):
    @classmethod
    def setUpClass(cls):
        cls.database = cls.enterClassContext(MariaDB())

    def record(self, program, path, count, **settings):
        report, _ = self.record_server(program, path, count, clients=4, MYSQL_PORT=self.database.port,
                                       MYSQL_PASSWORD=PASSWORD, **settings)
        return report

    def test_one_statement_for_each_item(self):
        report = self.record("orders_server.py", "/orders", REQUESTS, QUERIES="each", CPROBE_SAMPLE="100us")
        found = self.find(report, "keyspace-sweep")
        self.assertEqual(len(found), 1)
        self.assertEqual(found[0]["severity"], "warning")
        self.assertEqual(found[0]["operation"], "SELECT name FROM user WHERE id = ?")
        self.assertEqual(found[0]["serving"], "GET /orders")
        self.assertEqual(found[0]["evidence"]["requests_served"], REQUESTS)
        self.assertAlmostEqual(found[0]["evidence"]["per_request"], ITEMS, delta=0.5)
        self.assert_place(found[0], "orders_server.py", "items_of_order", "# asks")

    def test_one_statement_for_all_items(self):
        self.assert_clean(self.record("orders_server.py", "/orders", REQUESTS, QUERIES="once", CPROBE_SAMPLE="100us"))

    def test_greenlets(self):
        report = self.record("gevent_server.py", "/db", 200, DRIVER="mysqldb")
        worst = self.find(report, module="libmariadb.so.3", function="load_user")[0]
        self.assertEqual(worst["peer"]["protocol"], "mysql")
        self.assertEqual(worst["operation"], "SELECT SLEEP(?)")
        self.assertEqual(worst["serving"], "GET /db")
        self.assertEqual(worst["context"]["kind"], "http")
        self.assertIn("MySQL query", worst["title"])


if __name__ == "__main__":
    main()
