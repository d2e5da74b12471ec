# SPDX-License-Identifier: GPL-2.0-or-later
"""A Celery application: BROKER is a Redis, BACKEND the result backend (db+mysql://…) that the project's settings have by default.

`python3 -m celery -A shop_tasks worker` runs it; `shop_tasks.py N` asks for N tasks and waits until they ran.
IGNORE_RESULT=0: every task's result is stored in the backend; unexpected-connect is expected where a policy does not
allow it, from celery's backend. IGNORE_RESULT=1: the worker never turns to the backend; nothing is expected.
PAUSE_SECONDS is what a task waits for a Redis key of its own (BLPOP), so that there is a wait inside the task.
"""

import os
import sys

import redis
from celery import Celery

app = Celery("shop_tasks", broker=os.environ["BROKER"], backend=os.environ["BACKEND"])
app.conf.update(task_ignore_result=os.environ.get("IGNORE_RESULT") == "1", worker_hijack_root_logger=False,
                broker_connection_retry=False)


def store():
    return redis.Redis.from_url(os.environ["BROKER"])


@app.task
def charge(number):
    connection = store()
    connection.blpop("never", timeout=float(os.environ.get("PAUSE_SECONDS", "0.05")))  # waits
    connection.incr("charged")
    return number * 2


def main():
    count = int(sys.argv[1])
    for number in range(count):
        charge.delay(number)


if __name__ == "__main__":
    main()
