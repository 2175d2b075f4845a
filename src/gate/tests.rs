//! Each step and each fact that makes it irreversible.

use std::collections::{BTreeMap, BTreeSet};

use super::{Facts, PendingVolumes, SnapshotProvenance, judge};
use crate::model::guest::{GuestId, GuestKind, Vmid};
use crate::model::hold::HoldReason;
use crate::model::observed::{GuestConfig, GuestObservation, PendingChange, Presence, ReadFault, Reading};
use crate::model::step::{ConfigChange, Step};

fn guest(kind: GuestKind) -> GuestId {
    GuestId::new(kind, Vmid::new(101).unwrap())
}

fn harmless() -> Facts {
    Facts { pending: PendingVolumes::Known(Vec::new()), snapshot: SnapshotProvenance::Unknown }
}

fn set(kind: GuestKind, keys: &[&str]) -> Step {
    let set = keys.iter().map(|key| ((*key).to_owned(), "1".to_owned())).collect();
    let change = ConfigChange { set, delete: BTreeSet::new(), digest: "d".to_owned() };
    Step::SetConfig { guest: guest(kind), change }
}

fn delete(kind: GuestKind, keys: &[&str]) -> Step {
    let delete = keys.iter().map(|key| (*key).to_owned()).collect();
    let change = ConfigChange { set: BTreeMap::new(), delete, digest: "d".to_owned() };
    Step::SetConfig { guest: guest(kind), change }
}

/// What the gate answers: nothing, or the loss.
fn loss(step: Step, facts: &Facts) -> Option<String> {
    judge(step, facts).err().map(|loss| loss.what)
}

/// The facts of a guest with this configuration.
fn facts(current: &[(&str, &str)], pending: &[(&str, Option<&str>)]) -> Facts {
    let text = |text: &str| text.to_owned();
    let change =
        |change: Option<&str>| change.map_or(PendingChange::Delete, |to| PendingChange::Set(to.to_owned()));
    let config = GuestConfig {
        current: current.iter().map(|(key, value)| (text(key), text(value))).collect(),
        pending: pending.iter().map(|(key, to)| (text(key), change(*to))).collect(),
        digest: "d".to_owned(),
    };
    Facts::observed(&GuestObservation {
        presence: Presence::NotListed,
        config: Reading::Known(config),
        live: None,
    })
}

#[test]
fn what_can_be_undone_passes() {
    for kind in GuestKind::ALL {
        for step in [
            set(kind, &["description", "tags", "cores", "memory", "onboot", "startup", "protection"]),
            delete(kind, &["cores", "tags"]),
            Step::Start { guest: guest(kind) },
            Step::Shutdown { guest: guest(kind), timeout_s: 60 },
            Step::Snapshot { guest: guest(kind), name: "s1".to_owned() },
        ] {
            assert_eq!(loss(step, &harmless()), None);
        }
    }
}

#[test]
fn a_key_outside_the_closed_list_does_not_pass() {
    for key in [
        "rootfs",
        "mp0",
        "unused0",
        "net0",
        "scsi0",
        "features",
        "lock",
        "unprivileged",
        "hookscript",
        "nonsense",
    ] {
        for kind in GuestKind::ALL {
            for step in [set(kind, &["cores", key]), delete(kind, &[key])] {
                assert!(loss(step, &harmless()).is_some_and(|loss| loss.contains(key)), "{key} of {kind}");
            }
        }
    }
    // Each kind has its own names.
    assert!(loss(set(GuestKind::Lxc, &["name"]), &harmless()).is_some());
    assert!(loss(set(GuestKind::Qemu, &["hostname"]), &harmless()).is_some());
    assert!(loss(set(GuestKind::Qemu, &["swap"]), &harmless()).is_some());
}

#[test]
fn a_write_without_a_digest_does_not_pass() {
    let change =
        ConfigChange { set: [("cores".to_owned(), "2".to_owned())].into(), ..ConfigChange::default() };
    let step = Step::SetConfig { guest: guest(GuestKind::Lxc), change };
    assert!(loss(step, &harmless()).is_some_and(|loss| loss.contains("digest")));
}

