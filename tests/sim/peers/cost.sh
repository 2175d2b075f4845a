#!/bin/sh
# What it costs to look at 500 guests with nothing to do: this agent, proxmoxer, and Ansible's community.proxmox, one after the other
# against one simulated node. Prints calls, wall, CPU and memory of each, and how many times ours that is.
# usage: cost.sh [GUESTS]   needs python3 with venv, cargo, and a package index that pip can reach; who cannot be had is left out
set -eu
cd "$(dirname "$0")/../../.."
guests=${1:-500}
target=${CARGO_TARGET_DIR:-target}
venv=$target/cost-venv
wanted=tests/sim/peers/cost-requirements.txt
agent=dist/felhom-agent
[ -x "$agent" ] || { cargo build --quiet --locked --release; agent=$target/release/felhom-agent; }
sim=$target/release/pve-sim
[ -x "$sim" ] || cargo build --quiet --locked --profile bench -p felhom-sim --bin pve-sim

if ! cmp -s "$wanted" "$venv/installed.txt"; then
    rm -rf "$venv"
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check --requirement "$wanted"
    # The collection alone: with all others its package is half a gigabyte.
    collection=$(sed -n 's/^# collection: //p' "$wanted")
    if "$venv/bin/pip" download --quiet --disable-pip-version-check --no-deps --dest "$venv/download" "$collection"; then
        "$venv/bin/python" - "$venv" <<'PY'
import glob, sys, zipfile
venv = sys.argv[1]
with zipfile.ZipFile(glob.glob(venv + "/download/*.whl")[0]) as wheel:
    wanted = [name for name in wheel.namelist() if name.startswith("ansible_collections/community/proxmox/")]
    wheel.extractall(venv + "/collections", wanted)
PY
        rm -rf "$venv/download"
    fi
    cp "$wanted" "$venv/installed.txt"
fi

. tests/sim/peers/start-sim.sh
start_sim "$sim" "$guests" 300
"$venv/bin/python" tests/sim/peers/cost.py "$place" "$agent" "$guests"
