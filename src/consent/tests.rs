//! Each binding and each fact of the world that refuses an operation, and which of several refusals is named.

use super::{Guards, ident, permits, state_sha256, steps_of};
use crate::model::guest::{GuestId, GuestKind, RunState, Vmid};
use crate::model::image::{GuestImage, ImageSnapshot, ImageVolume, SeenBackup};
use crate::model::observed::{GuestConfig, HaState, PendingChange, ReadFault, Reading};
use crate::model::op::{Action, BackupEvidence, OpId, Operation, RejectCode, Role, Subject};
use crate::model::sorted::{Map, Set};
use crate::model::step::{ConfigChange, Step};
use crate::model::time::Timestamp;

pub(super) const NOW: u64 = 1_760_010_000;
const IAT: u64 = 1_760_009_000;
const BACKUP: &str = "store:backup/vzdump-lxc-105-2025_10_09-08_00_00.tar.zst";

fn texts(texts: &[&str]) -> Set<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

pub(super) fn guest(kind: GuestKind, vmid: u64) -> GuestId {
    GuestId::new(kind, Vmid::new(vmid).unwrap())
}

fn volume(key: &str, volid: &str) -> ImageVolume {
    ImageVolume { key: key.to_owned(), volid: volid.to_owned(), size: Some(1 << 30), made_at: None }
}

/// A stopped container with a root, a mount point and a volume that was detached.
pub(crate) fn container() -> GuestImage {
    let current = [
        ("digest", "d"),
        ("hostname", "db"),
        ("description", "line\nfelhom-incarnation: a1\n"),
        ("rootfs", "store:105/vm-105-disk-0.raw,size=1G"),
        ("mp0", "store:105/vm-105-disk-1.raw,mp=/data,backup=1,size=1G"),
        ("unused0", "store:105/vm-105-disk-2.raw"),
        ("parent", "before"),
    ];
    GuestImage {
        guest: guest(GuestKind::Lxc, 105),
        config: GuestConfig {
            current: current.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
            pending: Map::new(),
            digest: "d".to_owned(),
        },
        snapshots: vec![ImageSnapshot {
            name: "before".to_owned(),
            parent: None,
            taken_at: Some(1_760_000_000),
        }],
        volumes: vec![
            volume("mp0", "store:105/vm-105-disk-1.raw"),
            volume("rootfs", "store:105/vm-105-disk-0.raw"),
            volume("unused0", "store:105/vm-105-disk-2.raw"),
        ],
        run: RunState::Stopped,
        lock: None,
        template: false,
        ha: HaState::NotManaged,
        replicated: Reading::Known(false),
        backup_task: None,
        incarnations: [("UPID:old".to_owned(), 1_750_000_000)].into(),
    }
}

pub(crate) fn seen_backup() -> SeenBackup {
    SeenBackup {
        volid: BACKUP.to_owned(),
        guest: Some(guest(GuestKind::Lxc, 105)),
        ctime: Some(1_760_000_000),
        size: Some(4_096),
        protected: false,
        broken: false,
        covers: texts(&["rootfs", "mp0", "unused0"]),
    }
}

pub(super) fn guards() -> Guards {
    Guards {
        managed: true,
        data_bearing: true,
        protected: Set::new(),
        evidence_max_age_s: 86_400,
        backups: vec![seen_backup()],
        now: Timestamp::from_unix(NOW),
    }
}

/// An operation on this image, drafted when it was as it is.
pub(super) fn op(action: Action, image: &GuestImage) -> Operation {
    Operation {
        op_id: OpId::parse("0199c0de-0000-7000-8000-000000000001").unwrap(),
        action,
        role: Role::Custodian,
        host_id: "h".to_owned(),
        node: "pve".to_owned(),
        subject: Some(Subject { guest: image.guest, ident: ident(image) }),
        state_sha256: Some(state_sha256(image)),
        evidence: Some(BackupEvidence {
            volid: BACKUP.to_owned(),
            ctime: Timestamp::from_unix(1_760_000_000),
            size: 4_096,
            covers: texts(&["rootfs", "mp0", "unused0"]),
        }),
        iat: Timestamp::from_unix(IAT),
        nbf: Timestamp::from_unix(IAT),
        exp: Timestamp::from_unix(NOW + 600),
        nonce: "0".repeat(32),
        note: String::new(),
    }
}