#[test]
fn a_start_or_a_write_that_would_apply_a_pending_loss_does_not_pass() {
    let current = [
        ("mp0", "store:101/vm-101-disk-1.raw,mp=/data,size=8G"),
        ("scsi0", "store:200/vm-200-disk-0.raw,size=32G"),
        ("ide2", "local:iso/debian.iso,media=cdrom"),
        ("scsihw", "virtio-scsi-single"),
    ];
    for (pending, lost) in [
        (&[("mp0", None)][..], true),
        (&[("unused0", None)], true),
        (&[("rootfs", None)], true),
        (&[("efidisk0", None)], true),
        // Another volume in the place of this one detaches it; other options of the same volume do not.
        (&[("mp0", Some("store:101/vm-101-disk-9.raw,mp=/data,size=8G"))], true),
        (&[("mp0", Some("volume=store:101/vm-101-disk-1.raw,mp=/data,backup=1"))], false),
        (&[("scsi0", Some("none"))], true),
        // A new volume beside the others.
        (&[("mp1", Some("store:101/vm-101-disk-9.raw,mp=/new"))], false),
        // A disc in a drive is no loss.
        (&[("ide2", Some("none,media=cdrom"))], false),
        (&[("scsihw", None), ("features", None), ("net0", None), ("cores", Some("4"))], false),
    ] {
        let facts = facts(&current, pending);
        for step in [Step::Start { guest: guest(GuestKind::Lxc) }, set(GuestKind::Lxc, &["cores"])] {
            assert_eq!(loss(step, &facts).is_some(), lost, "{pending:?}");
        }
        assert_eq!(loss(Step::Shutdown { guest: guest(GuestKind::Lxc), timeout_s: 60 }, &facts), None);
    }
}

#[test]
fn what_is_pending_and_could_not_be_read_counts_as_a_loss() {
    let fault = ReadFault { code: "proxy", message: "596".to_owned() };
    let seen =
        GuestObservation { presence: Presence::NotListed, config: Reading::Unknown(fault), live: None };
    let facts = Facts::observed(&seen);
    assert_eq!(facts.pending, PendingVolumes::Unknown);
    assert!(loss(Step::Start { guest: guest(GuestKind::Qemu) }, &facts).is_some());
    assert!(loss(set(GuestKind::Qemu, &["cores"]), &facts).is_some());
}

#[test]
fn only_a_snapshot_that_this_run_made_may_be_deleted() {
    let delete = |name: &str| Step::DeleteSnapshot { guest: guest(GuestKind::Lxc), name: name.to_owned() };
    let ours = |kind, name: &str| Facts {
        snapshot: SnapshotProvenance::OursThisRun { guest: guest(kind), name: name.to_owned() },
        ..harmless()
    };
    assert_eq!(loss(delete("s1"), &ours(GuestKind::Lxc, "s1")), None);
    assert!(loss(delete("s2"), &ours(GuestKind::Lxc, "s1")).is_some());
    assert!(loss(delete("s1"), &ours(GuestKind::Qemu, "s1")).is_some());
    assert!(loss(delete("s1"), &harmless()).is_some_and(|loss| loss.contains("s1")));
}

#[test]
fn a_refusal_becomes_a_hold_that_names_the_loss_and_the_remedy() {
    let facts = facts(&[("mp0", "store:1")], &[("mp0", None)]);
    let hold = judge(Step::Start { guest: guest(GuestKind::Lxc) }, &facts).unwrap_err().into_hold();
    assert_eq!(hold.reason, HoldReason::NeedsSignature);
    assert!(hold.detail.contains("start lxc/101") && hold.detail.contains("mp0"), "{}", hold.detail);
    assert!(hold.remedy.contains("pct pending 101"), "{}", hold.remedy);
}
