//! What a resource says beside the fields of its guest's configuration: each with its rule.

use serde_json::{Map as Members, Value, json};

use crate::model::desired::policy::Restart;
use crate::model::desired::{DesiredGuest, DriftPolicy, Ensure, WantedRun};

#[derive(Debug)]
pub(super) struct Member {
    pub(super) name: &'static str,
    /// It stands in the spec, and not beside it.
    pub(super) in_spec: bool,
    pub(super) rule: &'static str,
}

const fn member(name: &'static str, in_spec: bool, rule: &'static str) -> Member {
    Member { name, in_spec, rule }
}

static MEMBERS: [Member; 14] = [
    member("vmid", true, "the guest's number: it says which guest is meant, the id only how it is called"),
    member(
        "run_state",
        true,
        "running or stopped; a paused guest, and one that a backup works on, is neither and is waited for",
    ),
    member(
        "ensure",
        false,
        "present or absent; that a guest is to be absent takes a signed operation to bring about",
    ),
    member(
        "data_bearing",
        true,
        "unless it says false, the guest holds bytes that exist nowhere else and is never stopped hard without a signature",
    ),
    member(
        "provision",
        true,
        "from what the guest is made when it is nowhere in the cluster; it changes nothing of a guest that is there",
    ),
    member("drift", false, "correct, or report: a difference is then told and not corrected"),
    member("ignore", false, "fields whose difference is neither corrected nor reported"),
    member("suspend", false, "true: nothing at all is done to the guest"),
    member(
        "depends_on",
        false,
        "nothing is begun before these are in order; whoever is stopped waits for those that depend on it",
    ),
    member("on_remove", false, "keep, or stop: when it leaves the desired state it is shut down once"),
    member(
        "restart",
        false,
        "never, window or allowed: whether the guest may be restarted so that it takes what waits for its next start",
    ),
    member(
        "force_stop",
        false,
        "true: a guest that does not shut down in its time may be ended at once, unless it bears data",
    ),
    member("backup", false, "how often a backup is made; the newest one counts, whoever made it"),
    member(
        "restore_test",
        false,
        "how often the newest backup is restored, and what the restored guest must show",
    ),
];

pub(super) fn named(name: &str) -> Option<&'static Member> {
    MEMBERS.iter().find(|member| member.name == name)
}

pub(super) fn all() -> impl Iterator<Item = &'static Member> {
    MEMBERS.iter()
}

impl Member {
    /// What holds, said or not; `None`: nothing is said and nothing is wanted.
    pub(super) fn value(&self, guest: &DesiredGuest) -> Option<Value> {
        let policy = &guest.policy;
        Some(match self.name {
            "vmid" => guest.guest.vmid.number().into(),
            "run_state" => match guest.run_state? {
                WantedRun::Running => "running".into(),
                WantedRun::Stopped => "stopped".into(),
            },
            "ensure" => match guest.ensure {
                Ensure::Present => "present".into(),
                Ensure::Absent => "absent".into(),
            },
            "data_bearing" => guest.data_bearing.into(),
            "provision" => {
                let provision = guest.provision.as_ref()?;
                said(&[
                    ("from", Some(provision.from.as_str().into())),
                    ("source", Some(provision.source.as_str().into())),
                    ("storage", provision.storage.as_deref().map(Value::from)),
                ])
            }
            "drift" => match guest.drift {
                DriftPolicy::Correct => "correct".into(),
                DriftPolicy::Report => "report".into(),
            },
            "ignore" => {
                let fields = guest.ignore.iter().map(|field| field.as_str());
                let volumes = guest.ignored_volumes.iter().map(String::as_str);
                fields.chain(volumes).map(Value::from).collect()
            }
            "suspend" => guest.suspend.into(),
            "depends_on" => json!(policy.depends_on),
            "on_remove" => if policy.stop_on_remove { "stop" } else { "keep" }.into(),
            "restart" => match policy.restart {
                Restart::Never => "never".into(),
                Restart::Window => "window".into(),
                Restart::Allowed => "allowed".into(),
            },
            "force_stop" => policy.force_stop.into(),
            "backup" => {
                let backup = guest.proof.backup.as_ref()?;
                said(&[
                    ("storage", backup.storage.as_deref().map(Value::from)),
                    ("every_hours", backup.every_hours.map(Value::from)),
                ])
            }
            "restore_test" => {
                let test = guest.proof.restore_test.as_ref()?;
                said(&[
                    ("every_days", test.every_days.map(Value::from)),
                    ("up_s", Some(test.up_s.into())),
                    ("bridge", test.bridge.as_deref().map(Value::from)),
                    ("file", test.file.as_deref().map(Value::from)),
                    ("command", test.command.as_deref().map(Value::from)),
                    ("guest_agent", Some(test.guest_agent.into())),
                ])
            }
            _ => return None,
        })
    }
}

/// Those that are said.
pub(super) fn said(members: &[(&str, Option<Value>)]) -> Value {
    let said = members.iter().filter_map(|(name, value)| Some(((*name).to_owned(), value.clone()?)));
    Value::Object(said.collect::<Members<_, _>>())
}