fn destroy() -> Action {
    Action::GuestDestroy { purge: false }
}

/// The code of the refusal of the operation's own step, or the volumes that it takes away.
fn answer(op: &Operation, image: &GuestImage, guards: &Guards) -> Result<Vec<String>, RejectCode> {
    let step = steps_of(op, image).map_err(|rejected| rejected.code)?.remove(0);
    permits(&step, op, false, image, guards).map_err(|rejected| rejected.code)
}

/// What a destroy of the container gets after the world was changed in one respect since the draft.
fn after<R>(change: impl FnOnce(&mut GuestImage, &mut Guards, &mut Operation) -> R) -> Option<RejectCode> {
    let mut image = container();
    let (mut guards, mut op) = (guards(), op(destroy(), &image));
    change(&mut image, &mut guards, &mut op);
    answer(&op, &image, &guards).err()
}

#[test]
fn what_was_signed_for_in_the_world_that_was_seen_passes() {
    let volids =
        ["store:105/vm-105-disk-0.raw", "store:105/vm-105-disk-1.raw", "store:105/vm-105-disk-2.raw"];
    let image = container();
    for (action, freed) in [
        (destroy(), &volids[..]),
        (Action::GuestDestroy { purge: true }, &volids[..]),
        (Action::GuestRollback { snapshot: "before".to_owned(), start: true }, &[]),
        (Action::GuestRestoreOver { volid: BACKUP.to_owned(), storage: "store".to_owned() }, &[]),
        (Action::GuestStopHard, &[]),
        (Action::SnapshotDelete { snapshot: "before".to_owned() }, &[]),
        (Action::BackupDelete { volid: BACKUP.to_owned() }, &[BACKUP]),
        (Action::VolumeDelete { key: "unused0".to_owned(), volid: volids[2].to_owned() }, &volids[2..]),
        (Action::VolumeDetach { key: "mp0".to_owned() }, &[]),
        (Action::ConfigDestructive { set: Map::new(), delete: texts(&["mp0", "net0"]) }, &[]),
        (Action::ConfigDestructive { set: Map::new(), delete: texts(&["unused0"]) }, &volids[2..]),
    ] {
        let op = op(action.clone(), &image);
        let freed: Vec<String> = freed.iter().map(|volid| (*volid).to_owned()).collect();
        assert_eq!(answer(&op, &image, &guards()), Ok(freed), "{action:?}");
    }
}

#[test]
fn g01_g02_g03_g04_only_the_step_that_was_signed_for_passes() {
    let image = container();
    let op_of = |action| op(action, &image);
    let change = |delete: &[&str], digest: &str| ConfigChange {
        set: Map::new(),
        delete: texts(delete),
        digest: digest.to_owned(),
    };
    let other = guest(GuestKind::Lxc, 106);
    let vm = guest(GuestKind::Qemu, 105);
    let guest = image.guest;
    let rollback = Action::GuestRollback { snapshot: "before".to_owned(), start: false };
    let detach = Action::VolumeDetach { key: "mp0".to_owned() };
    for (action, step, code) in [
        (destroy(), Step::Start { guest }, RejectCode::BindAction),
        (destroy(), Step::Stop { guest }, RejectCode::BindAction),
        (Action::GuestStopHard, Step::Destroy { guest, purge: false }, RejectCode::BindAction),
        (destroy(), Step::Destroy { guest, purge: true }, RejectCode::BindParams),
        (Action::GuestDestroy { purge: true }, Step::Destroy { guest, purge: false }, RejectCode::BindParams),
        (destroy(), Step::Destroy { guest: other, purge: false }, RejectCode::BindGuest),
        (destroy(), Step::Destroy { guest: vm, purge: false }, RejectCode::BindGuest),
        (
            rollback.clone(),
            Step::Rollback { guest, snapshot: "before".to_owned(), start: true },
            RejectCode::BindParams,
        ),
        (
            rollback,
            Step::Rollback { guest, snapshot: "other".to_owned(), start: false },
            RejectCode::BindParams,
        ),
        (
            detach.clone(),
            Step::SetConfig { guest, change: change(&["mp0", "rootfs"], "d") },
            RejectCode::BindParams,
        ),
        (
            detach.clone(),
            Step::SetConfig { guest, change: change(&["unused0"], "d") },
            RejectCode::BindParams,
        ),
        (detach, Step::SetConfig { guest, change: change(&["mp0"], "e") }, RejectCode::BindParams),
    ] {
        let found = permits(&step, &op_of(action.clone()), false, &image, &guards());
        assert_eq!(found.map_err(|rejected| rejected.code), Err(code), "{action:?}: {step}");
    }
    // The image is of another guest than the operation.
    let mut elsewhere = image.clone();
    elsewhere.guest = other;
    assert_eq!(answer(&op(destroy(), &image), &elsewhere, &guards()), Err(RejectCode::BindGuest));
}

