# SPDX-License-Identifier: GPL-2.0-or-later
"""Real servers on loopback ports of their own, with their data below the test's directory.

Each constructor starts the server and returns when it answers; use with `with`. preload() of lib.recording as `env` records the server.
"""

import os
import pathlib
import shutil
import subprocess

from lib.process import Process, free_port, run, scratch

PASSWORD = "probe"


class Server(Process):
    """A Process with a port."""

    def __init__(self, argv, port, **options):
        self.port = port
        super().__init__(argv, **options)
        try:
            self.until_listening(port)
        except BaseException:
            self.stop()
            raise


class MariaDB(Server):
    """User probe with PASSWORD; the database `shop` has a table user(id, name)."""

    def __init__(self, env=None):
        home, port = scratch("mariadb"), free_port()
        data, setup = home / "data", home / "setup.sql"
        run(["mariadb-install-db", "--no-defaults", "--user=root", f"--datadir={data}", "--skip-test-db",
             "--auth-root-authentication-method=normal"])
        setup.write_text(f"CREATE USER probe@'%' IDENTIFIED BY '{PASSWORD}';\nGRANT ALL ON *.* TO probe@'%';\n"
                         "CREATE DATABASE shop;\nCREATE TABLE shop.user (id INT PRIMARY KEY, name VARCHAR(40));\n"
                         "INSERT INTO shop.user VALUES (1, 'ann'), (2, 'bob');\n")
        super().__init__(["mariadbd", "--no-defaults", "--user=root", f"--datadir={data}", f"--socket={home}/socket",
                          f"--pid-file={home}/pid", f"--port={port}", "--bind-address=127.0.0.1", "--skip-name-resolve",
                          "--innodb-buffer-pool-size=16M", "--innodb-flush-log-at-trx-commit=0", f"--init-file={setup}"],
                         port, env=env, name="mariadbd")


class Memcached(Server):
    def __init__(self, env=None):
        port = free_port()
        super().__init__(["memcached", "-u", "root", "-l", "127.0.0.1", "-p", port, "-U", "0", "-t", "2"], port, env=env)


class Redis(Server):
    def __init__(self, env=None):
        port = free_port()
        super().__init__(["redis-server", "--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
                          "--dir", scratch("redis")], port, env=env)


class Nginx(Server):
    def __init__(self, env=None):
        home, port = scratch("nginx"), free_port()
        (home / "index.html").write_text("ok\n" * 100)
        (home / "nginx.conf").write_text(
            f"daemon off; user root; worker_processes 1; pid {home}/pid; error_log {home}/error.log;\n"
            "events { worker_connections 512; }\n"
            f"http {{ access_log {home}/access.log; client_body_temp_path {home}/b; proxy_temp_path {home}/p;\n"
            f"  fastcgi_temp_path {home}/f; uwsgi_temp_path {home}/u; scgi_temp_path {home}/s;\n"
            f"  server {{ listen 127.0.0.1:{port}; root {home}; }} }}\n")
        super().__init__(["nginx", "-e", home / "error.log", "-p", home, "-c", home / "nginx.conf"], port, env=env)


def postgres_tool(name):
    """PostgreSQL's own programs are not on PATH in Debian."""
    found = sorted(pathlib.Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return found[-1] if found else pathlib.Path(shutil.which(name))


class Postgres(Server):
    """It refuses to run as root: a root test runs it as user postgres. No password is asked for."""

    def __init__(self, env=None):
        home, port = scratch("postgres"), free_port()
        as_user = []
        if os.geteuid() == 0:
            shutil.chown(home, "postgres", "postgres")
            as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", "--pdeathsig=KILL"]
        data = home / "data"
        run([*as_user, postgres_tool("initdb"), "-D", data, "-A", "trust", "-U", "postgres", "--no-sync"], HOME=str(home))
        settings = [f"{name}={value}" for name, value in (env or {}).items()]
        super().__init__([*as_user, "env", *settings, postgres_tool("postgres"), "-D", data, "-p", port, "-h", "127.0.0.1",
                          "-k", home, "-c", "fsync=off"], port, env={"HOME": str(home)}, name="postgres")
        ready = [postgres_tool("pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port)]
        self.until(lambda: subprocess.run(ready, check=False).returncode == 0)
