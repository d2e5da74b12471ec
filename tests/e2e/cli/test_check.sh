#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# cprobe check: the exit status for CI, suppressions, baseline, configuration.
# shellcheck source=tests/e2e/cli/lib.sh
. "$(dirname "$0")/lib.sh"
python=/usr/bin/python3
export CPROBE_QUIET=1

LD_PRELOAD=$BUILD/libcprobe.so CPROBE_DIR=guilty $python guilty.py
LD_PRELOAD=$BUILD/libcprobe.so CPROBE_DIR=innocent $python innocent.py

# What counts.
expect 66 "$cprobe" check guilty
says out 'ERROR non-yielding-io'
says out "FAILED: 1 finding matches 'error'; 1 process recorded"
expect 0 "$cprobe" check innocent
says out "passed: no finding matches 'error'; 1 process recorded"
expect 66 "$cprobe" check guilty --fail-on warning
expect 66 "$cprobe" check guilty --fail-on loop-stall,non-yielding-io
expect 0 "$cprobe" check guilty --fail-on gil-held-io
says out "passed: no finding matches 'gil-held-io', 1 other"
expect 9 "$cprobe" check guilty --error-exitcode 9
expect 2 "$cprobe" check guilty --error-exitcode 0
expect 2 "$cprobe" check guilty --fail-on non-yielding
says err 'is neither a rule of this build nor a severity'
expect 2 "$cprobe" check guilty --fail-on ''

# A check that recorded nothing never passes.
mkdir empty
expect 3 "$cprobe" check empty
expect 3 "$cprobe" check nowhere
expect 3 "$cprobe" check

# Suppressions; those that match nothing are named.
printf '# reviewed\nnon-yielding-io:slow\nloop-stall:*nothing*\n' >list
expect 0 "$cprobe" check guilty --suppressions list
says out '1 suppressed'
says err 'list:3: suppression loop-stall:*nothing* matched nothing'
silent err 'list:2'
echo 'slow' >bad
expect 2 "$cprobe" check guilty --suppressions bad
says err "bad:1: 'slow' is not of the form rule:pattern"

# Baseline: what is known does not fail, what is gone is named.
expect 0 "$cprobe" check guilty --write-baseline known.json
says err '1 finding written to known.json'
expect 0 "$cprobe" check guilty --baseline known.json
says out '1 known from the baseline'
expect 0 "$cprobe" check innocent --baseline known.json
says err 'is stale, no longer found: non-yielding-io'
echo '{"version": 1, "findings": []}' >none.json
expect 66 "$cprobe" check guilty --baseline none.json
expect 66 "$cprobe" check guilty --baseline none.json --write-baseline next.json
expect 0 "$cprobe" check guilty --baseline next.json
expect 2 "$cprobe" check guilty --baseline missing.json
says err 'cannot read baseline missing.json'
expect 3 "$cprobe" check empty --write-baseline never.json
[ ! -e never.json ] || fail 'a baseline of nothing was written'

# The same problem has the same id in another recording.
LD_PRELOAD=$BUILD/libcprobe.so CPROBE_DIR=again $python guilty.py
expect 0 "$cprobe" check again --baseline known.json

# Configuration: rules, suppressions, fail_on; the command line beats it.
echo 'fail_on: gil-held-io' >cprobe.yaml
expect 0 "$cprobe" check guilty
expect 66 "$cprobe" check guilty --fail-on error
cat >cprobe.yaml <<'YAML'
rules:
  non-yielding-io: {single: 10s, share: 100%, busy-share: 100%}
YAML
expect 0 "$cprobe" check guilty
expect 66 "$cprobe" check guilty --set non-yielding-io.share=1%
echo 'suppressions: ["non-yielding-io:slow"]' >cprobe.yaml
expect 0 "$cprobe" check guilty
printf 'rules:\n  loop-stall:\n    treshold: 1s\n' >cprobe.yaml
expect 2 "$cprobe" check guilty
says err "cprobe.yaml:3: unknown threshold of loop-stall 'treshold'; did you mean 'threshold'?"
echo 'fail_on: all' >other.yaml
expect 66 "$cprobe" check guilty --config other.yaml
CPROBE_CONFIG=other.yaml expect 66 "$cprobe" check guilty
CPROBE_CONFIG=missing.yaml expect 2 "$cprobe" check guilty
says err 'cannot read configuration missing.yaml'
echo passed