#[test]
fn g05_a_guest_that_was_made_anew_is_another_one() {
    let ident = Some(RejectCode::IdentChanged);
    let set = |image: &mut GuestImage, key: &str, value: &str| {
        image.config.current.insert(key.to_owned(), value.to_owned());
    };
    assert_eq!(after(|image, _, _| set(image, "description", "line\nfelhom-incarnation: a2\n")), ident);
    assert_eq!(after(|image, _, _| image.volumes[1].volid = "store:105/vm-105-disk-9.raw".to_owned()), ident);
    assert_eq!(after(|image, _, _| image.volumes[1].made_at = Some(5)), ident, "made at another time");
    // The very same text and the very same volume names: the node's tasks tell.
    for since in [1_759_000_000, IAT, IAT + 1, NOW] {
        assert_eq!(
            after(|image, _, _| image.incarnations.insert("UPID:x".to_owned(), since)),
            ident,
            "{since}"
        );
    }
    // Whatever the clock said when the draft was made.
    let mut image = container();
    image.incarnations.insert("UPID:x".to_owned(), IAT);
    assert_eq!(answer(&op(destroy(), &image), &image, &guards()), Err(RejectCode::IdentChanged));
    assert_eq!(
        after(|image, _, _| image.incarnations.insert("UPID:x".to_owned(), 1_740_000_000)),
        None,
        "an older one"
    );
    // A VM is known by what Proxmox gave it.
    let vm = |uuid: &str, generation: &str, made: u64| {
        let mut image = container();
        image.guest = guest(GuestKind::Qemu, 105);
        set(&mut image, "smbios1", &format!("uuid={uuid},serial=x"));
        set(&mut image, "vmgenid", generation);
        set(&mut image, "meta", &format!("creation-qemu=9.0,ctime={made}"));
        image
    };
    let signed = op(Action::GuestStopHard, &vm("u", "g", 1));
    for other in [vm("v", "g", 1), vm("u", "h", 1), vm("u", "g", 2)] {
        assert_eq!(answer(&signed, &other, &guards()), Err(RejectCode::IdentChanged));
    }
}

#[test]
fn g06_a_guest_that_is_no_longer_as_it_was_seen_is_not_touched() {
    let state = Some(RejectCode::StateChanged);
    assert_eq!(after(|image, _, _| image.volumes.push(volume("mp1", "store:105/vm-105-disk-3.raw"))), state);
    assert_eq!(after(|image, _, _| image.volumes[0].size = Some(2 << 30)), state);
    assert_eq!(after(|image, _, _| image.volumes[0].size = None), state);
    assert_eq!(after(|image, _, _| image.snapshots.pop()), state);
    assert_eq!(after(|image, _, _| image.snapshots[0].taken_at = Some(1)), state);
    assert_eq!(after(|image, _, _| image.template = true), state);
    let set = |key: &str, value: &str| {
        after(|image, _, _| image.config.current.insert(key.to_owned(), value.to_owned()))
    };
    assert_eq!(set("mp1", "store:105/vm-105-disk-3.raw,mp=/x"), state);
    assert_eq!(set("cores", "4"), state);
    let pending = |change| after(|image, _, _| image.config.pending.insert("cores".to_owned(), change));
    assert_eq!(pending(PendingChange::Delete), state);
    assert_eq!(pending(PendingChange::Set("2".to_owned())), state);
    // What only keeps books changes nothing.
    for key in ["digest", "parent", "snaptime", "snapstate", "runningmachine", "runningcpu"] {
        assert_eq!(set(key, "other"), None, "{key}");
    }
}

