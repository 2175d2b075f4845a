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
. tests/sim/peers/start-sim.sh
start_sim "$target/debug/pve-sim" facts 120
"$venv/bin/python" tests/sim/peers/proxmoxer_peer.py "$place/ready.json"
