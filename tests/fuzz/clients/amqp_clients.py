# SPDX-License-Identifier: GPL-2.0-or-later
"""Clients of RabbitMQ whose conversations are recorded. Each returns the account of what it has asked for, method by method."""

import collections
import contextlib
import os
import subprocess

from lib.process import free_port, run, scratch
from lib.servers import Server

HOST = "127.0.0.1"


class RabbitMQ(Server):
    """With an Erlang port mapper of its own, which ends with it."""

    def __init__(self):
        home, port = scratch("rabbitmq"), free_port()
        (home / "enabled_plugins").write_text("[].\n")
        (home / "rabbitmq.conf").write_text(f"listeners.tcp.1 = {HOST}:{port}\n")
        self.home = home
        self.environment = {"HOME": str(home), "RABBITMQ_NODENAME": f"cprobe{port}@localhost", "RABBITMQ_MNESIA_BASE": str(home / "data"),
                            "RABBITMQ_LOG_BASE": str(home / "log"), "RABBITMQ_LOGS": "-", "RABBITMQ_ENABLED_PLUGINS_FILE": str(home / "enabled_plugins"),
                            "RABBITMQ_CONFIG_FILE": str(home / "rabbitmq.conf"), "RABBITMQ_CONF_ENV_FILE": "/dev/null", "RABBITMQ_DIST_PORT": str(free_port()),
                            "RABBITMQ_PID_FILE": str(home / "pid"), "ERL_EPMD_PORT": str(free_port()), "ERL_EPMD_ADDRESS": HOST}
        super().__init__(["/usr/lib/rabbitmq/bin/rabbitmq-server"], port, env=self.environment)

    def until_listening(self, port):
        self.until(lambda: "Server startup complete" in self.output(), 120)

    def stop(self, *arguments, **options):
        status = super().stop(*arguments, **options)
        subprocess.run(["epmd", "-kill"], env={**os.environ, **self.environment}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
        return status


def pika_(port):
    import pika

    parameters = pika.ConnectionParameters(HOST, port, frame_max=4096, credentials=pika.PlainCredentials("guest", "guest"))
    connection = pika.BlockingConnection(parameters)
    channel = connection.channel()
    channel.exchange_declare("logs", "topic")
    channel.queue_declare("tasks")
    channel.queue_bind("tasks", "logs", "user.#")
    for n in range(20):
        channel.basic_publish("logs", f"user.{1000 + n}", b"planted" * n)
    for _ in range(5):
        channel.basic_get("tasks", auto_ack=True)
    channel.queue_purge("tasks")
    channel.basic_get("tasks", auto_ack=True)
    channel.confirm_delivery()
    for n in range(10):
        channel.basic_publish("", "tasks", b"x" * 1000 * n, mandatory=True)
    with contextlib.suppress(pika.exceptions.UnroutableError):
        channel.basic_publish("", "nobody", b"planted", mandatory=True)
    got = 0
    for method, _, _ in channel.consume("tasks"):
        channel.basic_ack(method.delivery_tag)
        got += 1
        if got == 10:
            break
    channel.cancel()
    other = connection.channel()
    with contextlib.suppress(pika.exceptions.ChannelClosedByBroker):
        other.queue_declare("nothing", passive=True)
    channel.queue_delete("tasks")
    connection.close()
    return {"CONNECT": 1, "CONNECTION.OPEN": 1, "CONNECTION.CLOSE": 1, "CHANNEL.OPEN": 2, "EXCHANGE.DECLARE": 1, "QUEUE.DECLARE": 2, "QUEUE.BIND": 1,
            "BASIC.PUBLISH": 31, "BASIC.GET": 6, "QUEUE.PURGE": 1, "CONFIRM.SELECT": 1, "BASIC.CONSUME": 1, "BASIC.ACK": 10, "BASIC.CANCEL": 1,
            "QUEUE.DELETE": 1, "failed": 1}


def celery_like(port):
    """kombu with py-amqp, Celery's driver: it reads a frame's header, its payload and its end one by one."""
    import kombu

    counts = collections.Counter()
    with kombu.Connection(f"amqp://guest:guest@{HOST}:{port}//", heartbeat=0) as connection:
        queue = connection.SimpleQueue("celery")
        for n in range(12):
            queue.put({"task": "planted", "id": n})
        for _ in range(12):
            queue.get(timeout=10).ack()
        queue.close()
    counts.update({"CONNECT": 1, "CONNECTION.OPEN": 1, "CONNECTION.CLOSE": 1, "BASIC.PUBLISH": 12, "BASIC.ACK": 12, "BASIC.CONSUME": 1})
    return counts


CLIENTS = {"pika": pika_, "kombu": celery_like}


def prepare(server):
    """Waits until the server's own tools find it complete."""
    run(["/usr/lib/rabbitmq/bin/rabbitmqctl", "-n", server.environment["RABBITMQ_NODENAME"], "await_startup"], **server.environment)