#[test]
fn g07_g08_g09_d11_d12_who_is_busy_or_out_of_reach_is_not_touched() {
    assert_eq!(after(|image, _, _| image.run = RunState::Running), Some(RejectCode::GuestRunning));
    assert_eq!(after(|image, _, _| image.run = RunState::Paused), Some(RejectCode::GuestRunning));
    assert_eq!(after(|image, _, _| image.run = RunState::Unknown), Some(RejectCode::ObservationUntrusted));
    assert_eq!(after(|image, _, _| image.lock = Some("backup".to_owned())), Some(RejectCode::Locked));
    assert_eq!(after(|image, _, _| image.backup_task = Some("UPID:b".to_owned())), Some(RejectCode::Locked));
    assert_eq!(
        after(|image, _, op| {
            image.ha = HaState::Managed(Some("started".to_owned()));
            op.state_sha256 = Some(state_sha256(image));
        }),
        Some(RejectCode::HaManaged)
    );
    assert_eq!(
        after(|image, _, _| image.ha = HaState::Managed(None)),
        Some(RejectCode::HaManaged),
        "the one thing that changed has a name of its own"
    );
    assert_eq!(after(|image, _, _| image.replicated = Reading::Known(true)), Some(RejectCode::Replicated));
    let fault = ReadFault { code: "permission", message: "no".to_owned() };
    assert_eq!(
        after(|image, _, _| image.replicated = Reading::Unknown(fault)),
        Some(RejectCode::ObservationUntrusted)
    );
    assert_eq!(
        after(|_, guards, _| guards.protected.insert(Vmid::new(105).unwrap())),
        Some(RejectCode::Protected)
    );
    assert_eq!(after(|_, guards, _| guards.managed = false), Some(RejectCode::NotManaged));
    let protect =
        |image: &mut GuestImage| image.config.current.insert("protection".to_owned(), "1".to_owned());
    assert_eq!(after(|image, _, _| protect(image)), Some(RejectCode::Protected), "since the draft");
    let ignored = HaState::Managed(Some("ignored".to_owned()));
    assert_eq!(after(|image, _, _| image.ha = ignored), Some(RejectCode::StateChanged));
    let mut image = container();
    let stop = op(Action::GuestStopHard, &image);
    protect(&mut image);
    assert_eq!(answer(&stop, &image, &guards()), Err(RejectCode::StateChanged));
    assert_eq!(answer(&op(destroy(), &image), &image, &guards()), Err(RejectCode::Protected));
    assert!(answer(&op(Action::GuestStopHard, &image), &image, &guards()).is_ok(), "nothing stored is lost");
    // A volume that no listing has cannot be missed afterwards.
    let mut image = container();
    image.volumes[0].size = None;
    assert_eq!(answer(&op(destroy(), &image), &image, &guards()), Err(RejectCode::ObservationUntrusted));
}

#[test]
fn g11_a_backup_that_would_not_bring_it_back_is_no_evidence() {
    let missing = Some(RejectCode::EvidenceMissing);
    let stale = Some(RejectCode::EvidenceStale);
    let other = |change: fn(&mut SeenBackup)| after(|_, guards, _| change(&mut guards.backups[0]));
    assert_eq!(
        after(|_, guards, _| guards.backups.clear()),
        missing,
        "its file is gone, or its storage offline"
    );
    assert_eq!(other(|backup| backup.size = Some(0)), missing);
    assert_eq!(other(|backup| backup.size = None), missing);
    assert_eq!(
        other(|backup| backup.size = Some(4_097)),
        missing,
        "another file than the one that was signed"
    );
    assert_eq!(other(|backup| backup.ctime = Some(1_760_000_001)), missing);
    assert_eq!(other(|backup| backup.ctime = None), missing);
    assert_eq!(other(|backup| backup.guest = Some(guest(GuestKind::Lxc, 106))), missing);
    assert_eq!(other(|backup| backup.guest = Some(guest(GuestKind::Qemu, 105))), missing);
    assert_eq!(other(|backup| backup.guest = None), missing);
    assert_eq!(other(|backup| backup.broken = true), missing);
    for key in ["rootfs", "mp0", "unused0"] {
        assert_eq!(after(|_, guards, _| guards.backups[0].covers.remove(key)), missing, "{key}");
        let claimed = |_: &mut GuestImage, _: &mut Guards, op: &mut Operation| {
            op.evidence.as_mut().unwrap().covers.remove(key);
        };
        assert_eq!(after(claimed), missing, "{key} was not claimed");
    }
    // From before the guest was made anew.
    let remade = |image: &mut GuestImage, _: &mut Guards, op: &mut Operation| {
        image.incarnations.insert("UPID:x".to_owned(), 1_760_000_500);
        op.subject.as_mut().unwrap().ident = ident(image);
    };
    assert_eq!(after(remade), missing);
    assert_eq!(after(|_, guards, _| guards.evidence_max_age_s = 9_999), stale);
    assert_eq!(after(|_, guards, _| guards.evidence_max_age_s = 10_000), None);
    assert_eq!(
        after(|_, guards, _| guards.now = Timestamp::from_unix(1_759_999_600)),
        stale,
        "from the future"
    );
}

