# SPDX-License-Identifier: GPL-2.0-or-later
"""Clients of nginx (HTTP/1.x and HTTP/2) and of a gRPC server whose conversations are recorded."""

import collections
import http.client
import re
import signal
import socket

from lib.process import free_port, run, scratch
from lib.servers import Server

HOST = "127.0.0.1"


class Nginx(Server):
    """Answers of all kinds, and a log of what it served: "METHOD STATUS" a line. `options`: of its port ("http2")."""

    def __init__(self, options=""):
        self.home, port = scratch("nginx"), free_port()
        (self.home / "index.html").write_text("a line of a page\n" * 400)
        (self.home / "nginx.conf").write_text(
            f"daemon off; user root; worker_processes 1; pid {self.home}/pid; error_log {self.home}/error.log;\n"
            "events { worker_connections 512; }\n"
            f"http {{ log_format served '$request_method $status'; access_log {self.home}/served.log served;\n"
            f"  client_body_temp_path {self.home}/b; proxy_temp_path {self.home}/p; fastcgi_temp_path {self.home}/f;\n"
            f"  uwsgi_temp_path {self.home}/u; scgi_temp_path {self.home}/s; gzip on; gzip_min_length 1; keepalive_requests 10000;\n"
            f"  server {{ listen {HOST}:{port} {options}; root {self.home};\n"
            "    location /api/ { return 200 'fine'; } location /empty { return 204; } location /moved { return 301 /index.html; }\n"
            "    location /wrong { return 500 'no'; } location /busy { return 503; } } }\n")
        super().__init__(["nginx", "-e", self.home / "error.log", "-p", self.home, "-c", self.home / "nginx.conf"], port)

    def account(self):
        """Ends it, so that its log is complete, and says what it served."""
        self.stop(signal.SIGQUIT)
        lines = (self.home / "served.log").read_text().splitlines()
        counts = collections.Counter(line.split()[0] for line in lines)
        counts["failed"] = sum(line.split()[1] >= "400" for line in lines)
        return counts


def python_keep_alive(port):
    connection = http.client.HTTPConnection(HOST, port)
    for method, path, body, headers in [
            ("GET", "/index.html", None, {}), ("HEAD", "/index.html", None, {}), ("GET", "/api/cards/887?token=planted", None, {}),
            ("GET", "/index.html", None, {"Range": "bytes=0-99"}), ("GET", "/index.html", None, {"Accept-Encoding": "gzip"}),
            ("POST", "/api/cards", b"x" * 5000, {"Authorization": "Basic cGxhbnRlZA==", "Cookie": "session=planted"}),
            ("PUT", "/api/cards/7b6c5d4e-1111-4222-8333-944455556666", iter([b"one", b"two" * 500]), {}), ("GET", "/empty", None, {}),
            ("GET", "/moved", None, {}), ("GET", "/nothing/here", None, {}), ("DELETE", "/wrong", None, {}), ("GET", "/busy", None, {})]:
        connection.request(method, path, body, headers, encode_chunked=False)
        connection.getresponse().read()
    connection.close()


def python_http_1_0(port):
    with socket.create_connection((HOST, port)) as connection:
        connection.sendall(b"GET /index.html HTTP/1.0\r\n\r\n")
        while connection.recv(65536):
            pass


def pipelined(port):
    requests = b"".join(f"GET /api/{n} HTTP/1.1\r\nHost: shop.example\r\n\r\n".encode() for n in range(80))
    with socket.create_connection((HOST, port)) as connection:
        connection.sendall(requests + b"GET /api/last HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n\r\n")
        while connection.recv(65536):
            pass


