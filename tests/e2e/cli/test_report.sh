#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
# cprobe report: formats, where output goes, what happens when it cannot, several directories.
# shellcheck source=tests/e2e/cli/lib.sh
. "$(dirname "$0")/lib.sh"
python=/usr/bin/python3
export CPROBE_QUIET=1

LD_PRELOAD=$BUILD/libcprobe.so CPROBE_DIR=one $python guilty.py
LD_PRELOAD=$BUILD/libcprobe.so CPROBE_DIR=two $python innocent.py

# Whatever was found, the status is 0.
expect 0 "$cprobe" report one
says out '1/1 ERROR non-yielding-io'
says out '▶ slow'
says out 'Event loops'
silent out $'\033'
[ ! -s err ] || fail 'report wrote to stderr'
expect 0 "$cprobe" report two
says out 'No findings in 1 recorded process'
expect 0 "$cprobe" report one two
says out 'in 2 recorded processes'
expect 0 "$cprobe" report one/*.trace
says out 'in 1 recorded process'

# The directory: operand, variable, configuration, default.
CPROBE_DIR=two expect 0 "$cprobe" report
says out 'No findings'
CPROBE_DIR=two expect 0 "$cprobe" report one
says out 'non-yielding-io'
echo 'record: {dir: one}' >cprobe.yaml
expect 0 "$cprobe" report
says out 'non-yielding-io'
rm cprobe.yaml
expect 3 "$cprobe" report
says err 'cprobe.data'

# Formats, by name and by the file's ending.
expect 0 "$cprobe" report one --format json -o report.txt
$python -c 'import json, sys; r = json.load(open("report.txt")); sys.exit(r["version"] != 1 or r["findings"][0]["rule"] != "non-yielding-io")' ||
    fail 'report.txt is not the JSON report'
expect 0 "$cprobe" report one -o report.json
cmp -s report.json report.txt || fail 'the ending .json does not give JSON'
expect 0 "$cprobe" report one -o new.txt
says new.txt 'Event loops'
expect 0 "$cprobe" report one --format short
says out 'at slow'
expect 0 "$cprobe" report one -o -
says out 'Event loops'
expect 2 "$cprobe" report one -o report.html
says err 'the formats are: text (*.txt), json (*.json), short'
expect 2 "$cprobe" report one --format html
says err "there is no format 'html'"

# Output that cannot be written is never a success, and never half a file.
expect 3 "$cprobe" report one -o missing/report.json
says err 'cannot write missing/report.json'
expect 3 "$cprobe" report one --format json -o /dev/full
status=0
"$cprobe" report one >/dev/full 2>err || status=$?
[ $status -eq 3 ] || fail "status $status with a full standard output"
says err 'No space left on device'
status=0
"$cprobe" report one >&- 2>err || status=$?
[ $status -eq 3 ] || fail "status $status with a closed standard output"
status=0
"$cprobe" --help >/dev/full 2>err || status=$?
[ $status -eq 3 ] || fail "--help: status $status with a full standard output"
mkdir small
if mount -t tmpfs -o size=8k none small 2>/dev/null; then
    printf 'before' >small/report.json
    status=0
    "$cprobe" report one -o small/report.json >out 2>err || status=$?
    left=$(cat small/report.json)
    files=$(find small -type f | wc -l)
    umount small
    [ $status -eq 3 ] || fail "status $status on a full file system"
    [ "$left" = before ] || fail 'the old report was damaged'
    [ "$files" -eq 1 ] || fail 'a temporary file was left behind'
fi

# Data that is missing or is none.
expect 3 "$cprobe" report nowhere
says err 'nowhere'
mkdir empty
expect 3 "$cprobe" report empty
echo nonsense >empty/1.trace
expect 3 "$cprobe" report empty

# Suppressed findings are left out, and that is said.
echo '*:slow' >list
expect 0 "$cprobe" report one --suppressions list
says err '1 finding left out by suppressions'
silent out 'non-yielding-io'
expect 0 "$cprobe" report one --set non-yielding-io.single=1s --set non-yielding-io.share=100% \
    --set non-yielding-io.busy-share=100%
silent out 'non-yielding-io'

# Help and mistakes.
expect 0 "$cprobe" --version
says out 'cprobe '
expect 0 "$cprobe" help rules
says out 'non-yielding-io.share'
for command in run report check dump; do
    expect 0 "$cprobe" $command --help
    expect 0 "$cprobe" help $command
    says out "cprobe $command"
done
expect 2 "$cprobe"
expect 2 "$cprobe" reprot
says err "did you mean 'report'?"
expect 2 "$cprobe" report --fromat json
says err "did you mean 'format'?"
expect 2 "$cprobe" report --set non-yielding-io.shar=5%
says err "did you mean 'non-yielding-io.share'?"
echo passed
