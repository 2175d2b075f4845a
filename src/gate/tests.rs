//! Each step and each fact that makes it irreversible.

use proptest::prelude::{Just, Strategy, any, prop, prop_assert, proptest};

use super::{Facts, Made, PendingVolumes, SnapshotProvenance, judge, judge_consented};
use crate::authz;
use crate::consent::{self, Guards};
use crate::model::guest::RunState;
use crate::model::guest::{GuestId, GuestKind, Vmid};
use crate::model::hold::HoldReason;
use crate::model::image::GuestImage;
use crate::model::observed::HaState;
use crate::model::observed::{GuestConfig, GuestObservation, PendingChange, Presence, ReadFault, Reading};
use crate::model::op::{Action, OpId, RejectCode, Role};
use crate::model::sorted::{Map, Set};
use crate::model::step::{ConfigChange, Origin, Purpose, Step};
use crate::model::time::Timestamp;
use crate::model::volume::holds_volume;

fn guest(kind: GuestKind) -> GuestId {
    GuestId::new(kind, Vmid::new(101).unwrap())
}

fn harmless() -> Facts {
    Facts { pending: PendingVolumes::Known(Vec::new()), volumes: Some(Vec::new()), ..Facts::default() }
}

fn set(kind: GuestKind, keys: &[&str]) -> Step {
    let set = keys.iter().map(|key| ((*key).to_owned(), "1".to_owned())).collect();
    let change = ConfigChange { set, delete: Set::new(), digest: "d".to_owned() };
    Step::SetConfig { guest: guest(kind), change }
}

