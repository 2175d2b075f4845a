//! What a tick costs that finds nothing to do: calls, connections, wall and CPU time.

use std::fs;
use std::time::{Duration, Instant};

use felhom_agent::manifest;
use felhom_agent::model::desired::DesiredState;
use felhom_agent::model::guest::GuestId;
use felhom_agent::model::time::Timestamp;
use felhom_agent::observe;
use felhom_agent::plan::{Settings, plan};
use serde_json::{Value, json};

use crate::node::Node;

const TICKS: u32 = 3;

pub(crate) fn print() {
    let mut first = None;
    for guests in [10, 100, 500] {
        let node = Node::start(guests);
        let per_guest = tick(&node, guests);
        let ratio = per_guest / *first.get_or_insert(per_guest);
        println!("    CPU a guest: {:.1} us, {ratio:.2} of that at 10 guests", per_guest * 1e6);
    }
}

/// Prints one line; seconds of CPU a guest.
fn tick(node: &Node, guests: usize) -> f64 {
    let desired = desired(guests);
    let managed: Vec<GuestId> = desired.guests.iter().map(|guest| guest.guest).collect();
    let client = node.client();
    look(&client, &desired, &managed);
    node.forget_calls();
    let (start, cpu) = (Instant::now(), cpu());
    for _ in 0..TICKS {
        look(&client, &desired, &managed);
    }
    let (wall, cpu) = (start.elapsed() / TICKS, (self::cpu() - cpu) / TICKS);
    let calls = node.calls();
    let connections: std::collections::BTreeSet<u64> =
        calls.iter().filter_map(|call| call["connection"].as_u64()).collect();
    println!(
        "tick without work, {guests} guests: {} calls (2 + {guests}) over {} connection, {} ms wall, {:.1} ms CPU",
        calls.len() / TICKS as usize,
        connections.len(),
        wall.as_millis(),
        cpu.as_secs_f64() * 1e3,
    );
    cpu.as_secs_f64() / guests as f64
}

fn look(client: &felhom_agent::pve::Client, desired: &DesiredState, managed: &[GuestId]) {
    let seen = observe::node(client, managed);
    let plan = plan(desired, &seen, &Settings::default());
    assert!(
        plan.guests.iter().all(|guest| guest.is_in_order()),
        "the node was to be in order: {:?}",
        plan.guests.first()
    );
}

/// One look without a plan.
pub(crate) fn look_at(client: &felhom_agent::pve::Client, guests: usize) {
    let managed: Vec<GuestId> = desired(guests).guests.iter().map(|guest| guest.guest).collect();
    observe::node(client, &managed);
}

fn desired(guests: usize) -> DesiredState {
    manifest::parse(manifest("h", guests).to_string().as_bytes(), "h", Timestamp::from_unix(0)).unwrap()
}

/// What `pve-sim --seed-guests N` is already.
pub(crate) fn manifest(host_id: &str, guests: usize) -> Value {
    let resources: Vec<Value> = (100..100 + guests)
        .map(|vmid| {
            let run_state = if vmid % 2 == 0 { "running" } else { "stopped" };
            let spec = json!({"vmid": vmid, "run_state": run_state, "name": format!("guest-{vmid}"), "cores": 1,
                "memory_mb": 256, "swap_mb": 256, "tags": ["bench"], "on_boot": false});
            json!({"id": format!("guest-{vmid}"), "kind": "lxc_guest", "spec": spec})
        })
        .collect();
    json!({"api_version": "felhom/v1", "host_id": host_id, "generation": 1, "resources": resources})
}

/// CPU time of this thread so far, which is the first and only one that works here.
fn cpu() -> Duration {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(text.split(' ').next().unwrap().parse().unwrap())
}
