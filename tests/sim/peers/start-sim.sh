# To be sourced: a simulated node for the script that asks, and its end with the script's.

# start_sim BINARY GUESTS SECONDS: returns when it answers; $place is then its folder, and $place/ready.json says where it listens.
# It ends by itself after SECONDS should the script be killed.
start_sim() {
    place=$(mktemp -d)
    "$1" --seed-guests "$2" --directory "$place" --max-seconds "$3" </dev/null >"$place/ready.json" &
    node=$!
    trap 'kill "$node" 2>/dev/null || true; wait "$node" 2>/dev/null || true; rm -rf "$place"' EXIT
    trap 'exit 1' INT TERM
    tries=0
    until [ -s "$place/ready.json" ]; do
        tries=$((tries + 1))
        kill -0 "$node" 2>/dev/null || { echo "$0: the simulated node did not start" >&2; exit 1; }
        [ "$tries" -lt 300 ] || { echo "$0: the simulated node is not ready after 30 s" >&2; exit 1; }
        sleep 0.1
    done
}
