//! What is explained is what is planned, whatever is wanted and whatever is there: the two look at a guest by themselves.

use proptest::prelude::proptest;

use super::super::explain::{Known, explain};
use super::super::round_trip::Guest;
use super::super::{Settings, plan};
use super::{seen, state};
use crate::model::desired::DesiredGuest;
use crate::model::sorted::Map;
use crate::model::step::Step;
use crate::model::time::Timestamp;

fn check(desired: DesiredGuest, there: Guest) {
    let guests = [(desired, there)];
    let (desired, node, settings) = (state(&guests), seen(&guests), Settings::default());
    let whole = plan(&desired, &node, &settings);
    let known = Known {
        desired: &desired,
        source: "x",
        settings: &settings,
        look: Some((&node, &whole, Timestamp::from_unix(0))),
        statuses: &Map::new(),
        halt: None,
        busy: &[],
        outdated: &[],
    };
    let (wanted, plan) = (&desired.guests[0], &whole.guests[0]);
    let fields = wanted.fields.keys().map(|field| field.as_str().to_owned());
    for name in fields.chain(wanted.volumes.keys().cloned()) {
        let told = explain(&known, &format!("{}.{name}", wanted.guest.vmid)).unwrap();
        let is_it = |field: &str| {
            field.strip_prefix(&name).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        let standing = if plan.drift.iter().any(|drift| is_it(&drift.field)) {
            "differs"
        } else if plan.pending_reboot.iter().any(|field| is_it(field)) {
            "pending_reboot"
        } else {
            "equal"
        };
        // What can never be brought about is no drift to be corrected, but it is a difference.
        let fails = plan.failure.is_some() && told["standing"] == "differs";
        assert!(told["standing"] == standing || fails, "{name}: {told:#}\n{plan:#?}");
        let has = |member: &str| told.get(member).is_some();
        assert!(has("happens") || has("why_not"), "{name}: {told:#}\n{plan:#?}");
        let key = told["key"].as_str().unwrap();
        // A card's key stands in the value of another step too: `boot=order=net0`.
        let writes = |step: &Step| match step {
            Step::SetConfig { change, .. } => change.set.contains_key(key) || change.delete.contains(key),
            other => other.to_string().contains(key),
        };
        let in_a_step = plan.steps.iter().any(|planned| writes(&planned.step));
        assert!(standing != "differs" || in_a_step == has("step"), "{name}: {told:#}\n{plan:#?}");
    }
}

proptest! {
    #[test]
    fn of_each_field_the_same_is_told_as_is_planned((desired, there) in super::pair()) {
        check(desired, there);
    }

    #[test]
    fn of_each_volume_the_same_is_told_as_is_planned((desired, there) in super::volumes::pair()) {
        check(desired, there);
    }
}
