#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The worker that talks to a database nobody mentioned: Celery's result backend. Twin: ignore_result."""

import json
import subprocess
import unittest

from lib.case import Case, main
from lib.process import CPROBE, PROGRAMS, PYTHON, Process, run, scratch
from lib.recording import Recording, read_report
from lib.servers import PASSWORD, MariaDB, Redis

TASKS = 30
BACKEND_FILE = "celery/backends/database/"


def has_modules():
    tried = subprocess.run([PYTHON, "-c", "import celery, sqlalchemy, MySQLdb, redis"], capture_output=True, check=False)
    return tried.returncode == 0


@unittest.skipUnless(has_modules(), "needs python3-celery, python3-sqlalchemy, python3-mysqldb, python3-redis")
class Worker(Case):
    @classmethod
    def setUpClass(cls):
        cls.database = cls.enterClassContext(MariaDB())

    def record(self, ignore_result):
        """Records a worker while it runs TASKS tasks; (directory, settings)."""
        with Redis() as broker:
            settings = {"BROKER": f"redis://127.0.0.1:{broker.port}/0", "PYTHONPATH": PROGRAMS, "IGNORE_RESULT": ignore_result,
                        "BACKEND": f"db+mysql://probe:{PASSWORD}@127.0.0.1:{self.database.port}/shop"}
            environment = {name: str(value) for name, value in settings.items()}
            worker = [PYTHON, "-m", "celery", "-A", "shop_tasks", "worker", "--concurrency=2", "--loglevel=WARNING",
                      "--without-gossip", "--without-mingle", "--without-heartbeat"]
            with Recording(worker, **settings) as recording:
                run([PYTHON, PROGRAMS / "shop_tasks.py", TASKS], **environment)
                recording.process.until(lambda: run(["redis-cli", "-p", broker.port, "get", "charged"]).strip() == str(TASKS),
                                        seconds=120)
                recording.process.stop(timeout=60)
            self.broker_port = broker.port
            return recording.directory

    def judged(self, directory, *allow):
        config = scratch("config") / "cprobe.yaml"
        config.write_text(json.dumps({"connect": {"mode": "enforce", "allow": list(allow)}}))
        return json.loads(run([CPROBE, "report", "--config", config, "--format", "json", directory]))

    def test_result_backend(self):
        directory = self.record(ignore_result=0)
        address = f"127.0.0.1:{self.database.port}"
        self.assertEqual([f for f in read_report(directory)["findings"] if f["rule"] == "unexpected-connect"], [])

        report = self.judged(directory, f"redis://127.0.0.1:{self.broker_port}")
        found = self.find(report, "unexpected-connect", address=address)
        finding = max(found, key=lambda f: f["evidence"]["requests"])
        self.assertEqual(finding["severity"], "error")
        self.assertEqual(finding["process"]["name"], "celery")
        self.assertEqual(finding["peer"]["protocol"], "mysql")
        self.assertEqual(finding["stacks"][0]["role"], "opened")
        self.assertIn(BACKEND_FILE, finding["evidence"]["opened_from"])
        self.assertIn("MySQLdb", finding["evidence"]["through"])
        self.assertIn("celery_taskmeta", json.dumps([f["evidence"]["said"] for f in found]))
        self.assertGreaterEqual(sum(f["evidence"]["requests"] for f in found), 3 * TASKS)
        self.assertGreater(finding["total_ns"], 0)
        self.assertTrue(all(f["peer"]["address"] == address for f in found))

        endpoint = next(e for e in report["endpoints"] if e["address"] == address)
        self.assertEqual(endpoint["protocol"], "mysql")
        inserts = [o for o in endpoint["top_operations"] if o["operation"].startswith("INSERT INTO celery_taskmeta")]
        self.assertEqual(sum(o["count"] for o in inserts), TASKS)
        broker = next(e for e in report["endpoints"] if e["address"] == f"127.0.0.1:{self.broker_port}")
        self.assertEqual(broker["protocol"], "redis")
        self.check_written_policy(directory)

    def check_written_policy(self, directory):
        """What was seen, written as a policy, allows what was seen."""
        policy = scratch("policy") / "cprobe.yaml"
        run([CPROBE, "report", "--write-policy", policy, "-o", policy.with_suffix(".json"), directory])
        self.assertIn(f"mysql://127.0.0.1:{self.database.port}", policy.read_text())
        report = json.loads(run([CPROBE, "report", "--config", policy, "--format", "json", directory]))
        self.assertEqual([f for f in report["findings"] if f["rule"] == "unexpected-connect"], [])

    def test_ignored_results(self):
        report = self.judged(self.record(ignore_result=1), f"redis://127.0.0.1:{self.broker_port}")
        self.assertEqual([f for f in report["findings"] if f["rule"] == "unexpected-connect"], [])
        self.assertNotIn(f"127.0.0.1:{self.database.port}", [e["address"] for e in report["endpoints"]])


if __name__ == "__main__":
    main()
