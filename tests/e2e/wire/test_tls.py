#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What is said inside TLS is understood, from both ends, by OpenSSL and GnuTLS, on sockets and in memory."""

import re
import shutil
import subprocess
import unittest

from lib.process import CPROBE, PROGRAMS, PYTHON, SHIM, Process, free_port, run, scratch


def certificate(directory):
    names = directory / "cert.pem", directory / "key.pem"
    run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", names[1], "-out", names[0], "-days", "2", "-subj",
         "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"])
    return [str(name) for name in names]


def operations(directory):
    """{(protocol, role, verb, text)} of all recordings in a directory."""
    found = set()
    for trace in directory.glob("*.trace"):
        for line in run([CPROBE, "dump", trace]).splitlines():
            match = re.search(r' operation .* protocol=(\d+) role=(\d+) .*verb="(.*)" text="(.*)"', line)
            if match:
                found.add((int(match[1]), int(match[2]), match[3], match[4]))
    return found




def secret_is_in(directory):
    return any(b"hunter2" in trace.read_bytes() for trace in directory.glob("*.trace"))


HTTP, CLIENT, SERVER = 7, 1, 2


class Https(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.home = scratch("tls")
        cls.certificate, key = certificate(cls.home)
        cls.port = free_port()
        cls.server_data = cls.home / "server"
        cls.server = Process([PYTHON, PROGRAMS / "https_server.py", cls.port, cls.certificate, key],
                             env={"LD_PRELOAD": str(SHIM), "CPROBE_DIR": str(cls.server_data)})
        cls.addClassCleanup(cls.server.stop)
        cls.server.until_listening(cls.port)

    def record(self, name, argv):
        directory = self.home / name
        run(argv, LD_PRELOAD=str(SHIM), CPROBE_DIR=str(directory))
        return directory

    def check_client(self, directory):
        self.assertIn((HTTP, CLIENT, "GET", "/cards/{}"), operations(directory))
        self.assertFalse(secret_is_in(directory))

    def test_session_on_a_socket(self):
        directory = self.record("socket", [PYTHON, PROGRAMS / "https_client.py", "socket", self.port, self.certificate])
        self.check_client(directory)

    def test_session_in_memory(self):
        directory = self.record("memory", [PYTHON, PROGRAMS / "https_client.py", "memory", self.port, self.certificate])
        self.check_client(directory)

    def test_curl(self):
        directory = self.record("curl", ["curl", "-s", "--cacert", self.certificate, f"https://localhost:{self.port}/cards/42"])
        self.check_client(directory)

    def test_gnutls(self):
        if not shutil.which("wget"):
            self.skipTest("wget is not installed")
        directory = self.record("wget", ["wget", "-q", "-O", "/dev/null", f"--ca-certificate={self.certificate}",
                                         f"https://localhost:{self.port}/cards/42"])
        self.check_client(directory)

    def test_server(self):
        subprocess.run([PYTHON, PROGRAMS / "https_client.py", "socket", str(self.port), self.certificate], check=True, timeout=60)
        self.assertIn((HTTP, SERVER, "GET", "/cards/{}"), operations(self.server_data))
        self.assertFalse(secret_is_in(self.server_data))


if __name__ == "__main__":
    unittest.main()
