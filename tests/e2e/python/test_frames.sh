#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The recorder's Python frames against the interpreter's own view, under Debian's python3 and every other CPython 3.8 to 3.13
# that is found in PATH or named in CPROBE_TEST_PYTHONS (paths, separated by spaces).
set -euo pipefail
cd "$(dirname "$0")/../../.."
tmp=${TEST_TMP:-$(mktemp -d)}
here=tests/e2e/python
export PROBE=$tmp/frames_probe.so PYTHONIOENCODING=utf-8 PYTHONDONTWRITEBYTECODE=1
# shellcheck disable=SC2086
gcc -std=gnu11 -O2 -g -Wall -Wextra ${CFLAGS:-} -fPIC -shared -Isrc -o "$PROBE" $here/frames_probe.c src/capture/elf.c \
    src/capture/python{,_code,_text}.c src/python/*.c -ldl

# version INTERPRETER: 3.11, or nothing where it does not work
version() {
    "$1" -c 'import sys, ctypes; print("%d.%d" % sys.version_info[:2])' 2>/dev/null || true
}

failed=0
seen=" "
for python in /usr/bin/python3 ${CPROBE_TEST_PYTHONS:-} $(compgen -c python3. | grep -E '^python3\.[0-9]+$' | sort -u); do
    path=$(command -v "$python") || continue
    path=$("$path" -c 'import sys; print(sys.executable)' 2>/dev/null) || continue
    case $seen in *" $path "*) continue ;; esac
    seen="$seen$path "
    case $(version "$path") in
    3.8 | 3.9 | 3.10 | 3.11 | 3.12 | 3.13) ;;
    *) continue ;;
    esac
    output=$tmp/output
    if LD_PRELOAD=$PROBE "$path" $here/frames_program.py >"$output" 2>&1; then
        echo "$path: $(tail -n 1 "$output"); $(grep '^cost' "$output")"
    else
        echo "$path: FAILED"
        grep -E '^FAIL|^Traceback|Error|situations|Python' "$output" || tail "$output"
        failed=1
    fi
done
exit $failed
