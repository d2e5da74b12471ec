#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""record_conversations.py [PROTOCOL…]: makes the fuzz targets' corpora anew, from real clients talking to real servers.

Each server runs on a loopback port of its own, in a temporary directory. Between it and its client stands a proxy that keeps what
passes, both ways, in the order in which it came: corpus/<protocol>/<conversation>, a sequence of chunks {side, length (2 bytes,
little endian), bytes}, side 0 the client's (fuzz_wire.h reads it). What the server says it has served goes to
tests/unit/wire/recorded/<protocol>.account, lines of "operation count", with which the unit tests compare what the parsers said.

A new protocol is one function below, named as in src/wire/protocols.def, with @protocol.
"""

import contextlib
import os
import pathlib
import selectors
import socket
import struct
import sys
import tempfile
import threading

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))

from lib import process, servers  # noqa: E402

CLIENT, SERVER = 0, 1
CHUNK_MAX = 0xFFFF
PROTOCOLS = {}


def protocol(function):
    PROTOCOLS[function.__name__] = function
    return function


class Proxy:
    """Passes connections on to a port and keeps, for each, the chunks of both sides. Use with `with`."""

    def __init__(self, port):
        self.target = port
        self.conversations = []
        self.threads = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                chunks = []
                self.conversations.append(chunks)
                thread = threading.Thread(target=self._pass_on, args=(client, chunks), daemon=True)
                self.threads.append(thread)
                thread.start()

    def _pass_on(self, client, chunks):
        with client, socket.create_connection(("127.0.0.1", self.target)) as server, selectors.DefaultSelector() as ready:
            ready.register(client, selectors.EVENT_READ, (CLIENT, server))
            ready.register(server, selectors.EVENT_READ, (SERVER, client))
            while len(ready.get_map()) == 2:
                for key, _ in ready.select():
                    side, other = key.data
                    try:
                        data = key.fileobj.recv(CHUNK_MAX)
                        other.sendall(data)
                    except OSError:
                        data = b""
                    if not data:
                        return
                    chunks.append((side, data))

    def save(self, name, conversation):
        """Keeps what was said since the last save, once all clients have closed: <conversation>, <conversation>-2, …"""
        for thread in self.threads:
            thread.join(30)
        for number, chunks in enumerate((chunks for chunks in self.conversations if chunks), 1):
            corpus_write(name, conversation if number == 1 else f"{conversation}-{number}", chunks)
        self.conversations, self.threads = [], []


def corpus_write(name, conversation, chunks):
    folder = HERE / "corpus" / name
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / conversation, "wb") as output:
        for side, data in chunks:
            output.write(struct.pack("<BH", side, len(data)) + data)


def account_write(name, counts):
    folder = HERE.parent / "unit" / "wire" / "recorded"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.account").write_text("".join(f"{key} {value}\n" for key, value in sorted(counts.items()) if value))


def talk(port, *parts):
    """Says each part as it is, and waits for an answer to it. An answer may come in pieces: the next part's is then late."""
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.settimeout(5)
        for part in parts:
            connection.sendall(part)
            connection.recv(CHUNK_MAX)


@protocol
def redis():
    import redis as driver

    def account(client):
        stats = client.info("commandstats")
        counts = {key.removeprefix("cmdstat_").replace("|", " ").upper(): value["calls"] for key, value in stats.items()}
        return counts | {"failed": sum(int(value.removeprefix("count=")) for value in client.info("errorstats").values())}

    with servers.Redis() as server, Proxy(server.port) as proxy:
        with driver.Redis(port=server.port) as own:
            own.config_resetstat()
            with driver.Redis(port=proxy.port, client_name="recorder") as r:
                redis_commands(r, driver.ResponseError)
            redis_subscriber(driver, proxy.port)
            talk(proxy.port, b"*2\r\n$5\r\nHELLO\r\n$1\r\n3\r\n", b"*2\r\n$7\r\nHGETALL\r\n$1\r\nh\r\n",
                 b"*3\r\n$6\r\nCLIENT\r\n$8\r\nTRACKING\r\n$2\r\nON\r\n", b"*2\r\n$3\r\nGET\r\n$1\r\na\r\n",
                 b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n2\r\n", b"*3\r\n$7\r\nCOMMAND\r\n$4\r\nINFO\r\n$3\r\nGET\r\n", b"*1\r\n$4\r\nQUIT\r\n")
            talk(proxy.port, b"PING\r\n", b"SET 'a key' \"a value\" EX 100\r\n", b"GET 'a key'\r\n")
            proxy.save("redis", "session")
            after = account(own)
        for own_command in ("CONFIG RESETSTAT", "INFO"):
            after.pop(own_command, None)
        account_write("redis", after)


def redis_commands(r, error):
    r.set("a", "1")
    r.set("lock", "token", nx=True, px=30000)
    r.set("lock", "other", nx=True, px=30000)
    r.setex("b", 60, "value")
    r.mset({f"k{i}": i for i in range(20)})
    r.mget([f"k{i}" for i in range(20)])
    r.hset("h", mapping={"x": 1, "y": 2})
    r.hgetall("h")
    r.rpush("l", *range(30))
    r.lrange("l", 0, -1)
    r.zadd("z", {"a": 1, "b": 2})
    r.zrange("z", 0, -1, withscores=True)
    r.expire("a", 100)
    r.set("big", "v" * 3000)
    r.get("big")
    list(r.scan_iter(match="k*", count=7))
    list(r.hscan_iter("h"))
    r.keys("k*")
    r.eval("return KEYS[1]", 1, "a")
    r.script_load("return {1, {2, {3, 'x'}}, redis.status_reply('fine')}")
    r.register_script("return {1, {2, {3, 'x'}}}")()
    with r.pipeline(transaction=True) as pipe:
        pipe.incr("a").get("a").lpush("l", "x")
        pipe.execute()
    with r.pipeline(transaction=False) as pipe:
        for i in range(80):
            pipe.get(f"k{i}")
        pipe.execute()
    for wrong in (lambda: r.lpush("a", 1), lambda: r.execute_command("NOSUCH", "x"), lambda: r.evalsha("0" * 40, 0)):
        with contextlib.suppress(error):
            wrong()
    r.config_get("maxmemory*")
    r.object("encoding", "a")
    r.xadd("s", {"f": "v"})
    r.xread({"s": "0"}, count=1)
    r.xgroup_create("s", "g")
    r.xreadgroup("g", "c", {"s": ">"})
    r.delete("a", "b", "nothing")
    r.blpop("l", timeout=1)
    r.flushdb()


def redis_subscriber(driver, port):
    with driver.Redis(port=port) as r, driver.Redis(port=port) as other:
        channel = r.pubsub()
        channel.subscribe("news", "more")
        channel.psubscribe("n*")
        for _ in range(3):
            channel.get_message(timeout=5)
        other.publish("news", "something")
        for _ in range(2):
            channel.get_message(timeout=5)
        channel.unsubscribe("news")
        channel.get_message(timeout=5)
        channel.close()


def main():
    wanted = sys.argv[1:] or list(PROTOCOLS)
    unknown = [name for name in wanted if name not in PROTOCOLS]
    if unknown:
        print(f"no such protocol: {' '.join(unknown)}; there are {' '.join(PROTOCOLS)}", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="conversations.") as folder:
        os.environ["TEST_TMP"] = folder
        for name in wanted:
            PROTOCOLS[name]()
            kept = list((process.ROOT / "tests/fuzz/corpus" / name).iterdir())
            print(f"{name}: {len(kept)} conversations, {sum(path.stat().st_size for path in kept)} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
