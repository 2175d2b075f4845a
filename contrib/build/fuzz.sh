#!/bin/sh
# Runs every fuzz target, each for FUZZ_SECONDS (60). Ends at the first crash, whose input is then in fuzz/artifacts/.
# The sanitizer and its coverage are unstable options of the compiler; RUSTC_BOOTSTRAP lets the stable one have them.
# usage: fuzz.sh [target …]
set -eu
cd "$(dirname "$0")/../.."
seconds=${FUZZ_SECONDS:-60}
sh contrib/build/ensure.sh cc c++ rust
command -v cargo-fuzz >/dev/null 2>&1 || cargo install --locked --quiet cargo-fuzz
export RUSTC_BOOTSTRAP=1
targets=${*:-envelope payload keyring journal upid property_string manifest}
cargo fetch --locked --manifest-path fuzz/Cargo.toml
host=$(rustc -vV | sed -n 's/^host: //p')
cargo fuzz build --target "$host"
for target in $targets; do
    mkdir -p "fuzz/corpus/$target" fuzz/artifacts
    echo "fuzz $target, $seconds s"
    log=fuzz/target/$target.log
    "fuzz/target/$host/release/$target" "fuzz/corpus/$target" "fuzz/seeds/$target" \
        -max_total_time="$seconds" -max_len=16384 -timeout=20 -rss_limit_mb=2048 -print_final_stats=1 \
        -artifact_prefix="fuzz/artifacts/$target-" >"$log" 2>&1 || {
        tail -40 "$log" >&2
        echo "fuzz $target: found something; again with: fuzz/target/$host/release/$target <the file named above>" >&2
        exit 1
    }
    grep -E 'stat::number_of_executed_units' "$log" | sed "s/.*: */fuzz $target: no crash, inputs run: /"
done
