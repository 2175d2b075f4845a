#!/bin/sh
# Holds the promise on the shipped binary's dependencies: few, and none of those that do not belong in it.
set -eu
cd "$(dirname "$0")/../.."
limit=${FELHOM_CRATE_LIMIT:-95}
crates=$(cargo tree --locked -e normal -p felhom-agent --prefix none --format '{p}' | sed 's/ (.*//' | sort -u)
count=$(echo "$crates" | wc -l)
unwanted=$(echo "$crates" | grep -E '^(tokio|async-std|smol|futures|hyper|reqwest|openssl|native-tls|regex|aws-lc)[-a-z]* ' || :)
[ -z "$unwanted" ] || { echo "not wanted in the shipped binary: $unwanted" >&2; exit 1; }
[ "$count" -le "$limit" ] || { echo "$count crates in the shipped binary, more than $limit" >&2; exit 1; }
echo "$count crates in the shipped binary, none of them an async runtime, hyper, OpenSSL or regex"
