#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What recording costs. bench.py [NAME…]: pair start redis gevent kernel attached stacks locks mariadb malloc serve watched memory report; all without.

Every figure stands beside a bare one from the same run: bare and recorded alternate. Shown are the medians, the median of the
rounds' ratios with the middle half of them, and the ratio of the best bare round to the best recorded one, which other load on the
machine disturbs least.
"""

import os
import pathlib
import re
import shutil
import signal
import statistics
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))

import whole_stacks
from lib import load
from lib.kernel import Attached
from lib.process import BUILD, CPROBE, PROGRAMS, PYTHON, ROOT, Process, free_port, run, scratch
from lib.recording import preload
from lib.servers import PASSWORD, MariaDB, Postgres, Redis, postgres_tool

BENCH = BUILD / "tests" / "bench"


def settings():
    return preload(scratch("bench") / "data")


def alternate(measure, rounds):
    """measure(env) bare and recorded in turn, each first in every other round: two lists. The bare one has as large an environment,
    as a program's stack begins where that ends: another alignment alone makes several per cent."""
    bare, recorded = [], []
    for number in range(rounds):
        env = settings()
        turns = [(bare, {f"BARE{name[4:]}" if name.startswith("LD_P") else f"X{name[1:]}": value for name, value in env.items()}),
                 (recorded, env)]
        for results, env in turns if number % 2 == 0 else reversed(turns):
            results.append(measure(env))
    return bare, recorded


def show(name, bare, recorded, unit, target):
    ratios = [r / b for b, r in zip(bare, recorded)]
    low, _, high = statistics.quantiles(ratios, n=4)
    best = max if unit == "req/s" else min
    print(f"{name:34} {statistics.median(bare):10.1f} {statistics.median(recorded):10.1f} {unit:6} {statistics.median(ratios):7.3f} "
          f" {low:.3f}-{high:.3f}  {best(recorded) / best(bare):6.3f}  {target}", flush=True)


def show_added(name, added, unit, target):
    print(f"{name:34} {'':10} {added:+10.1f} {unit:6} {'':29} {target}", flush=True)


def pair():
    for mode in [], ["nonblocking"]:
        bare, recorded = alternate(lambda env: float(run([BENCH / "pair", 300000, *mode], **env)), 31)
        show(" ".join(["send+recv pair", *mode]), bare, recorded, "ns", "ratio <= 1.05")


def start():
    def measure(env):
        env, begin = {**os.environ, **env}, time.monotonic()
        for _ in range(60):
            os.waitpid(os.posix_spawn("/bin/true", ["true"], env), 0)
        return (time.monotonic() - begin) / 60 * 1e3

    bare, recorded = alternate(measure, 9)
    show("start of /bin/true", bare, recorded, "ms", "")
    show_added("  added", statistics.median(r - b for b, r in zip(bare, recorded)), "ms", "<= +3 ms")


def redis():
    """Recorded is the server, or the client."""
    for pipeline, target in (1, "ratio >= 0.97"), (16, "ratio >= 0.95"):
        def measure(port, pipeline=pipeline, **env):
            return sum(load.redis_benchmark(port, 100000 * (1 if pipeline == 1 else 4), pipeline=pipeline, **env).values()) / 2

        with Redis() as plain, Redis(env=settings()) as probed:
            bare, recorded = alternate(lambda env, m=measure: m((probed if "LD_PRELOAD" in env else plain).port), 9)
            show(f"redis-benchmark -P {pipeline}, server", bare, recorded, "req/s", target)
            bare, recorded = alternate(lambda env, m=measure: m(plain.port, **env), 9)
            show(f"redis-benchmark -P {pipeline}, client", bare, recorded, "req/s", target)


def gevent_once(path, env):
    with Process([PYTHON, PROGRAMS / "gevent_server.py"], env=env) as server:
        server.until_listening(int(env["PORT"]))
        load.wrk(env["PORT"], path, seconds=1)
        return load.wrk(env["PORT"], path, seconds=3)


def gevent_pair(name, path, **common):
    """A new server each time: where its memory happens to lie makes several per cent, in either direction."""
    common = {key: str(value) for key, value in common.items()}
    bare, recorded = alternate(lambda env: gevent_once(path, {**common, **env, "PORT": str(free_port())}), 9)
    show(name, bare, recorded, "req/s", "ratio >= 0.97")


def gevent():
    gevent_pair("gevent + wrk, no driver", "/")
    with MariaDB() as database:
        gevent_pair("gevent + wrk, MySQLdb query", "/db", MYSQL_PORT=database.port, MYSQL_PASSWORD=PASSWORD, QUERY_SECONDS=0)


