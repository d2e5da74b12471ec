#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# scripts/check-layers refuses an #include against the pipeline's direction and a foreign library, and nothing else.
set -euo pipefail
cd "$(dirname "$0")/../../.."

# check STATUS FOLDER INCLUDE
check() {
    local root=$TEST_TMP/root status=0
    rm -rf "$root"
    mkdir -p "$root/src/$2"
    printf '#include %s\n' "$3" >"$root/src/$2/file.c"
    scripts/check-layers "$root" || status=$?
    [ "$status" -eq "$1" ] || {
        echo "src/$2 with $3: exit status $status instead of $1"
        exit 1
    }
}

check 0 trace '"base/compiler.h"'
check 0 capture '"trace/format.h"'
check 0 capture '<sys/socket.h>'
check 0 analysis '<elfutils/libdwfl.h>'
check 1 trace '"capture/hook.h"'
check 1 capture '"analysis/finding.h"'
check 1 analysis '"report/text.h"'
check 1 report '<elfutils/libdwfl.h>'
check 1 capture '<jansson.h>'
check 1 trace '"format.h"'
check 1 newfolder '<stdio.h>'
