#!/bin/sh
# A public Proxmox client in a virtual environment of its own drives the simulated node over TLS with a token.
# usage: run.sh            needs python3 with venv, cargo, and a package index pip can reach
set -eu
cd "$(dirname "$0")/../../.."
target=${CARGO_TARGET_DIR:-target}
venv=$target/peers-venv
wanted=tests/sim/peers/requirements.txt

if ! cmp -s "$wanted" "$venv/installed.txt"; then
    rm -rf "$venv"
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check --requirement "$wanted"
    cp "$wanted" "$venv/installed.txt"
fi

cargo build --quiet --locked -p felhom-sim --bin pve-sim
place=$(mktemp -d)
# --max-seconds: it ends by itself should this script be killed.
"$target/debug/pve-sim" --seed-guests facts --directory "$place" --max-seconds 120 </dev/null >"$place/ready.json" &
sim=$!
trap 'kill "$sim" 2>/dev/null || true; wait "$sim" 2>/dev/null || true; rm -rf "$place"' EXIT
trap 'exit 1' INT TERM

tries=0
until [ -s "$place/ready.json" ]; do
    tries=$((tries + 1))
    kill -0 "$sim" 2>/dev/null || { echo 'peers: the simulated node did not start' >&2; exit 1; }
    [ "$tries" -lt 300 ] || { echo 'peers: the simulated node is not ready after 30 s' >&2; exit 1; }
    sleep 0.1
done
"$venv/bin/python" tests/sim/peers/proxmoxer_peer.py "$place/ready.json"