#[test]
fn d07_without_a_backup_it_takes_two_signers_or_a_guest_without_data() {
    let image = container();
    let mut op = op(destroy(), &image);
    op.evidence = None;
    let step = Step::Destroy { guest: image.guest, purge: false };
    let code = |waived, guards: &Guards| {
        permits(&step, &op, waived, &image, guards).map(|_| ()).map_err(|rejected| rejected.code)
    };
    assert_eq!(code(false, &guards()), Err(RejectCode::Threshold));
    assert_eq!(code(true, &guards()), Ok(()));
    assert_eq!(code(false, &Guards { data_bearing: false, ..guards() }), Ok(()));
}

#[test]
fn what_takes_no_data_needs_no_backup() {
    let mut image = container();
    image.run = RunState::Running;
    for action in [
        Action::GuestStopHard,
        Action::SnapshotDelete { snapshot: "before".to_owned() },
        Action::BackupDelete { volid: BACKUP.to_owned() },
    ] {
        let op = Operation { evidence: None, ..op(action.clone(), &image) };
        assert!(answer(&op, &image, &guards()).is_ok(), "{action:?}");
    }
}

#[test]
fn a_backup_that_is_deleted_or_restored_is_there_and_of_this_guest() {
    let image = container();
    let delete = op(Action::BackupDelete { volid: BACKUP.to_owned() }, &image);
    let restore = op(
        Action::GuestRestoreOver { volid: "store:backup/other".to_owned(), storage: "store".to_owned() },
        &image,
    );
    let with = |change: fn(&mut SeenBackup)| {
        let mut guards = guards();
        change(&mut guards.backups[0]);
        guards
    };
    assert_eq!(answer(&delete, &image, &with(|backup| backup.protected = true)), Err(RejectCode::Protected));
    let foreign = with(|backup| backup.guest = Some(guest(GuestKind::Lxc, 106)));
    assert_eq!(answer(&delete, &image, &foreign), Err(RejectCode::EvidenceMissing));
    assert_eq!(
        answer(&delete, &image, &Guards { backups: Vec::new(), ..guards() }),
        Err(RejectCode::EvidenceMissing)
    );
    assert_eq!(answer(&restore, &image, &guards()), Err(RejectCode::EvidenceMissing), "no such backup");
    let mut both = guards();
    both.backups.push(SeenBackup { volid: "store:backup/other".to_owned(), ..seen_backup() });
    assert_eq!(answer(&restore, &image, &both), Ok(Vec::new()));
    both.backups[1].size = Some(0);
    assert_eq!(answer(&restore, &image, &both), Err(RejectCode::EvidenceMissing), "empty");
    both.backups[1] = SeenBackup { guest: Some(guest(GuestKind::Qemu, 105)), ..both.backups[1].clone() };
    assert_eq!(answer(&restore, &image, &both), Err(RejectCode::EvidenceMissing), "of a VM");
}

#[test]
fn parameters_that_name_what_is_not_there_are_refused() {
    let image = container();
    for action in [
        Action::VolumeDelete { key: "unused0".to_owned(), volid: "store:105/vm-105-disk-0.raw".to_owned() },
        Action::VolumeDelete { key: "unused1".to_owned(), volid: "store:105/vm-105-disk-2.raw".to_owned() },
        Action::VolumeDelete { key: "mp0".to_owned(), volid: "store:105/vm-105-disk-1.raw".to_owned() },
        Action::VolumeDetach { key: "mp7".to_owned() },
        Action::VolumeDetach { key: "rootfs".to_owned() },
        Action::VolumeDetach { key: "unused0".to_owned() },
        Action::VolumeDetach { key: "net0".to_owned() },
        Action::ConfigDestructive { set: Map::new(), delete: texts(&["lock"]) },
        Action::ConfigDestructive {
            set: [("force".to_owned(), "1".to_owned())].into(),
            delete: texts(&["mp0"]),
        },
        Action::ConfigDestructive {
            set: [("skiplock".to_owned(), "1".to_owned())].into(),
            delete: texts(&[]),
        },
        Action::SnapshotDelete { snapshot: "nosuch".to_owned() },
        Action::GuestRollback { snapshot: "nosuch".to_owned(), start: false },
    ] {
        let op = op(action.clone(), &image);
        assert_eq!(answer(&op, &image, &guards()), Err(RejectCode::BindParams), "{action:?}");
    }
}