fn delete(kind: GuestKind, keys: &[&str]) -> Step {
    let delete = keys.iter().map(|key| (*key).to_owned()).collect();
    let change = ConfigChange { set: Map::new(), delete, digest: "d".to_owned() };
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
        "net32",
        "scsi0",
        "arch",
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
fn a_card_keeps_its_address_or_somebody_signs() {
    let there = facts(
        &[("net0", "name=eth0,hwaddr=bc:24:11:00:00:01,type=veth"), ("net1", "virtio=BC:24:11:00:00:02")],
        &[("net2", Some("virtio=BC:24:11:00:00:03"))],
    );
    let unseen = Facts { held: None, ..harmless() };
    for (key, value, facts, passes) in [
        ("net0", Some("name=eth1,hwaddr=BC:24:11:00:00:01"), &there, true),
        ("net1", Some("e1000=bc:24:11:00:00:02,bridge=vmbr1"), &there, true),
        ("net3", Some("virtio,bridge=vmbr0"), &there, true),
        ("net0", Some("name=eth0,bridge=vmbr0"), &there, false),
        ("net0", Some("name=eth0,hwaddr=BC:24:11:00:00:02"), &there, false),
        ("net2", Some("virtio=BC:24:11:00:00:04"), &there, false),
        ("net0", None, &there, false),
        ("net0", Some("name=eth0,hwaddr=BC:24:11:00:00:01"), &unseen, false),
    ] {
        let mut change = ConfigChange { digest: "d".to_owned(), ..ConfigChange::default() };
        match value {
            Some(value) => drop(change.set.insert(key.to_owned(), value.to_owned())),
            None => drop(change.delete.insert(key.to_owned())),
        }
        for kind in GuestKind::ALL {
            let step = Step::SetConfig { guest: guest(kind), change: change.clone() };
            assert_eq!(loss(step, facts).is_none(), passes, "{key}={value:?}");
        }
    }
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

/// Everything that loses something names what, and the line to draft consent with.
#[test]
fn what_cannot_be_undone_does_not_pass_and_says_how_it_could() {
    let facts = facts(&[("rootfs", "store:101/vm-101-disk-0.raw,size=8G"), ("mp0", "/srv,mp=/srv")], &[]);
    let guest = guest(GuestKind::Lxc);
    let text = |text: &str| text.to_owned();
    for (step, lost, line) in [
        (Step::Stop { guest }, "not written", "op draft stop-hard --vmid 101"),
        (
            Step::Destroy { guest, purge: false },
            "rootfs (store:101/vm-101-disk-0.raw, 8G)",
            "op draft destroy --vmid 101",
        ),
        (
            Step::Rollback { guest, snapshot: text("s1"), start: false },
            "after snapshot s1",
            "op draft rollback --vmid 101 --snapshot s1",
        ),
        (
            Step::RestoreOver { guest, volid: text("a:b"), storage: text("store") },
            "the guest as it is",
            "op draft restore-over --vmid 101 --volid a:b --storage store",
        ),
        (
            Step::DeleteBackup { guest, volid: text("a:b") },
            "backup a:b",
            "op draft backup-delete --vmid 101 --volid a:b",
        ),
        (
            Step::DeleteSnapshot { guest, name: text("s1") },
            "snapshot s1",
            "op draft snapshot-delete --vmid 101 --snapshot s1",
        ),
        (delete(GuestKind::Lxc, &["mp0"]), "mp0 may free", "op draft config --vmid 101 --delete mp0"),
        (set(GuestKind::Lxc, &["mp0"]), "mp0 may free", "op draft config --vmid 101 --put mp0=1"),
        (
            Step::Backup { guest, storage: text("store"), prune: true },
            "older backups",
            "op draft backup-delete --vmid 101",
        ),
        (resize(Some(2), 1), "last 1 bytes of rootfs", "restore"),
        (resize(None, 1), "size is not known", "see why"),
    ] {
        let loss = judge(step.clone(), &facts).unwrap_err();
        assert!(loss.what.contains(lost), "{step}: {}", loss.what);
        assert!(loss.remedy.contains(line), "{step}: {}", loss.remedy);
    }
    for step in
        [Step::Backup { guest, storage: text("store"), prune: false }, resize(Some(1), 1), resize(Some(1), 2)]
    {
        assert!(judge(step.clone(), &facts).is_ok_and(|approved| !approved.destructive()), "{step}");
    }
}

/// What a journal and a look tell of a guest that this agent made.
fn made(purpose: Purpose, half: bool, change: impl FnOnce(&mut Facts)) -> Facts {
    let made = Made::Ours {
        guest: guest(GuestKind::Lxc),
        purpose,
        half,
        then: "i".to_owned(),
        now: "i".to_owned(),
        sound: true,
        volumes: vec!["store:101/vm-101-disk-0.raw".to_owned()],
    };
    let mut facts = Facts { made, ..harmless() };
    change(&mut facts);
    facts
}

#[test]
fn what_this_agent_made_it_may_end_and_nothing_else() {
    let whole = |_: &mut Facts| {};
    let other = |facts: &mut Facts, change: fn(&mut String, &mut String, &mut bool, &mut GuestId)| {
        let Made::Ours { guest, then, now, sound, .. } = &mut facts.made else { panic!() };
        change(then, now, sound, guest);
    };
    let scratch = Purpose::Scratch;
    // Whether it may be destroyed, and whether it may be stopped.
    for (facts, expected) in [
        (made(scratch, false, whole), (true, true)),
        (made(scratch, true, whole), (true, true)),
        (made(Purpose::Provision, true, whole), (true, false)),
        (made(Purpose::Provision, false, whole), (false, false)),
        (harmless(), (false, false)),
        // In doubt it is somebody's.
        (made(scratch, false, |facts| other(facts, |_, now, _, _| now.push('x'))), (false, false)),
        (made(scratch, false, |facts| other(facts, |_, _, sound, _| *sound = false)), (false, false)),
        (
            made(scratch, false, |facts| {
                other(facts, |then, now, _, _| {
                    then.clear();
                    now.clear();
                })
            }),
            (false, false),
        ),
        (
            made(scratch, false, |facts| other(facts, |_, _, _, ours| ours.kind = GuestKind::Qemu)),
            (false, false),
        ),
    ] {
        let guest = guest(GuestKind::Lxc);
        let destroy = judge(Step::Destroy { guest, purge: true }, &facts);
        let stop = judge(Step::Stop { guest }, &facts);
        assert_eq!((destroy.is_ok(), stop.is_ok()), expected, "{:?}", facts.made);
        match (destroy, &facts.made) {
            (Ok(approved), _) => {
                assert!(approved.destructive() && approved.op_id().is_none());
                assert_eq!(approved.volumes(), ["store:101/vm-101-disk-0.raw"]);
            }
            (Err(loss), Made::Ours { .. }) => assert!(loss.what.contains("but "), "{}", loss.what),
            (Err(_), Made::Unknown) => {}
        }
        judge(Step::Rollback { guest, snapshot: "s1".to_owned(), start: true }, &facts).unwrap_err();
    }
}

#[test]
fn a_guest_is_made_only_where_none_can_be() {
    let make = || Step::Make {
        guest: guest(GuestKind::Lxc),
        origin: Origin::Template,
        source: "local:vztmpl/a.tar.zst".to_owned(),
        purpose: Purpose::Provision,
        params: Map::new(),
    };
    let missing = ReadFault { code: ReadFault::GUEST_MISSING, message: "no".to_owned() };
    for (presence, expected) in [
        (Presence::Nowhere, None),
        (Presence::NotListed, Some("nobody can say")),
        (Presence::Elsewhere("pve2".to_owned()), Some("on node pve2")),
        (Presence::Unknown(missing.clone()), Some("nobody can say")),
    ] {
        let seen = GuestObservation { presence, config: Reading::Unknown(missing.clone()), live: None };
        let refused = judge(make(), &Facts::observed(&seen)).err();
        assert_eq!(refused.is_some(), expected.is_some(), "{seen:?}");
        if let (Some(loss), Some(words)) = (refused, expected) {
            assert!(loss.what.contains(words), "{}", loss.what);
            assert_eq!(loss.into_hold().reason, HoldReason::Taken);
        }
    }
}

fn resize(from: Option<u64>, to: u64) -> Step {
    Step::Resize { guest: guest(GuestKind::Lxc), key: "rootfs".to_owned(), from, to, digest: "d".to_owned() }
}

fn key() -> impl Strategy<Value = String> {
    let keys = [
        "rootfs",
        "mp0",
        "mp1",
        "unused0",
        "scsi0",
        "ide2",
        "efidisk0",
        "scsihw",
        "net0",
        "cores",
        "tags",
        "memory",
        "protection",
        "lock",
    ];
    prop::sample::select(keys.map(str::to_owned).to_vec())
}

fn value() -> impl Strategy<Value = String> {
    let values = ["a:vm-101-disk-0", "a:vm-101-disk-1,size=1G", "none,media=cdrom", "/srv,mp=/srv", "1", ""];
    prop::sample::select(values.map(str::to_owned).to_vec())
}

fn step() -> impl Strategy<Value = Step> {
    let kind = prop::sample::select(GuestKind::ALL.to_vec());
    let change =
        (prop::collection::btree_map(key(), value(), 0..3), prop::collection::btree_set(key(), 0..3));
    (kind, change, 0..12_u8, any::<(bool, Option<u8>, u8)>()).prop_map(
        |(kind, (set, delete), which, (flag, from, to))| {
            let guest = guest(kind);
            let (set, delete) = (set.into_iter().collect(), delete.into_iter().collect());
            let name = "s1".to_owned();
            match which {
                0 => Step::Start { guest },
                1 => Step::Stop { guest },
                2 => Step::Destroy { guest, purge: flag },
                3 => Step::Rollback { guest, snapshot: name, start: flag },
                4 => Step::RestoreOver { guest, volid: name.clone(), storage: name },
                5 => Step::DeleteBackup { guest, volid: name },
                6 => Step::Backup { guest, storage: name, prune: flag },
                7 => Step::Resize {
                    guest,
                    key: name,
                    from: from.map(u64::from),
                    to: u64::from(to),
                    digest: "d".to_owned(),
                },
                9 => Step::Reboot { guest, timeout_s: 60 },
                10 => Step::HaState { guest, running: flag },
                8 => Step::DeleteSnapshot { guest, name },
                _ => Step::SetConfig { guest, change: ConfigChange { set, delete, digest: "d".to_owned() } },
            }
        },
    )
}

/// By another way than the gate's: does this step, in this configuration, take something that is not brought back?
fn loses(step: &Step, config: &GuestConfig) -> bool {
    let pending_loss = config.pending.iter().any(|(key, change)| {
        let held = config.current.get(key);
        let other = |next: &str| held.is_some_and(|held| held.split(',').next() != next.split(',').next());
        holds_volume(key)
            && match change {
                PendingChange::Delete => true,
                PendingChange::Set(next) => {
                    other(next) && !held.is_some_and(|held| held.contains("media=cdrom"))
                }
            }
    });
    match step {
        Step::Start { .. } | Step::Reboot { .. } | Step::HaState { running: true, .. } => pending_loss,
        Step::SetConfig { change, .. } => {
            // The same volume with its own size: only its options would change.
            let held = |key: &String| {
                config.current.get(key).or_else(|| match config.pending.get(key)? {
                    PendingChange::Set(text) => Some(text),
                    PendingChange::Delete => None,
                })
            };
            let other = |(key, text): (&String, &String)| holds_volume(key) && held(key) != Some(text);
            pending_loss || change.delete.iter().any(|key| holds_volume(key)) || change.set.iter().any(other)
        }
        Step::Backup { prune, .. } => *prune,
        Step::Resize { from, to, .. } => from.is_none_or(|from| *to < from),
        Step::Shutdown { .. } | Step::Snapshot { .. } | Step::HaState { running: false, .. } => false,
        Step::Make { .. }
        | Step::Stop { .. }
        | Step::Destroy { .. }
        | Step::Rollback { .. }
        | Step::RestoreOver { .. }
        | Step::DeleteBackup { .. }
        | Step::DeleteSnapshot { .. } => true,
    }
}

fn config() -> impl Strategy<Value = GuestConfig> {
    let change = proptest::strategy::Union::new([
        Just(PendingChange::Delete).boxed(),
        value().prop_map(PendingChange::Set).boxed(),
    ]);
    let maps =
        (prop::collection::btree_map(key(), value(), 0..6), prop::collection::btree_map(key(), change, 0..3));
    maps.prop_map(|(current, pending)| GuestConfig {
        current: current.into_iter().collect(),
        pending: pending.into_iter().collect(),
        digest: "d".to_owned(),
    })
}

/// What stands at mp0, what is written there, and whether that passes.
#[test]
fn a_volume_s_key_is_written_only_where_no_volume_goes() {
    let there = "store:101/vm-101-disk-1.raw,mp=/data,size=8G";
    for (held, written, passes) in [
        (None, "store:100,mp=/data,backup=1", true),
        (None, "store:101/vm-101-disk-1.raw,mp=/data", false),
        (None, "store:vm-102-disk-0,mp=/data", false),
        (None, "/srv,mp=/data", false),
        (Some(there), "store:101/vm-101-disk-1.raw,mp=/data,backup=1,size=8G", true),
        (Some(there), "store:101/vm-101-disk-1.raw,mp=/data,size=9G", false),
        (Some(there), "store:101/vm-101-disk-1.raw,mp=/data", false),
        (Some(there), "store:101/vm-101-disk-2.raw,mp=/data,size=8G", false),
        (Some(there), "store:8,mp=/data", false),
        (Some("/srv,mp=/data"), "/srv,mp=/data,ro=1", false),
    ] {
        let change =
            ConfigChange { set: [("mp0".to_owned(), written.to_owned())].into(), ..ConfigChange::default() };
        let change = ConfigChange { digest: "d".to_owned(), ..change };
        let held = held.map(|text| ("mp0".to_owned(), text.to_owned())).into_iter().collect();
        let step = Step::SetConfig { guest: guest(GuestKind::Lxc), change };
        let facts = Facts { held: Some(held), ..harmless() };
        assert_eq!(judge(step.clone(), &facts).is_ok(), passes, "{written}");
        judge(step, &Facts { held: None, ..harmless() }).unwrap_err();
    }
}

#[test]
fn a_guest_is_ended_hard_without_a_signature_only_where_it_is_expendable() {
    let step = || Step::Stop { guest: guest(GuestKind::Lxc) };
    judge(step(), &harmless()).unwrap_err();
    judge(step(), &Facts { expendable: true, ..harmless() }).unwrap();
}

proptest! {
    #[test]
    fn no_step_that_loses_something_passes_without_consent(step in step(), config in config()) {
        let seen = GuestObservation {
            presence: Presence::NotListed,
            config: Reading::Known(config.clone()),
            live: None,
        };
        if loses(&step, &config) {
            prop_assert!(judge(step, &Facts::observed(&seen)).is_err());
        }
    }
}

#[test]
fn with_consent_the_step_passes_and_says_what_it_takes() {
    let now = authz::testing::NOW;
    let guest = GuestId::new(GuestKind::Lxc, Vmid::new(105).unwrap());
    let image = GuestImage {
        guest,
        config: GuestConfig { digest: "d".to_owned(), ..GuestConfig::default() },
        snapshots: Vec::new(),
        volumes: Vec::new(),
        run: RunState::Running,
        lock: None,
        template: false,
        ha: HaState::NotManaged,
        replicated: Reading::Known(false),
        backup_task: None,
        incarnations: Map::new(),
    };
    let mut op = authz::testing::operation(Action::GuestStopHard, Role::Custodian, now, 1);
    let subject = op.subject.as_mut().unwrap();
    subject.ident = consent::ident(&image);
    op.state_sha256 = Some(consent::state_sha256(&image));
    let guards = Guards {
        managed: true,
        data_bearing: true,
        protected: Set::new(),
        evidence_max_age_s: 60,
        backups: Vec::new(),
        now: Timestamp::from_unix(now),
    };
    let verified = authz::testing::verified(&op);
    let approved = judge_consented(Step::Stop { guest }, &verified, &image, &guards).unwrap();
    assert!(approved.destructive() && approved.volumes().is_empty());
    assert_eq!(approved.op_id(), Some(&op.op_id));
    let rejected = judge_consented(Step::Start { guest }, &verified, &image, &guards).unwrap_err();
    assert_eq!(rejected.code, RejectCode::BindAction);
    assert_eq!(rejected.op_id.as_ref().map(OpId::as_str), Some(op.op_id.as_str()));
    assert_eq!(rejected.payload_sha256.as_deref(), Some(verified.payload_sha256()));
}
