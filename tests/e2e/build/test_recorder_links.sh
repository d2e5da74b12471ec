#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# scripts/check-shim accepts the recorder, and refuses a library that allocates, locks, needs others or exports its own names.
set -euo pipefail
cd "$(dirname "$0")/../../.."
scripts/check-shim "$BUILD/libcprobe.so"

# refused WORDS SOURCE OPTIONS…: a library made of SOURCE is refused with these words.
refused() {
    local words=$1 source=$2 library=$TEST_TMP/made.so said
    shift 2
    printf '%s\n' "$source" | gcc -shared -fPIC -o "$library" -x c - "$@"
    said=$(scripts/check-shim "$library" || true)
    grep -qF -- "$words" <<<"$said" || {
        echo "check-shim does not say \"$words\" about: $source"
        exit 1
    }
}

refused 'calls malloc' '#include <stdlib.h>
void *f(void) { return malloc(5); }'
refused 'calls pthread_mutex_lock' '#include <pthread.h>
int f(pthread_mutex_t *m) { return pthread_mutex_lock(m); }'
refused 'calls snprintf' '#include <stdio.h>
int f(char *t, int n) { return snprintf(t, 9, "%d", n); }'
refused 'calls abort' '#include <stdlib.h>
void f(void) { abort(); }'
refused 'needs libm.so.6' 'double sin(double); double f(double x) { return sin(x); }' -lm
refused 'f: exported, but no row' 'void f(void) {}'
refused 'recv: a row of hooks.def, but not exported' 'void f(void) {}'
refused 'bytes of thread-local storage' '__thread char big[4096]; char *f(void) { return big; }'
refused 'binds lazily' 'void f(void) {}' -Wl,-z,lazy
refused 'executable stack' 'void f(void) {}' -Wl,-z,execstack
