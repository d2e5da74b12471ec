#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Everyday programs do the same under the recorder as without: output, messages, exit status and files."""

import hashlib
import shutil
import unittest

from lib.process import PYTHON
from lib.recorded import bare, record, scratch

PYTHON_PROGRAM = """
import asyncio, concurrent.futures, multiprocessing, selectors, socket, subprocess, sys, tempfile, threading

def square(n):
    return n * n

async def talk():
    async def answer(reader, writer):
        writer.write((await reader.readline()).upper())
        await writer.drain()
        writer.close()
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    writer.write(b"hello\\n")
    line = await reader.readline()
    writer.close()
    server.close()
    process = await asyncio.create_subprocess_exec("sh", "-c", "read x; echo got $x; exit 3", stdin=-1, stdout=-1)
    out, _ = await process.communicate(b"input\\n")
    return line, out, process.returncode

if __name__ == "__main__":
    print(asyncio.run(talk()))
    for method in ("fork", "spawn", "forkserver"):
        with multiprocessing.get_context(method).Pool(3) as pool:
            print(method, pool.map(square, range(10)))
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        print(list(pool.map(square, range(10))))
    print(subprocess.run("echo out; echo err >&2; exit 7", shell=True, capture_output=True))
    print(subprocess.run(["cat"], input=b"x" * 1000000, stdout=-1).stdout.count(b"x"))
    try:
        subprocess.run(["/nonexistent"])
    except FileNotFoundError as error:
        print(error)
    try:
        subprocess.run(["sleep", "10"], timeout=0.05)
    except subprocess.TimeoutExpired as error:
        print(type(error).__name__)
    a, b = socket.socketpair()
    a.settimeout(0.05)
    try:
        a.recv(1)
    except TimeoutError as error:
        print(error)
    try:
        socket.create_connection(("127.0.0.1", 1), 1)
    except ConnectionRefusedError as error:
        print(error)
    condition = threading.Condition()
    with condition:
        print(condition.wait(0.01))
    print(threading.Semaphore(0).acquire(timeout=0.01))
    with tempfile.TemporaryFile() as file:
        file.write(b"abc")
        file.seek(0)
        print(file.read())
    sys.exit(5)
"""

GIT = ("git init -q . && git config user.email a@b && git config user.name c && cp -r /etc/skel tree && echo text >tree/x && "
       "git add . && GIT_AUTHOR_DATE=2001-01-01T00:00Z GIT_COMMITTER_DATE=2001-01-01T00:00Z git commit -q -m first && "
       "git log --format=%H && git gc -q && git fsck && git status --porcelain")

PERL = r"""
use IO::Select; use Socket; $| = 1;
pipe(R, W); if (!fork) { close R; print W "from child\n"; exit 3 } close W; print <R>; wait; print $? >> 8, "\n";
$SIG{ALRM} = sub { die "alarm\n" }; eval { alarm 1; select(undef, undef, undef, 10); }; print $@;
print `echo shell; exit 2`, $? >> 8, "\n"; open(P, "|cat") or die; print P "to cat\n"; close P;
socketpair(A, B, AF_UNIX, SOCK_STREAM, PF_UNSPEC); syswrite A, "x"; print scalar(my @ready = IO::Select->new(\*B)->can_read(1)), "\n";
"""


def digest(directory):
    """What is in the files below."""
    found = hashlib.sha256()
    for path in sorted(p for p in directory.rglob("*") if p.is_file() and ".git" not in p.parts):
        found.update(str(path.relative_to(directory)).encode() + path.read_bytes())
    return found.hexdigest()


class Undisturbed(unittest.TestCase):
    def assert_same(self, *argv, processes=1, **how):
        if not shutil.which(str(argv[0])):
            self.skipTest(f"{argv[0]} is not installed")
        # The same directory for both: its name may be part of the output.
        home = scratch("home") / "work"
        home.mkdir()
        expected = bare(*argv, cwd=home, **how)
        files = digest(home)
        shutil.rmtree(home)
        home.mkdir()
        recorded = record(*argv, cwd=home, **how)
        self.assertEqual([recorded.status, recorded.out, recorded.err, digest(home)],
                         [expected.status, expected.out, expected.err, files])
        traces = recorded.traces()
        self.assertGreaterEqual(len(traces), processes)
        self.assertEqual({trace.message for trace in traces}, {""})
        return expected

    def test_compiler(self):
        source = scratch("source") / "x.c"
        source.write_text("#include <stdio.h>\nint unused;\nint main(void) { int x; return printf(\"%d\", x); }\n")
        done = self.assert_same("gcc", "-O2", "-Wall", "-save-temps", source, "-o", "x", processes=5)
        self.assertEqual(done.status, 0)
        self.assertIn("uninitialized", done.err)

    def test_python(self):
        program = scratch("python") / "program.py"
        program.write_text(PYTHON_PROGRAM)
        done = self.assert_same(PYTHON, "-s", program, processes=10)
        self.assertEqual(done.status, 5, done.err)

    def test_git(self):
        done = self.assert_same("sh", "-c", GIT, processes=5, env={"HOME": str(scratch("home")), "GIT_CONFIG_NOSYSTEM": "1"})
        self.assertEqual(done.status, 0, done.err)

    def test_perl(self):
        self.assert_same("perl", "-e", PERL, processes=2)

    def test_pipelines(self):
        self.assert_same("sh", "-c", "tar -C /usr/include --mtime=@0 --owner=0 --group=0 --sort=name -cf - linux | gzip -n | "
                         "tee copy.tgz | sha256sum; tar -tzf copy.tgz | sort | tail -3; yes | head -2; false | true",
                         processes=8)

    def test_bash(self):
        self.assert_same("bash", "-c", "trap 'echo exit' EXIT; coproc cat; echo x >&${COPROC[1]}; read y <&${COPROC[0]}; "
                         "echo $y; (sleep 0.01; echo background) & wait $!; echo <(true) >/dev/null; read -t 0.01 z; echo $?; "
                         "kill -TERM $BASHPID", processes=2)

    def test_ssh_keygen(self):
        self.assert_same("sh", "-c", "ssh-keygen -q -t ed25519 -N '' -C c -f key && ssh-keygen -y -f key >/dev/null && "
                         "wc -l <key.pub; rm key*")

    def test_sqlite(self):
        self.assert_same("sqlite3", "data.db", "create table t(a); insert into t values (1),(2); select sum(a) from t; vacuum;")

    def test_xargs_and_find(self):
        self.assert_same("sh", "-c", "find /usr/include/linux -name '*.h' | sort | xargs -P 1 -n 5 wc -l | sort; timeout 0.05 sleep 5; "
                         "echo $?; nohup true; env -i /bin/echo clean", processes=5)


if __name__ == "__main__":
    unittest.main()
