#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""MySQLdb blocks a gevent server's loop; PyMySQL does not."""

from lib.case import Case, main
from lib.servers import PASSWORD, MariaDB


class Query(Case):
    @classmethod
    def setUpClass(cls):
        cls.database = cls.enterClassContext(MariaDB())

    def record(self, driver, **settings):
        return self.record_server("gevent_server.py", "/db", 300, DRIVER=driver, MYSQL_PORT=self.database.port,
                                  MYSQL_PASSWORD=PASSWORD, **settings)

    def find_queries(self, report):
        return self.find(report, module="libmariadb.so.3", function="load_user", address=f"127.0.0.1:{self.database.port}")

    def test_mysqldb_blocks(self):
        report, truth = self.record("mysqldb")
        found = self.find_queries(report)
        worst = found[0]
        self.assertEqual(worst["severity"], "error")
        self.assertEqual(worst["peer"]["address"], f"127.0.0.1:{self.database.port}")
        self.assert_loop(report, worst, "gevent")
        self.assert_place(worst, "gevent_server.py", "load_user", "# blocks: query")
        self.assert_total(found, truth)
        self.assertGreaterEqual(worst["max_ns"], 5_000_000)

    def test_before_the_loop_starts(self):
        report, truth = self.record("mysqldb", WARMUP=100)
        self.assertEqual(truth["count"], 400)
        self.assert_total(self.find_queries(report), truth)

    def test_pymysql_yields(self):
        report, _ = self.record("pymysql")
        self.assert_clean(report)


if __name__ == "__main__":
    main()
