#!/bin/sh
# Licences, sources and doubled crates of the whole tree, by deny.toml. Advisories need the network's database and are left to
# `cargo deny check advisories` where there is one.
set -eu
cd "$(dirname "$0")/../.."
sh contrib/build/ensure.sh cc rust
command -v cargo-deny >/dev/null 2>&1 || cargo install --locked --quiet cargo-deny
cargo deny --all-features --locked check --hide-inclusion-graph licenses bans sources
