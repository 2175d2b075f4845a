//! The views of a field that is not everywhere as wanted: desired, running, and pending where the next start would make another
//! value of it; and what of a guest nobody manages.

use serde_json::{Value, json};

use super::sight::Sight;
use super::words::{quoted, shortened};
use crate::model::desired::DesiredGuest;
use crate::model::drift::Drift;
use crate::model::guest::RunState;
use crate::model::observed::PendingChange;
use crate::normalize;

const UNSET: &str = "not set";

/// `{"field":"memory_mb","desired":1024,"running":512,"pending":1024}`; without `pending` where nothing is.
pub(super) fn diff(field: &str, desired: &Value, running: &Value, pending: &Value) -> Value {
    let mut diff = json!({ "field": field, "desired": desired, "running": running });
    if let (true, Some(members)) = (running != pending, diff.as_object_mut()) {
        members.insert("pending".to_owned(), pending.clone());
    }
    diff
}

/// Of what is never pending.
pub(super) fn of(drift: &Drift) -> Value {
    diff(&drift.field, &drift.desired, &drift.actual, &drift.actual)
}

/// `cores        4 -> 2`, or all three views where they are three.
pub(super) fn line(diff: &Value, run: RunState) -> String {
    let view = |name: &str| diff.get(name).map(shown);
    let [field, desired, running] =
        ["field", "desired", "running"].map(|name| view(name).unwrap_or_default());
    let field = field.trim_matches('"');
    match view("pending") {
        None => format!("{field:<12} {running} -> {desired}"),
        Some(pending) => {
            let pending = if pending == UNSET { "removal" } else { pending.as_str() };
            let now = if run == RunState::Stopped { "now" } else { "running" };
            format!("{field:<12} {desired} wanted, {running} {now}, {pending} pending (next start)")
        }
    }
}

/// Text is quoted, and shortened as everything an owner wrote.
pub(super) fn shown(value: &Value) -> String {
    match value {
        Value::String(word) if word == "absent" => UNSET.to_owned(),
        Value::String(text) => quoted(text),
        other => shortened(&other.to_string()),
    }
}

/// What is set, or will be, and is not named by the resource: as the manifest would name it, else as Proxmox does.
pub(super) fn unmanaged(desired: &DesiredGuest, sight: &Sight<'_>) -> Vec<String> {
    let kind = desired.guest.kind;
    let pending = sight.config.pending.iter().filter(|(_, change)| **change != PendingChange::Delete);
    let keys = sight.config.current.keys().chain(pending.map(|(key, _)| key));
    let mut names: Vec<String> = keys
        .filter(|key| !normalize::is_proxmox_s_own(key) && !desired.volumes.contains_key(*key))
        .filter_map(|key| match normalize::field_of(key, kind) {
            Some(field) => (!desired.fields.contains_key(&field)).then(|| field.to_string()),
            None => Some(shortened(key)),
        })
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{diff, line};
    use crate::model::guest::RunState;

    #[test]
    fn three_views_are_told_where_they_are_three_and_two_where_nothing_is_pending() {
        for (running, pending, run, told) in [
            (json!(512), json!(512), RunState::Running, "memory_mb    512 -> 1024"),
            (json!("absent"), json!("absent"), RunState::Running, "memory_mb    not set -> 1024"),
            (
                json!(512),
                json!(1024),
                RunState::Running,
                "memory_mb    1024 wanted, 512 running, 1024 pending (next start)",
            ),
            (
                json!(1024),
                json!("absent"),
                RunState::Stopped,
                "memory_mb    1024 wanted, 1024 now, removal pending (next start)",
            ),
        ] {
            let diff = diff("memory_mb", &json!(1024), &running, &pending);
            assert_eq!(line(&diff, run), told);
            assert_eq!(
                diff.get("pending"),
                (running != pending).then_some(&pending),
                "only where it is another"
            );
        }
    }
}
