#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What `make install` puts below DESTDIR works from there: the installed command finds the installed recorder.
set -euo pipefail
cd "$(dirname "$0")/../../.."
root=$TEST_TMP/root
make -s O="$BUILD" DESTDIR="$root" PREFIX=/usr install
cd "$TEST_TMP"
"$root/usr/bin/cprobe" run --dir "$TEST_TMP/data" -- /bin/true
ls "$TEST_TMP"/data/*.trace
LD_PRELOAD=$root/usr/lib/cprobe/libcprobe.so CPROBE_DIR=$TEST_TMP/plain /bin/true
"$root/usr/bin/cprobe" report "$TEST_TMP/data" "$TEST_TMP/plain"
# The header is found where programs look for it, and does without the recorder.
printf '#include <cprobe.h>\nint main(void) { int x; return cprobe_watch(&x, sizeof(x), "x") + 1; }\n' >user.c
gcc -I"$root/usr/include" -o user user.c
./user
