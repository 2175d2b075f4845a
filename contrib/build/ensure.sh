#!/bin/sh
# Makes sure that the named things are there: installs them when run as root on Debian or Ubuntu, or names them in one line.
# usage: ensure.sh cc rust musl …
set -eu

# A tool, the packages that bring it, and whether it is there.
packages_of() {
    case $1 in
        cc) echo "gcc libc6-dev" ;;
        c++) echo "g++" ;;
        musl-gcc) echo "musl-tools" ;;
        rustc-web) echo "musl-tools rustc-web cargo-web rust-web-src lld binutils" ;;
        python-venv) echo "python3 python3-venv" ;;
        strace) echo "strace" ;;
        *) echo "ensure.sh: does not know '$1'" >&2; exit 2 ;;
    esac
}

is_there() {
    case $1 in
        rustc-web) [ -x /usr/bin/cargo ] && [ -e /usr/lib/x86_64-linux-musl/rcrt1.o ] && [ -d /usr/lib/rustlib/src ] \
            && command -v ld.lld >/dev/null 2>&1 && command -v objcopy >/dev/null 2>&1 ;;
        python-venv) python3 -c 'import venv, ensurepip' 2>/dev/null ;;
        *) command -v "$1" >/dev/null 2>&1 ;;
    esac
}

rust() {
    command -v cargo >/dev/null 2>&1 || { echo "needs a Rust toolchain (>= 1.85): install rustup, or Debian's cargo-web and rustc-web" >&2; exit 1; }
    minor=$(rustc --version | sed 's/^rustc 1\.\([0-9]*\)\..*/\1/')
    [ "$minor" -ge 85 ] || { echo "needs Rust >= 1.85, found $(rustc --version)" >&2; exit 1; }
}

missing=
for thing in "$@"; do
    if [ "$thing" = rust ]; then rust; continue; fi
    is_there "$thing" || missing="$missing $(packages_of "$thing")"
done
[ -n "$missing" ] || exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "installing:$missing"
    export DEBIAN_FRONTEND=noninteractive
    # shellcheck disable=SC2086
    apt-get install -y -q --no-install-recommends $missing >/dev/null 2>&1 || {
        apt-get update -q >/dev/null
        apt-get install -y -q --no-install-recommends $missing >/dev/null
    }
else
    echo "missing; as root: apt-get install -y --no-install-recommends$missing" >&2
    exit 1
fi
