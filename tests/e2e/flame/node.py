# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs the node programs of this folder with the packages that its lock file names, installed below the build directory."""

import filecmp
import pathlib
import shutil
import subprocess
import unittest

from lib.process import BUILD, run

HERE = pathlib.Path(__file__).resolve().parent
HOME = BUILD / "tests" / "flame"
CHROMIUM = "/usr/bin/chromium"


def install():
    """Copies the programs and runs npm ci where its result is missing or old; skips the test where that is impossible."""
    lock, installed = HERE / "package-lock.json", HOME / "node_modules" / ".lock-of-this"
    HOME.mkdir(parents=True, exist_ok=True)
    for file in [*HERE.glob("*.mjs"), *HERE.glob("package*.json")]:
        shutil.copy(file, HOME)
    if not shutil.which("npm"):
        raise unittest.SkipTest("npm is not installed")
    if installed.exists() and filecmp.cmp(lock, installed, shallow=False):
        return
    done = subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=1"], cwd=HOME, check=False,
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=150)
    if done.returncode != 0:
        raise unittest.SkipTest(f"npm ci failed: {done.stderr[-500:]}")
    shutil.copy(lock, installed)


def node(program, *arguments):
    return run(["node", HOME / program, *arguments], timeout=150)
