# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# For the tests of the command line: a program that blocks its event loop, one that does not, and assertions. Each test
# works in TEST_TMP, with no configuration but its own.
set -euo pipefail
# shellcheck disable=SC2034 # the tests use it
cprobe=${BUILD:?}/cprobe
cd "${TEST_TMP:?}"
unset CPROBE_DIR CPROBE_CONFIG CPROBE_LIB CPROBE_MAX_SIZE CPROBE_QUIET CPROBE_SAMPLE CPROBE_STALL CPROBE_SUMMARY NO_COLOR

cat >guilty.py <<'PROGRAM'
import asyncio, sys, time

def slow():
    time.sleep(0.02)

async def main():
    for _ in range(20):
        await asyncio.sleep(0.002)
        slow()

asyncio.run(main())
sys.exit(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
PROGRAM
sed 's/time.sleep(0.02)/pass/' guilty.py >innocent.py

fail() {
    echo "FAILED: $*"
    [ -e out ] && sed 's/^/out: /' out
    [ -e err ] && sed 's/^/err: /' err
    exit 1
}

# expect STATUS COMMAND…: runs it, output in ./out and ./err.
expect() {
    local wanted=$1 status=0
    shift
    "$@" >out 2>err || status=$?
    [ "$status" -eq "$wanted" ] || fail "exit status $status, not $wanted: $*"
}

# says FILE TEXT: the file has the text.
says() {
    grep -qF -- "$2" "$1" || fail "$1 does not say: $2"
}

# silent FILE TEXT
silent() {
    ! grep -qF -- "$2" "$1" || fail "$1 says: $2"
}