def token(options):
    """Nanoseconds of a token's round, recorded through the kernel with these options; None: bare."""
    with subprocess.Popen([BENCH / "token", "400000"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        if options is None:
            return float(child.communicate("x")[0])
        with Attached(child.pid, *options):
            return float(child.communicate("x")[0])


def kernel():
    for name, options in ("task work", []), ("every sys_exit", ["--every-sys-exit"]):
        bare, recorded = alternate(lambda env, o=options: token(o if "LD_PRELOAD" in env else None), 7)
        show(f"token over a pipe, {name}", bare, recorded, "ns", "ratio <= 1.10" if not options else "")


def processor_seconds(pid):
    """CPU time of a process so far (proc(5), stat: utime and stime)."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def children_seconds(pid):
    """CPU time of the children that it has waited for (proc(5), stat: cutime and cstime)."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")


def attached():
    """pgbench on a PostgreSQL that `cprobe record` is attached to, and what the collector itself takes of one CPU. What both sides
    and the collector take of a CPU for each transaction is said as well: other load disturbs that less."""
    with Postgres() as server:
        where = ["-h", "127.0.0.1", "-p", server.port, "-U", "postgres", "postgres"]
        run([postgres_tool("pgbench"), "-i", "-q", "-s", "5", *where], timeout=120)
        bare, recorded, shares, stacks, processor = [], [], [], [], ([], [])
        children = pathlib.Path(f"/proc/{server.pid}/task/{server.pid}/children")
        helpers = len(children.read_text().split())

        def transactions(costs, collector=None, seconds=4):
            def used():
                return children_seconds(server.pid) + children_seconds(os.getpid()) + (processor_seconds(collector.pid) if collector else 0)

            before = used()
            out = run([postgres_tool("pgbench"), "-n", "-S", "-c", "4", "-T", seconds, *where])
            while len(children.read_text().split()) > helpers:  # the server waits for its processes a moment later
                time.sleep(0.01)
            costs.append((used() - before) / int(re.search(r"actually processed: (\d+)", out)[1]) * 1e6)
            return float(re.search(r"tps = ([\d.]+)", out)[1])

        for _ in range(5):
            bare.append(transactions(processor[0]))
            with Attached(server.pid) as collector:
                before, begin = processor_seconds(collector.pid), time.monotonic()
                recorded.append(transactions(processor[1], collector))
                elapsed = time.monotonic() - begin
                shares.append((processor_seconds(collector.pid) - before) / elapsed)
                collector.stop(signal.SIGINT)
                stacks.append(len(collector.events("offcpu")) / elapsed)
        show("pgbench -S, attached", bare, recorded, "req/s", "ratio >= 0.98")
        show("  CPU time for each", *processor, "us", "ratio <= 1.02")
        show_added(f"  collector, {statistics.median(stacks):.0f} stacks/s", statistics.median(shares) * 100, "% CPU",
                   "<= 5 % at 1,000/s")


def locks():
    """Uncontended at one and two threads (each with a lock of its own), then all on one lock held for some tens of ns, and for
    about a microsecond."""
    for threads in 1, 2:
        bare, recorded = alternate(lambda env, n=threads: float(run([BENCH / "locks", "own", n, 2000000], **env)), 15)
        show(f"lock+unlock, {threads} threads, own lock", bare, recorded, "ns", "ratio <= 1.7")
    for threads in 2, 4:
        for held, ms, turns in ("20 ns", 60, 50), ("1 us", 60, 2500):
            bare, recorded = alternate(lambda env, a=(threads, ms, turns): float(run([BENCH / "locks", "one", *a], **env)), 21)
            show(f"lock held {held}, {threads} threads", bare, recorded, "ns", "throughput >= 0.97")


def mariadb():
    """Recorded is the server. What it takes of a CPU for each query is said as well: other load disturbs that less."""
    def measure(server, query, seconds):
        begin = processor_seconds(server.pid)
        out = run(["mariadb-slap", "--no-defaults", "-h", "127.0.0.1", f"-P{server.port}", "-uprobe", f"-p{PASSWORD}", "--csv",
                   "--concurrency=4", "--number-of-queries=12000", "--create-schema=shop", "--delimiter=;", f"--query={query}"], timeout=120)
        seconds.append((processor_seconds(server.pid) - begin) / 12000 * 1e6)
        return 12000 / float(out.split(",")[2])  # mixed, mixed, average seconds, …

    with MariaDB() as plain, MariaDB(env=settings()) as probed:
        for name, query in ("reads", "SELECT name FROM user WHERE id = 1"), \
                ("one row changed", "UPDATE user SET name = CONCAT('a', RAND()) WHERE id = 2"):
            processor = [], []
            bare, recorded = alternate(lambda env, q=query, p=processor: measure(probed if "LD_PRELOAD" in env else plain, q,
                                                                                 p["LD_PRELOAD" in env]), 9)
            show(f"mariadb-slap, {name}", bare, recorded, "req/s", "ratio >= 0.98")
            show("  its CPU time for each", *processor, "us", "")


def malloc():
    """A pair at one and two threads, then with some thousand blocks alive; the whole heap watched; and what heaptrack costs."""
    def measure(threads, *mode, **more):
        bare, recorded = alternate(lambda env: float(run([BENCH / "alloc", threads, 5000000, *mode], **{**env, **more})), 15)
        show(" ".join([f"malloc+free, {threads} threads", *mode, *more.values()]), bare, recorded, "ns", "ratio <= 1.25")

    for threads in 1, 2:
        measure(threads)
        measure(threads, "live")
    measure(2, "live", CPROBE_WATCH="*")
    for threads in (1, 2) if shutil.which("heaptrack") else ():
        out = run(["heaptrack", "-o", scratch("heaptrack") / "data", BENCH / "alloc", threads, 300000], timeout=120)
        show_added(f"  heaptrack, {threads} threads", float(re.search(r"^[\d.]+$", out, re.M)[0]), "ns", "")


def serve():
    """A threaded server with a cache: throughput and tail. What watching alone costs stands beside a recording without."""
    def measure(threads, env):
        return [float(word) for word in run([BENCH / "serve", threads, 100000], **env).split()]

    for threads in 4, 200:
        for name, settings_of in ("", lambda env: env), (", watching alone", lambda env: {
                **settings(), **({} if "LD_PRELOAD" in env else {"CPROBE_WATCH": "off"})}):
            bare, recorded = alternate(lambda env, n=threads, s=settings_of: measure(n, s(env)), 11)
            for index, unit, target in (0, "req/s", "ratio >= 0.98"), (1, "ns", "ratio <= 1.05"):
                show(f"{threads} threads, {'p99' if index else 'rate'}{name}", [pair[index] for pair in bare],
                     [pair[index] for pair in recorded], unit, target)


def watched():
    """Calls of Python methods. Of a watched class the added time counts: 300 ns at most."""
    rows = [("method of a watched class", "+300 ns"), ("the same, not watched", "1.0"), ("TTLCache, read", "+300 ns"),
            ("TTLCache, write", "+300 ns")]
    bare, recorded = alternate(lambda env: [float(n) for n in run([PYTHON, ROOT / "tests/bench/watched.py"], **env).split()], 11)
    for number, (name, target) in enumerate(rows):
        show(name, [line[number] for line in bare], [line[number] for line in recorded], "ns", target)


def proportional_kib(threads, env):
    """Pss of bench/threads once its threads stand still: memory shared with others counts by its share (proc(5), smaps)."""
    with subprocess.Popen([BENCH / "threads", str(threads)], env={**os.environ, **env}, stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE) as child:
        child.stdout.readline()
        text = pathlib.Path(f"/proc/{child.pid}/smaps_rollup").read_text()
        child.kill()
    return int(re.search(r"^Pss:\s+(\d+)", text, re.M)[1])


def memory():
    env = settings()
    bare = [proportional_kib(count, {}) for count in (0, 64)]
    recorded = [proportional_kib(count, env) for count in (0, 64)]
    show_added("memory of a process", recorded[0] - bare[0], "KiB", "<= 2048 KiB")
    show_added("memory of each touched thread", (recorded[1] - recorded[0] - bare[1] + bare[0]) / 64, "KiB", "<= 256 KiB")


def report():
    env = settings()
    run([BENCH / "fill", 8, 400000], timeout=600, **env, CPROBE_SAMPLE="1us", CPROBE_MAX_SIZE="128M")
    directory = pathlib.Path(env["CPROBE_DIR"])
    size = sum(file.stat().st_blocks * 512 for file in directory.iterdir()) / (1 << 20)
    times = []
    for _ in range(5):
        begin = time.monotonic()
        run([CPROBE, "report", "--format", "json", directory])
        times.append(time.monotonic() - begin)
    show_added(f"cprobe report, trace of {size:.0f} MiB", statistics.median(times) * 1e3, "ms", "< 2000 ms")


ALL = {"pair": pair, "start": start, "redis": redis, "gevent": gevent, "kernel": kernel, "attached": attached,
       "stacks": whole_stacks.measure, "locks": locks, "mariadb": mariadb, "malloc": malloc, "serve": serve, "watched": watched,
       "memory": memory, "report": report}


def main():
    names = sys.argv[1:] or list(ALL)
    unknown = [name for name in names if name not in ALL]
    if unknown:
        sys.exit(f"bench: no {unknown[0]}; there are: {' '.join(ALL)}")
    os.environ["TEST_TMP"] = str(scratch("cprobe-bench"))
    os.chmod(os.environ["TEST_TMP"], 0o755)  # servers that refuse to run as root
    try:
        print(f"{'':34} {'bare':>10} {'recorded':>10} {'':6} {'ratio':>7}  {'middle half':11}  {'best':>6}  target")
        for name in names:
            ALL[name]()
    finally:
        subprocess.run(["rm", "-rf", os.environ["TEST_TMP"]], check=True)


if __name__ == "__main__":
    main()
