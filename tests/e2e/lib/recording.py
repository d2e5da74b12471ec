# SPDX-License-Identifier: GPL-2.0-or-later
"""Records a program the way users do, by a plain LD_PRELOAD, and reads the report."""

import json
import os

from lib.process import CPROBE, SHIM, Process, run, scratch


def preload(directory, **settings):
    """The environment that records into `directory`."""
    return {"LD_PRELOAD": str(SHIM), "CPROBE_DIR": str(directory), "CPROBE_QUIET": "1", **settings}


class Recording:
    """One recorded program: with Recording([...], NAME=value) as r: …; r.report().

    wrapper: a command that runs the program (setpriv, unshare) without being recorded itself.
    """

    def __init__(self, argv, wrapper=(), **settings):
        home = scratch("recording")
        self.directory = home / "data"
        self.truth_file = home / "truth.json"
        env = {name: str(value) for name, value in settings.items()} | {"TRUTH": str(self.truth_file)}
        if wrapper:
            os.chmod(home, 0o777)
            assignments = [f"{name}={value}" for name, value in preload(self.directory).items()]
            argv = [*wrapper, "env", *assignments, *argv]
        else:
            env |= preload(self.directory)
        self.process = Process(argv, env=env)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stop()

    def truth(self):
        """What the program measured itself: tests/programs/truth.py."""
        return json.loads(self.truth_file.read_text())

    def report(self):
        return read_report(self.directory)


def read_report(*directories):
    return json.loads(run([CPROBE, "report", "--format", "json", *directories]))