#[test]
fn a_write_does_not_carry_a_pending_loss_along() {
    let mut image = container();
    image.config.pending.insert("unused0".to_owned(), PendingChange::Delete);
    let detach = op(Action::VolumeDetach { key: "mp0".to_owned() }, &image);
    assert_eq!(answer(&detach, &image, &guards()), Err(RejectCode::BindParams));
    let delete =
        Action::VolumeDelete { key: "unused0".to_owned(), volid: "store:105/vm-105-disk-2.raw".to_owned() };
    assert!(answer(&op(delete, &image), &image, &guards()).is_ok(), "it is what was signed for");
}

#[test]
fn what_no_token_may_do_is_refused_with_what_to_do_by_hand() {
    let image = container();
    for action in [
        Action::GuestUnlock { lock: "backup".to_owned() },
        Action::ResourceDelete { resource_id: "r".to_owned() },
        Action::JobShell { command_sha256: "0".repeat(64), timeout_s: 1 },
    ] {
        let rejected = steps_of(&op(action, &image), &image).unwrap_err();
        assert_eq!(rejected.code, RejectCode::NotSupported);
        assert!(!rejected.detail.is_empty());
    }
}

/// Everything wrong at once: mended one by one, each refusal is the next in the order of the checks.
#[test]
fn the_first_check_that_fails_names_the_refusal() {
    let mut image = container();
    let signed = image.clone();
    image.guest = signed.guest;
    image.volumes[1].volid = "store:105/vm-105-disk-9.raw".to_owned();
    image.config.current.insert("protection".to_owned(), "1".to_owned());
    image.lock = Some("backup".to_owned());
    image.ha = HaState::Managed(None);
    image.replicated = Reading::Known(true);
    image.run = RunState::Running;
    image.volumes[0].size = None;
    let mut guards = Guards { managed: false, backups: Vec::new(), evidence_max_age_s: 1, ..guards() };
    let mut op = op(destroy(), &signed);
    let step = Step::Destroy { guest: image.guest, purge: false };
    let mut codes = Vec::new();
    for mend in 0..12 {
        let found = permits(&step, &op, false, &image, &guards).map_err(|rejected| rejected.code);
        codes.push(found.err());
        match mend {
            0 => image.volumes[1].volid = signed.volumes[1].volid.clone(),
            1 => op.state_sha256 = Some(state_sha256(&image)),
            2 => image.lock = None,
            3 => {
                image.config.current.remove("protection");
                op.state_sha256 = Some(state_sha256(&image));
            }
            4 => {
                image.ha = HaState::NotManaged;
                op.state_sha256 = Some(state_sha256(&image));
            }
            5 => image.replicated = Reading::Known(false),
            6 => image.run = RunState::Stopped,
            7 => guards.managed = true,
            8 => guards.backups = vec![seen_backup()],
            9 => guards.evidence_max_age_s = 86_400,
            _ => {
                image.volumes[0].size = Some(1);
                op.state_sha256 = Some(state_sha256(&image));
            }
        }
    }
    let expected = [
        RejectCode::IdentChanged,
        RejectCode::StateChanged,
        RejectCode::Locked,
        RejectCode::Protected,
        RejectCode::HaManaged,
        RejectCode::Replicated,
        RejectCode::GuestRunning,
        RejectCode::NotManaged,
        RejectCode::EvidenceMissing,
        RejectCode::EvidenceStale,
        RejectCode::ObservationUntrusted,
    ];
    let expected: Vec<Option<RejectCode>> = expected.into_iter().map(Some).chain([None]).collect();
    assert_eq!(codes, expected);
}