def curl_requests(port, upload):
    """Arguments of requests, one of which asks the server first whether it wants a body of `upload` bytes."""
    at, out = f"http://{HOST}:{port}", scratch("curl")
    body = out / "body"
    body.write_bytes(b"b" * upload)
    for number, request in enumerate([
            [f"{at}/index.html"], [f"{at}/api/v2/users/12/orders"], [f"{at}/nothing"],
            ["-H", "Expect: 100-continue", "-T", body, f"{at}/api/upload"],
            ["-H", "Authorization: Bearer planted", "-d", "password=planted", f"{at}/api/login"], ["-X", "PURGE", f"{at}/wrong"]]):
        yield ["-sS", "-o", out / str(number), *request]


def curl(port):
    """All on one connection, but for the body that is too large: nginx closes it."""
    arguments = []
    for request in curl_requests(port, 2_000_000):
        arguments += ["--next", *request] if arguments else request
    run(["curl", *arguments])


def curl_http2(port):
    """A connection each: this version of curl cannot use one again that has not been negotiated."""
    for request in curl_requests(port, 20_000):
        run(["curl", "--http2-prior-knowledge", *request])


HTTP = {"python": python_keep_alive, "http10": python_http_1_0, "pipelined": pipelined, "curl": curl}


def nghttp(port):
    """Many streams at once, the same paths again and again: the compression table is used."""
    paths = [f"http://{HOST}:{port}{path}" for path in ("/index.html", "/api/a", "/api/b", "/moved", "/nothing", "/api/a", "/api/b", "/nothing")]
    run(["nghttp", "-n", "-m", 4, "-H", "x-token: planted", *paths])


def h2_library(port):
    """A client that puts every field into the compression table."""
    import h2.config
    import h2.connection
    import h2.events

    connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True, header_encoding="utf-8"))
    with socket.create_connection((HOST, port)) as stream:
        connection.initiate_connection()
        for n in range(60):
            number = connection.get_next_available_stream_id()
            path = ("/api/one", "/api/two", f"/api/cards/{n}", "/busy", "/wrong")[n % 5]
            connection.send_headers(number, [(":method", "GET" if n % 3 else "DELETE"), (":path", path), (":scheme", "http"),
                                             (":authority", "shop.example"), ("cookie", "planted"), ("x-number", str(n))], end_stream=True)
            stream.sendall(connection.data_to_send())
            ended = False
            while not ended:
                events = connection.receive_data(stream.recv(65536))
                ended = any(isinstance(event, h2.events.StreamEnded) for event in events)
                stream.sendall(connection.data_to_send())
        connection.close_connection()
        stream.sendall(connection.data_to_send())


HTTP2 = {"curl": curl_http2, "nghttp": nghttp, "h2": h2_library}


class Grpc:
    """A server of C-core's, for bytes as they are; `served` counts calls. Use with `with`."""

    def __init__(self):
        import concurrent.futures
        import grpc

        def say(request, context):
            self.served["POST"] += 1
            if request == b"wrong":
                self.served["failed"] += 1
                context.abort(grpc.StatusCode.NOT_FOUND, "planted")
            return request

        def count(request, context):
            self.served["POST"] += 1
            for n in range(int(request)):
                yield bytes(n)

        self.served = collections.Counter()
        self.server = grpc.server(concurrent.futures.ThreadPoolExecutor(2))
        self.server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(
            "shop.Cards", {"Say": grpc.unary_unary_rpc_method_handler(say), "Count": grpc.unary_stream_rpc_method_handler(count)})])
        self.port = self.server.add_insecure_port(f"{HOST}:0")
        self.server.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.stop(None).wait()


def grpc_calls(port):
    import grpc

    with grpc.insecure_channel(f"{HOST}:{port}") as channel:
        say, count = channel.unary_unary("/shop.Cards/Say"), channel.unary_stream("/shop.Cards/Count")
        for n in range(10):
            say(b"planted", metadata=[("authorization", "planted")])
            assert len(list(count(str(n).encode()))) == n
        for method in (say, channel.unary_unary("/shop.Cards/Say")):
            try:
                method(b"wrong")
            except grpc.RpcError as error:
                assert re.match("StatusCode.NOT_FOUND", str(error.code()))
