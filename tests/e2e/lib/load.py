# SPDX-License-Identifier: GPL-2.0-or-later
"""Requests for the servers under test."""

import http.client
import re
import threading

from lib.process import run


def http_requests(port, path="/", count=400, clients=8):
    """`count` GET requests over `clients` kept connections; every answer must be 200."""
    left, lock, problems = [count], threading.Lock(), []

    def take():
        with lock:
            left[0] -= 1
            return left[0] >= 0

    def client():
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        try:
            while take():
                connection.request("GET", path)
                answer = connection.getresponse()
                answer.read()
                if answer.status != 200:
                    raise AssertionError(f"GET {path}: {answer.status}")
        except Exception as problem:
            problems.append(problem)
        finally:
            connection.close()

    threads = [threading.Thread(target=client) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if problems:
        raise problems[0]


def wrk(port, path="/", seconds=3, connections=16):
    """wrk's requests per second."""
    said = run(["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", f"http://127.0.0.1:{port}{path}"])
    if "Non-2xx" in said:
        raise AssertionError(said)
    return float(re.search(r"Requests/sec:\s*([\d.]+)", said)[1])


def redis_benchmark(port, requests=60000, clients=20, pipeline=1, **env):
    """SET and GET, so many commands at a time. Requests per second of each."""
    said = run(["redis-benchmark", "-p", port, "-n", requests, "-c", clients, "-P", pipeline, "-t", "set,get", "--csv"], **env)
    return {name: float(rate) for name, rate in re.findall(r'"(SET|GET)","([\d.]+)"', said)}
