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

place=$(mktemp -d)
"$sim" --seed-guests "$guests" --directory "$place" --max-seconds 300 </dev/null >"$place/ready.json" &
node=$!
trap 'kill "$node" 2>/dev/null || true; wait "$node" 2>/dev/null || true; rm -rf "$place"' EXIT
trap 'exit 1' INT TERM
tries=0
until [ -s "$place/ready.json" ]; do
    tries=$((tries + 1))
    kill -0 "$node" 2>/dev/null || { echo 'cost: the simulated node did not start' >&2; exit 1; }
    [ "$tries" -lt 300 ] || { echo 'cost: the simulated node is not ready after 30 s' >&2; exit 1; }
    sleep 0.1
done
"$venv/bin/python" tests/sim/peers/cost.py "$place" "$agent" "$guests"
