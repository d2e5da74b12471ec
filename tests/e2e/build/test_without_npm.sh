#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Without npm the build goes on: build-page leaves an empty page and says so, the next build tries again.
set -euo pipefail
cd "$(dirname "$0")/../../.."
bin=$TEST_TMP/bin
mkdir -p "$bin"
for tool in bash readlink dirname mkdir cp touch; do
    ln -s "$(command -v $tool)" "$bin/$tool"
done
PATH=$bin bash scripts/build-page "$TEST_TMP/page/page.html" 2>"$TEST_TMP/err"
grep -q 'npm is not installed' "$TEST_TMP/err"
[ -e "$TEST_TMP/page/page.html" ]
[ ! -s "$TEST_TMP/page/page.html" ]
[ scripts/build-page -nt "$TEST_TMP/page/page.html" ]

# No lock file names the registry that it was made with.
if grep -l '"resolved"' src/report/page/package-lock.json tests/e2e/flame/package-lock.json; then
    echo 'a lock file has "resolved" addresses: see tests/README.md' >&2
    exit 1
fi
