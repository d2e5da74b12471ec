#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# cprobe run: exit statuses, what is preloaded, which recordings it reads, signals.
# shellcheck source=tests/e2e/cli/lib.sh
. "$(dirname "$0")/lib.sh"
python=/usr/bin/python3

# The program's own status, and the findings on stderr.
expect 5 "$cprobe" run -- $python guilty.py 5
says err 'ERROR non-yielding-io'
says err 'at slow'
says err '1 process recorded'
[ ! -s out ] || fail 'run wrote to stdout'
[ "$(stat -c %a cprobe.data)" = 700 ] || fail 'cprobe.data is not private'
expect 0 "$cprobe" run --summary=no --bpf=off $python guilty.py
silent err 'non-yielding-io'
silent err 'kernel-side'

# Only this run's traces count, though the directory holds guilty ones.
expect 0 "$cprobe" run -- $python innocent.py
silent err 'non-yielding-io'
says err '1 process recorded'

# Relative paths and a program that changes its directory.
expect 0 "$cprobe" run -o here -- sh -c 'cd / && /bin/true'
ls here/*.trace >/dev/null || fail 'nothing in ./here'
says err 'processes recorded'

# --fail-on.
expect 66 "$cprobe" run --fail-on error -- $python guilty.py 5
says err "FAILED: 1 finding matches 'error'"
expect 7 "$cprobe" run --fail-on error --error-exitcode 7 -- $python guilty.py 5
expect 5 "$cprobe" run --fail-on gil-held-io -- $python guilty.py 5
says err "passed: no finding matches 'gil-held-io', 1 other"
expect 4 "$cprobe" run --fail-on all -- $python innocent.py 4

# As a shell: not found, not executable, ended by a signal.
expect 127 "$cprobe" run -- no-such-program
says err 'cannot run no-such-program: No such file or directory'
touch data
expect 126 "$cprobe" run -- ./data
says err 'cannot run ./data: Permission denied'
# shellcheck disable=SC2016
expect 137 "$cprobe" run -- sh -c 'kill -KILL $$'

# The environment: prepended to another preload, options as variables, the variable loses to the option.
LD_PRELOAD=/nonexistent.so CPROBE_STALL=20ms CPROBE_MAX_SIZE=2M \
    expect 0 "$cprobe" run --max-size 4M -- $python -c 'import os; print(*sorted(k + "=" + v for k, v in os.environ.items()), sep="\n")'
says out "LD_PRELOAD=$BUILD/libcprobe.so:/nonexistent.so"
says out 'CPROBE_STALL=20ms'
says out 'CPROBE_MAX_SIZE=4M'
says out "CPROBE_DIR=$TEST_TMP/cprobe.data"

# Signals sent to cprobe reach the program, once.
cat >signals.py <<'PROGRAM'
import signal, sys, time
got = []
signal.signal(signal.SIGTERM, lambda *_: sys.exit(40 + len(got)))
signal.signal(signal.SIGHUP, lambda *_: got.append(1))
open("ready", "w").close()
while True:
    time.sleep(0.05)
PROGRAM
"$cprobe" run -- $python signals.py >out 2>err &
pid=$!
for _ in $(seq 200); do [ -e ready ] && break; sleep 0.05; done
kill -HUP $pid
sleep 0.3
kill -TERM $pid
status=0
wait $pid || status=$?
[ "$status" -eq 41 ] || fail "status $status after SIGHUP and SIGTERM, not 41"

# Nothing recorded: said plainly, and never a pass.
printf 'int main(void) { return 6; }\n' >static.c
gcc -static -o static static.c
expect 6 "$cprobe" run -- ./static
says err './static: it is statically linked'
expect 3 "$cprobe" run --fail-on error -- ./static

# Usage.
expect 2 "$cprobe" run
if [ "$(id -u)" -eq 0 ]; then
    expect 3 setpriv --reuid=65534 --clear-groups "$cprobe" run --bpf=on true
    says err '--bpf=on: '
    says err ' is missing: '
fi
expect 2 "$cprobe" run --bpf=maybe true
expect 2 "$cprobe" run --max-sise 5M true
says err "did you mean 'max-size'?"
expect 2 "$cprobe" run --max-size 5 true
CPROBE_SAMPLE=often expect 2 "$cprobe" run true
says err "variable CPROBE_SAMPLE: 'often' is not a value"
expect 3 "$cprobe" run -o /proc/nowhere true
says err 'cannot create /proc/nowhere'
CPROBE_LIB=/nonexistent.so expect 3 "$cprobe" run true
says err 'CPROBE_LIB names /nonexistent.so'
echo passed
