#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Installs what building, testing and the demo need, on Debian 12. Does nothing where everything is there.
# install-deps.sh --list prints the packages.
set -euo pipefail

build=(gcc g++ libc6-dev make libdw-dev libelf-dev libjansson-dev libyaml-dev libncurses-dev libprotobuf-c-dev protobuf-c-compiler zlib1g-dev)
browser=(chromium)
lint=(clang clang-format clang-tidy cppcheck shellcheck libclang-rt-14-dev)
kernel=(bpftool libbpf-dev libcap2-bin)
unit=(libcmocka-dev libunwind-dev libc6-dbg)
drivers=(python3 python3-gevent python3-greenlet python3-mysqldb python3-pylibmc python3-pymysql python3-memcache
    python3-uvloop python3-aiohttp python3-psycopg2 python3-redis python3-celery python3-sqlalchemy)
servers=(mariadb-server memcached redis-server nginx-light postgresql nodejs default-jdk-headless)
tools=(wrk apache2-utils redis-tools strace libfaketime libjemalloc2 openssl curl wget procps iproute2 util-linux git perl
    sqlite3 openssh-client)
packages=("${build[@]}" "${browser[@]}" "${lint[@]}" "${kernel[@]}" "${unit[@]}" "${drivers[@]}" "${servers[@]}" "${tools[@]}")

# Other packages of nodejs than Debian's bring npm with them, and Debian's npm would fight them.
if ! command -v npm >/dev/null; then
    packages+=(npm)
fi

missing_packages() {
    local package
    for package in "${packages[@]}"; do
        [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || printf '%s\n' "$package"
    done
}

# Packages with a daemon ask policy-rc.d whether it may start: 101 is "no" (invoke-rc.d(8)).
policy=/usr/sbin/policy-rc.d
forbid_services() {
    if [ -e "$policy" ]; then
        mv "$policy" "$policy.before-cprobe"
    fi
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
}
restore_services() {
    rm -f "$policy"
    if [ -e "$policy.before-cprobe" ]; then
        mv "$policy.before-cprobe" "$policy"
    fi
}

if [ "${1:-}" = --list ]; then
    printf '%s\n' "${packages[@]}"
    exit 0
fi

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    echo "install-deps: this is not a Debian system. Install the equivalents of these Debian 12 packages, then run" \
        "make with CPROBE_SKIP_DEPS=1:" >&2
    printf '%s\n' "${packages[*]}" | fold -s -w 100 >&2
    exit 1
fi

mapfile -t missing < <(missing_packages)
if [ "${#missing[@]}" -eq 0 ]; then
    exit 0
fi
if [ "$(id -u)" -ne 0 ]; then
    echo "install-deps: ${#missing[@]} packages are missing. As root: apt-get install --no-install-recommends ${missing[*]}" >&2
    exit 1
fi
if ! grep -q '^12' /etc/debian_version 2>/dev/null; then
    echo "install-deps: made for Debian 12; trying the same package names here." >&2
fi

echo "install-deps: installing ${#missing[@]} packages: ${missing[*]}"
trap restore_services EXIT
forbid_services
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
mapfile -t missing < <(missing_packages)
if [ "${#missing[@]}" -ne 0 ]; then
    echo "install-deps: still missing after apt-get: ${missing[*]}" >&2
    exit 1
fi
