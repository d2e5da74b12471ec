#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""record_conversations.py [PROTOCOL…]: makes the fuzz targets' corpora anew, from real clients talking to real servers.

Each server runs on a loopback port of its own, in a temporary directory. Between it and its client stands a proxy that keeps what
passes, both ways, in the order in which it came: corpus/<protocol>/<conversation>, a sequence of chunks {side, length (2 bytes,
little endian), bytes}, side 0 the client's (fuzz_wire.h reads it). What the server says it has served goes to
tests/unit/wire/recorded/<protocol>.account, lines of "operation count", with which the unit tests compare what the parsers said.

mysql and pgsql need clients that nothing else does: python3-asyncpg, python3-psycopg, libdbd-mariadb-perl, libmariadb-java,
libpostgresql-jdbc-java and a JDK.

A new protocol is one function below, named as in src/wire/protocols.def, with @protocol.
"""

import collections
import contextlib
import os
import pathlib
import re
import selectors
import socket
import struct
import sys
import tempfile
import threading

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "e2e"), str(HERE)]

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


class DatagramProxy:
    """As Proxy, for one client that asks over UDP and waits for each answer."""

    def __init__(self, port):
        self.chunks = []
        self.inner, self.outer = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
        self.inner.bind(("127.0.0.1", 0))
        self.outer.connect(("127.0.0.1", port))
        self.port = self.inner.getsockname()[1]
        threading.Thread(target=self._pass_on, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.inner.close()
        self.outer.close()

    def _pass_on(self):
        with contextlib.suppress(OSError):
            while True:
                question, client = self.inner.recvfrom(CHUNK_MAX)
                self.outer.send(question)
                answer = self.outer.recv(CHUNK_MAX)
                self.chunks += [(CLIENT, question), (SERVER, answer)]
                self.inner.sendto(answer, client)

    def save(self, name, conversation):
        corpus_write(name, conversation, self.chunks)


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


def java(name, jar, port):
    """Compiles clients/NAME.java and runs it."""
    classes = process.scratch("classes")
    process.run(["javac", "-d", classes, HERE / "clients" / f"{name}.java"])
    process.run(["java", "-cp", f"{classes}:{jar}", name, port])


def first_word(statement):
    return re.match(r"[\s(]*(\w+)", re.sub(r"^\s*(/\*.*?\*/\s*)+", "", statement, flags=re.S)).group(1).upper()


@protocol
def mysql():
    import MySQLdb
    from clients import mysql_clients

    # What the general log calls commands, and what the parser does.
    names = {"Connect": "CONNECT", "Change user": "CONNECT", "Quit": "QUIT", "Init DB": "USE", "Prepare": "PREPARE", "Field List": "FIELD LIST",
             "Close stmt": "CLOSE STATEMENT", "Reset stmt": "RESET STATEMENT", "Statistics": "STATISTICS", "Long Data": "LONG DATA"}

    with servers.MariaDB() as server:
        log = MySQLdb.connect(host="127.0.0.1", port=server.port, user="probe", password=servers.PASSWORD, autocommit=True)
        cursor = log.cursor()
        cursor.execute("SET GLOBAL log_output = 'TABLE'")
        cursor.execute("SET GLOBAL general_log = 1")
        for name, client in [*mysql_clients.CLIENTS.items(),
                             ("jdbc", lambda port: java("MySqlClient", "/usr/share/java/mariadb-java-client.jar", port))]:
            with Proxy(server.port) as proxy:
                client(proxy.port)
                proxy.save("mysql", name)
            cursor.execute("SELECT command_type, CONVERT(argument USING utf8mb4) FROM mysql.general_log WHERE thread_id <> CONNECTION_ID()")
            rows = cursor.fetchall()
            cursor.execute("TRUNCATE mysql.general_log")
            account_write(f"mysql-{name}", collections.Counter(
                first_word(text) if command in ("Query", "Execute") else names[command] for command, text in rows))


@protocol
def pgsql():
    from clients import pgsql_clients

    os.chmod(os.environ["TEST_TMP"], 0o755)  # for user postgres
    with servers.Postgres() as server:
        pgsql_clients.prepare(server.port)
        for name, client in [*pgsql_clients.CLIENTS.items(), ("jdbc", lambda port: java("PgSqlClient", "/usr/share/java/postgresql.jar", port))]:
            seen = len(server.output())
            with Proxy(server.port) as proxy:
                client(proxy.port)
                proxy.save("pgsql", name)
            statements = re.findall(r"LOG:  (?:statement|execute [^:]+): (.*)", server.output()[seen:])
            account_write(f"pgsql-{name}", collections.Counter(map(first_word, statements)))


@protocol
def http():
    from clients import http_clients

    for name, client in http_clients.HTTP.items():
        with http_clients.Nginx() as server, Proxy(server.port) as proxy:
            client(proxy.port)
            proxy.save("http", name)
            account_write(f"http-{name}", server.account())


@protocol
def http2():
    from clients import http_clients

    for name, client in http_clients.HTTP2.items():
        with http_clients.Nginx("http2") as server, Proxy(server.port) as proxy:
            client(proxy.port)
            proxy.save("http2", name)
            account_write(f"http2-{name}", server.account())
    with http_clients.Grpc() as server, Proxy(server.port) as proxy:
        http_clients.grpc_calls(proxy.port)
        proxy.save("http2", "grpc")
        account_write("http2-grpc", server.served)


@protocol
def amqp():
    from clients import amqp_clients

    with amqp_clients.RabbitMQ() as server:
        amqp_clients.prepare(server)
        for name, client in amqp_clients.CLIENTS.items():
            with Proxy(server.port) as proxy:
                account = client(proxy.port)
                proxy.save("amqp", name)
            account_write(f"amqp-{name}", account)


@protocol
def mongodb():
    from clients import mongodb_clients

    for name, client in mongodb_clients.CLIENTS.items():
        with mongodb_clients.MongoDB() as server, Proxy(server.port) as proxy:
            client(proxy.port)
            proxy.save("mongodb", name)
            account_write(f"mongodb-{name}", server.served)


@protocol
def dns():
    from clients import dns_clients

    with dns_clients.Dnsmasq() as server:
        for name, client, kind in (("udp", dns_clients.udp, DatagramProxy), ("tcp", dns_clients.tcp, Proxy)):
            seen = len(server.output())
            with kind(server.port) as proxy:
                client(proxy.port)
                proxy.save("dns", name)
            account_write(f"dns-{name}", server.account(seen))


@protocol
def memcached():
    import pylibmc

    def account():
        with socket.create_connection(("127.0.0.1", server.port)) as connection:
            connection.sendall(b"stats\r\n")
            reply = b""
            while not reply.endswith(b"END\r\n"):
                reply += connection.recv(CHUNK_MAX)
        return {name: int(value) for _, name, value in (line.split() for line in reply.decode().splitlines() if " " in line)
                if name.startswith(("cmd_", "get_", "delete_", "incr_", "decr_", "cas_", "touch_")) and value.isdigit()}

    with servers.Memcached() as server, Proxy(server.port) as proxy:
        for mode, behaviors in (("text", {"cas": True}), ("binary", {"cas": True})):
            client = pylibmc.Client([f"127.0.0.1:{proxy.port}"], binary=mode == "binary", behaviors=behaviors)
            memcached_commands(client, pylibmc)
            client.disconnect_all()
            proxy.save("memcached", mode)
        talk(proxy.port, b"ms meta 5 T60 c\r\nhello\r\n", b"mg meta v k c t\r\n", b"mg none v\r\n", b"ma count N0 J5 v\r\n",
             b"ms lock 2 ME q\r\nme\r\nms lock 2 ME\r\nme\r\n", b"mg meta v q\r\nmg none v q\r\nmn\r\n", b"md meta q\r\nmd none\r\n",
             b"me lock\r\n", b"set a 0 0 1 noreply\r\nx\r\nget a b c\r\n", b"gat 100 a\r\n", b"touch a 5\r\n", b"gets a\r\n",
             b"incr a 1\r\n", b"stats items\r\n", b"lru_crawler metadump all\r\n", b"flush_all\r\n", b"version\r\n", b"nonsense\r\n")
        proxy.save("memcached", "meta")
        # A log-in (SASL PLAIN) that the server was not set up for, and a quiet set that fails.
        talk(proxy.port, b"\x80\x21\0\5\0\0\0\0\0\0\0\x13" + bytes(12) + b"PLAIN\0probe\0hunter2")
        proxy.save("memcached", "login")
        account_write("memcached", account())


def memcached_commands(client, pylibmc):
    client.set("a", "1", time=60)
    client.get("a")
    client.get("nothing")
    client.set_multi({f"k{i}": i for i in range(30)}, time=100)
    client.get_multi([f"k{i}" for i in range(40)])
    client.add("a", "2")
    client.add("lock", "me", time=10)
    client.replace("a", "3")
    client.append("a", "4")
    client.prepend("a", "0")
    client.incr("k1")
    client.decr("k1", 2)
    value, cas = client.gets("a")
    client.cas("a", value, cas)
    with contextlib.suppress(pylibmc.Error):
        client.incr("a" * 200)
    client.touch("a", 50)
    client.set("big", "v" * 3000)
    client.get("big")
    client.delete("lock")
    client.delete("lock")
    client.get_stats()
    client.flush_all()


@protocol
def tls():
    import ssl

    home = process.scratch("tls")
    process.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout",
                 home / "key", "-out", home / "cert", "-subj", "/CN=db.example.test", "-days", "2"])
    port = process.free_port()
    server = ["openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-cert", home / "cert", "-key", home / "key", "-quiet", "-rev"]
    with servers.Server(server, port), Proxy(port) as proxy:
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            context.minimum_version = context.maximum_version = version
            for name in ("db.example.test", None):
                plain = socket.create_connection(("127.0.0.1", proxy.port))
                with context.wrap_socket(plain, server_hostname=name) as connection:
                    connection.sendall(b"hunter2\n")
                    connection.recv(100)
                proxy.save("tls", f"{version.name}-{name or 'unnamed'}")
        script = ("require('tls').connect({port: %d, host: '127.0.0.1', servername: 'node.example.test', rejectUnauthorized: false},"
                  " function () { this.end('hunter2\\n') }).on('data', () => {})" % proxy.port)
        process.run(["node", "-e", script])
        proxy.save("tls", "node.example.test")


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
