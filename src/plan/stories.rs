//! Stories: what is wanted of a guest, what is there, and the plan as an operator reads it. A plan with steps is also
//! applied to the model of Proxmox, one step at a time as the lane does it, and must then plan to nothing.

use expect_test::Expect;
use serde_json::{Value as Free, json};

use super::round_trip::Guest;
use super::text::render_guest;
use super::{Settings, plan_guest};
use crate::manifest;
use crate::model::desired::{DesiredGuest, DesiredState};
use crate::model::guest::{GuestId, GuestKind, RunState, Vmid};
use crate::model::observed::{GuestObservation, ReadFault};
use crate::model::time::Timestamp;

fn state(resources: &Free) -> DesiredState {
    let document =
        json!({"api_version": "felhom/v1", "host_id": "h", "generation": 7, "resources": resources})
            .to_string();
    manifest::parse(document.as_bytes(), "h", Timestamp::from_unix(0)).unwrap()
}

fn wanted(resource: Free) -> DesiredGuest {
    let state = state(&json!([resource]));
    assert_eq!(state.refused, []);
    state.guests.into_iter().next().unwrap()
}

/// `web`, container 101, with this spec.
pub(super) fn web(mut spec: Free) -> DesiredGuest {
    spec["vmid"] = json!(101);
    wanted(json!({"id": "web", "kind": "lxc_guest", "spec": spec}))
}

/// `db`, VM 200, with this spec.
fn db(mut spec: Free) -> DesiredGuest {
    spec["vmid"] = json!(200);
    wanted(json!({"id": "db", "kind": "vm_guest", "spec": spec}))
}

pub(super) fn container(run: RunState, config: &[(&str, &str)]) -> Guest {
    Guest::new(GuestId::new(GuestKind::Lxc, Vmid::new(101).unwrap()), run, config)
}

fn vm(run: RunState, config: &[(&str, &str)]) -> Guest {
    Guest::new(GuestId::new(GuestKind::Qemu, Vmid::new(200).unwrap()), run, config)
}

fn check(desired: &DesiredGuest, there: &Guest, expected: Expect) {
    check_with(desired, there, Settings::default(), expected);
}

fn check_with(desired: &DesiredGuest, there: &Guest, settings: Settings, expected: Expect) {
    let plan = plan_guest(desired, &there.observe(), &settings);
    expected.assert_eq(&render_guest(&plan));
    assert_eq!(plan, plan_guest(desired, &there.observe(), &settings), "the same again");
    if plan.steps.is_empty() {
        return;
    }
    let mut there = there.clone();
    for _ in 0..4 {
        match plan_guest(desired, &there.observe(), &settings).steps.first() {
            Some(next) => there.apply(&next.step),
            None => break,
        }
    }
    let last = plan_guest(desired, &there.observe(), &settings);
    assert!(last.is_in_order() && last.drift.is_empty(), "{}", render_guest(&last));
}

fn check_seen(desired: &DesiredGuest, seen: &GuestObservation, expected: Expect) {
    expected.assert_eq(&render_guest(&plan_guest(desired, seen, &Settings::default())));
}

fn fault(code: &'static str, message: &str) -> ReadFault {
    ReadFault { code, message: message.to_owned() }
}

fn missing() -> ReadFault {
    fault(ReadFault::GUEST_MISSING, "Configuration file 'nodes/pve/lxc/101.conf' does not exist")
}

mod changes;
mod ha;
mod holds;
mod node;
mod restart;
mod sight;
mod volumes;
