#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Who finds what in programs that others wrote: cprobe, Helgrind, DRD and ThreadSanitizer on the pthread programs of
Valgrind's and ThreadSanitizer's own tests, compiled unmodified. truth.txt says what is wrong with each.

    suites.py DIR [--fetch] [--only TEXT] [--tools cprobe,helgrind,drd,tsan] [--verbose]

DIR holds the sources (Debian's source packages valgrind and llvm-toolchain-14; --fetch gets them), the programs and
results.json; tools that are not named keep their results from there. Nothing of theirs is part of this project.

A tool finds a row if it says something of the row's kind; anything else that it says about locks is a false alarm.
"""

import argparse
import collections
import concurrent.futures
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import threading

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "e2e"))

from lib.process import BUILD, CPROBE, SHIM, scratch

SUITES = {"helgrind": "valgrind-*/helgrind/tests", "drd": "valgrind-*/drd/tests", "tsan": "llvm-*/compiler-rt/test/tsan"}
SECONDS = 40  # a program that takes longer hangs
RULES = {"lock-order-inversion": "order", "lock-misuse": "misuse"}
# What the tools say about locks: their own messages (hg_errors.c, drd_error.c, tsan_report.cpp).
WORDS = {
    "helgrind": [("order", r"lock order .* violated"),
                 ("misuse", r"unlocked a |unlocked lock |Exiting thread still holds|pthread_cond_\{timed\}wait|being waited upon|"
                            r"Attempt to re-lock|(mutex|rwlock|barrier|sem|cond)[a-z_]* failed|call to (pthread_(mutex|rw|spin|cond|barrier)|sem_)|"
                            r"destroy of a|barrier_(init|destroy):|[Bb]ug in libpthread|still holds|with invalid|locks? at dealloc")],
    "drd": [("misuse", r"^(==\d+== )?(Mutex |Destroying |Recursive |The object at|Not a |Attempt to |Reader-writer lock|"
                       r"destruction of|[Cc]ondition variable|Inconsistent|Probably a race|Barrier|Invalid semaphore|"
                       r"Semaphore|pthread_cond|The impossible)")],
    "tsan": [("order", r"lock-order-inversion"),
             ("misuse", r"WARNING: ThreadSanitizer: (double lock|unlock of|destroy of|use of an invalid|read (un)?lock|mutex)")],
}


def rows(only):
    for line in (HERE / "truth.txt").read_text().splitlines():
        if line and not line.startswith("#") and only in line:
            program, truth, reason = (part.strip() for part in line.split("|"))
            yield program, truth, reason


def fetch(directory):
    """Debian's source packages, by an apt of our own that knows nothing else."""
    for name in "lists/partial", "cache/archives/partial", "etc":
        (directory / "apt" / name).mkdir(parents=True, exist_ok=True)
    sites = subprocess.check_output(["apt-get", "indextargets", "--format", "$(SITE)", "Created-By: Packages"], text=True).split()
    site = next(s for s in sites if "security" not in s)  # where this machine has its packages from
    (directory / "apt/etc/src.list").write_text("deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] "
                                                f"{site} bookworm main\n")
    options = {"Dir::State::lists": "lists", "Dir::Cache": "cache", "Dir::Etc::sourceparts": "etc"}
    apt = ["apt-get", "-q", "-o", "Dir::Etc::sourcelist=/dev/null", "-o", "APT::Sandbox::User=root"]
    for key, value in options.items():
        apt += ["-o", f"{key}={directory / 'apt' / value}"]
    subprocess.run([*apt, "update"], check=True)
    subprocess.run([*apt, "source", "--download-only", "valgrind", "llvm-toolchain-14"], cwd=directory, check=True)
    for archive in directory.glob("*.orig.tar.*"):
        subprocess.run(["tar", "xf", archive, "-C", directory, "--wildcards", "*/helgrind/*", "*/drd/*", "*/include/*",
                        "*/compiler-rt/test/*"], check=False)


class Programs:
    def __init__(self, directory):
        self.directory = directory
        self.building = threading.Lock()
        for top in directory.glob("valgrind-*/"):  # where its configure would write it
            shutil.copy(HERE / "config.h", top)

    def source(self, suite, name):
        for ending in "c", "cpp":
            for path in self.directory.glob(f"{SUITES[suite]}/{name}.{ending}"):
                return path
        return None

    def flags(self, suite, source, sanitized):
        top = source.parents[2]
        flags = ["-g", "-O1" if suite == "tsan" else "-O0", "-w", "-pthread", "-D_GNU_SOURCE", f"-I{source.parent}"]
        if suite == "tsan":
            flags.append(f"-I{top / 'test'}")
        else:
            flags += [f"-I{HERE}", f"-I{top}", f"-I{top / 'include'}", "-DVGO_linux=1", "-DVGA_amd64=1", "-DVGP_amd64_linux=1"]
        return flags + (["-fsanitize=thread"] if sanitized else [])

    def build(self, row, sanitized):
        """The command of a row; None where the program cannot be built here."""
        suite, name, *arguments = row.split()
        macros = [a for a in arguments if a.startswith("-DLock")]
        source = self.source(suite, name)
        if not source:
            return None
        binary = self.directory / "built" / f"{suite}-{name}{''.join(macros)}{'-tsan' if sanitized else ''}"
        with self.building:
            if not binary.exists() and not self.compile(suite, source, binary, macros, sanitized):
                return None
        return [str(binary), *[a for a in arguments if a not in macros]]

    def compile(self, suite, source, binary, macros, sanitized):
        binary.parent.mkdir(exist_ok=True)
        cxx = source.suffix == ".cpp" or source.name.startswith("mutex_cycle")
        command = ["g++", "-fpermissive", "-x", "c++", source] if cxx else ["gcc", source]
        if suite == "tsan" and not sanitized:
            command += ["-x", "c", HERE / "barrier.c"]
        built = subprocess.run([*command, *self.flags(suite, source, sanitized), *macros, "-o", binary, "-lm"], capture_output=True,
                               text=True, check=False)
        if built.returncode:
            print(f"cannot build {source}: {built.stderr.splitlines()[:1]}", file=sys.stderr)
        return built.returncode == 0


def run(argv, **env):
    """What it printed; a program that hangs is killed."""
    with subprocess.Popen(argv, env={**os.environ, **env}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, errors="replace", start_new_session=True) as child:
        try:
            return child.communicate(timeout=SECONDS)[0]
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            return child.communicate()[0]


def said_by_cprobe(programs, row):
    argv = programs.build(row, False)
    directory = scratch("suite")
    if not argv:
        return None
    run(argv, LD_PRELOAD=str(SHIM), CPROBE_DIR=str(directory), CPROBE_QUIET="1")
    printed = subprocess.run([CPROBE, "report", "--format", "json", directory], capture_output=True, text=True, check=False).stdout
    findings = json.loads(printed or "{}").get("findings", [])
    subprocess.run(["rm", "-rf", directory], check=False)
    return [(RULES[f["rule"]], f["title"]) for f in findings if f["rule"] in RULES]


def said_by(tool, programs, row):
    if tool == "cprobe":
        return said_by_cprobe(programs, row)
    argv = programs.build(row, tool == "tsan")
    if not argv:
        return None
    before = ["setarch", "-R"] if tool == "tsan" else ["valgrind", f"--tool={tool}", "--fair-sched=try"]
    printed = run([*before, *argv], TSAN_OPTIONS="halt_on_error=0 exitcode=0 detect_deadlocks=1 symbolize=0")
    return [(kind, line.strip()[:100]) for line in printed.splitlines() for kind, pattern in WORDS[tool] if re.search(pattern, line)]


def judge(truth, said):
    """found, missed, and whether something was said that is not so."""
    kinds = {kind for kind, _ in said}
    return truth in kinds, truth != "none" and truth not in kinds, bool(kinds - {truth})


def table(results, tools, verbose):
    sums = {tool: collections.Counter() for tool in tools}
    print(f"{'program':62} {'truth':7} " + " ".join(f"{tool:9}" for tool in tools))
    for row, truth, _ in rows(""):
        words = []
        for tool in tools:
            said = results.get(tool, {}).get(row)
            found, missed, false = judge(truth, said or [])
            sums[tool].update(rows=said is not None, found=found, missed=missed and said is not None, false=false)
            words.append("-" if said is None else ("found" if found else "missed" if missed else "") + ("FALSE" if false else ""))
        if verbose or any(word not in ("found", "") for word in words):
            print(f"{row:62} {truth:7} " + " ".join(f"{word:9}" for word in words))
    print("\n" + f"{'':22} {'programs':>9} {'found':>6} {'missed':>7} {'false':>6} {'recall':>7} {'precision':>10}")
    for tool, count in sums.items():
        wrong = count["found"] + count["missed"]
        print(f"{tool:22} {count['rows']:9} {count['found']:6} {count['missed']:7} {count['false']:6} "
              f"{count['found'] / max(wrong, 1):7.2f} {count['found'] / max(count['found'] + count['false'], 1):10.2f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=pathlib.Path, nargs="?", default=BUILD / "suites")
    parser.add_argument("--fetch", action="store_true")
    parser.add_argument("--only", default="")
    parser.add_argument("--tools", default="cprobe,helgrind,drd,tsan")
    parser.add_argument("--verbose", action="store_true")
    options = parser.parse_args()
    directory = options.directory.resolve()
    directory.mkdir(parents=True, exist_ok=True)
    if options.fetch:
        fetch(directory)
    programs, file = Programs(directory), directory / "results.json"
    results = json.loads(file.read_text()) if file.exists() else {}
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for tool in filter(None, options.tools.split(",")):
            names = [row for row, _, _ in rows(options.only)]
            for row, said in zip(names, pool.map(lambda row, tool=tool: said_by(tool, programs, row), names)):
                results.setdefault(tool, {})[row] = said
                if options.only and options.verbose:
                    print(tool, row, said)
            file.write_text(json.dumps(results, indent=1))
    table(results, ["cprobe", "helgrind", "drd", "tsan"], options.verbose)


if __name__ == "__main__":
    main()
