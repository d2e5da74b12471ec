#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The manual page names every setting, and README and page name no variable or rule that there is not."""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[3]

settings = {f"CPROBE_{name.upper()}"
            for name in re.findall(r"^RECORDER_OPTION\((\w+)", (ROOT / "src/cli/recorder_options.def").read_text(), re.M)}
rules = set(re.findall(r"^RULE\(\w+,\s*\"([\w-]+)\"", (ROOT / "src/analysis/rules.def").read_text(), re.M))
manual = (ROOT / "src/cli/cprobe.1").read_text().replace("\\-", "-")
readme = (ROOT / "README.md").read_text()
problems = [f"the manual page does not tell of {name}" for name in sorted(settings) if name not in manual]
problems += [f"README has no row for the rule {name}" for name in sorted(rules) if f"| `{name}` |" not in readme]
known = settings | {"CPROBE_LIB", "CPROBE_CONFIG", "CPROBE_SKIP_DEPS"}
problems += [f"there is no {name}" for name in sorted(set(re.findall(r"CPROBE_[A-Z_]+", manual + readme)) - known)]
print("\n".join(problems))
sys.exit(1 if problems or not settings or not rules else 0)
