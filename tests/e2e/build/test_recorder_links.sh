#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The recorder goes into other people's programs: it needs libc only, its own names stay hidden, and no text is relocated.
set -euo pipefail
shim=$BUILD/libcprobe.so
needed=$(readelf -dW "$shim" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | grep -v '^ld-linux' | tr '\n' ' ')
[ "$needed" = "libc.so.6 " ] || {
    echo "it needs: $needed"
    exit 1
}
if readelf -dW "$shim" | grep -q TEXTREL; then
    echo "it has text relocations"
    exit 1
fi
# Every exported function replaces one of libc's.
libc=$(ldd "$shim" | awk '$1 == "libc.so.6" { print $3 }')
foreign=$(comm -23 \
    <(nm -D --defined-only "$shim" | awk '$2 != "A" { sub(/@.*/, "", $3); print $3 }' | sort -u) \
    <(nm -D --defined-only "$libc" | awk '{ sub(/@.*/, "", $3); print $3 }' | sort -u))
[ -z "$foreign" ] || {
    echo "exported, but not in libc: $foreign"
    exit 1
}
