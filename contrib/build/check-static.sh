#!/bin/sh
# Proves what is promised of the shipped binary: a static-pie for musl, no interpreter, no glibc, small enough.
set -eu
binary=$1
limit=${FELHOM_SIZE_LIMIT:-2800000}

fail() { echo "$binary: $1" >&2; exit 1; }

headers=$(LC_ALL=C readelf -hlW "$binary")
echo "$headers" | grep -q 'Type:.*DYN' || fail "is not position independent"
echo "$headers" | grep -q 'INTERP' && fail "asks for an interpreter"
LC_ALL=C readelf -d "$binary" | grep -q 'NEEDED' && fail "needs shared libraries"
LC_ALL=C readelf -d "$binary" | grep -q 'FLAGS_1.*PIE' || fail "is not marked PIE"
grep -aq 'GLIBC_' "$binary" && fail "names glibc symbols"
grep -aq 'No error information' "$binary" || fail "does not hold musl's own texts"
size=$(wc -c < "$binary")
[ "$size" -le "$limit" ] || fail "is $size bytes, more than $limit"
echo "$binary: static-pie, musl, $size bytes"
