//! What can be typed behind `op draft`, and which action it becomes.

use std::ffi::OsString;

use crate::cli::{Command, Stop, parsed};
use crate::gate::{self, Facts, PendingVolumes};
use crate::model::guest::GuestId;
use crate::model::op::{Action, OpKind, Role};
use crate::model::step::{ConfigChange, Step};
use crate::model::time::Timestamp;

use super::super::OpCommand;
use super::{DraftArguments, issued, kind, takes};

fn read(line: &str) -> Result<DraftArguments, String> {
    match parsed(format!("op draft {line}").split_whitespace().map(OsString::from).collect()) {
        Ok((_, Command::Op(OpCommand::Draft(arguments)))) => Ok(*arguments),
        Err(Stop::Usage(message)) => Err(message),
        other => panic!("{line}: {other:?}"),
    }
}

fn action(line: &str) -> Action {
    read(line).unwrap().action(None, Timestamp::from_unix(1_795_000_000)).unwrap()
}

#[test]
fn each_kind_becomes_its_action() {
    for (line, expected) in [
        ("destroy --vmid 105", Action::GuestDestroy { purge: false }),
        ("guest.destroy --purge --vmid 105", Action::GuestDestroy { purge: true }),
        (
            "rollback --vmid 105 --snapshot before --start",
            Action::GuestRollback { snapshot: "before".to_owned(), start: true },
        ),
        ("stop-hard --vmid=105", Action::GuestStopHard),
        (
            "volume-delete --vmid 105 --key unused0 --volid a:b",
            Action::VolumeDelete { key: "unused0".to_owned(), volid: "a:b".to_owned() },
        ),
        (
            "config --vmid 105 --put a=b=c --put d=e --delete mp1",
            Action::ConfigDestructive {
                set: [("a".to_owned(), "b=c".to_owned()), ("d".to_owned(), "e".to_owned())].into(),
                delete: ["mp1".to_owned()].into(),
            },
        ),
        ("floor-raise --iat 1795000100", Action::FloorRaise { iat: Timestamp::from_unix(1_795_000_100) }),
        ("floor-raise", Action::FloorRaise { iat: Timestamp::from_unix(1_795_000_000) }),
        ("limit-release --generation 7", Action::LimitRelease { generation: 7 }),
    ] {
        assert_eq!(action(line), expected, "{line}");
    }
}

#[test]
fn the_usual_role_is_the_custodians_where_he_may_sign() {
    for (line, role) in [
        ("destroy --vmid 105", Role::Custodian),
        ("stop-hard --vmid 105", Role::Custodian),
        ("snapshot-delete --vmid 105 --snapshot old", Role::Operator),
        ("floor-raise", Role::Root),
        ("rollback --vmid 105 --snapshot old --role recovery", Role::Recovery),
    ] {
        assert_eq!(read(line).unwrap().role, role, "{line}");
    }
}

#[test]
fn what_is_missing_or_does_not_belong_is_named() {
    for (line, part) in [
        ("", "KIND is missing"),
        ("destroy", "--vmid N is missing: destroy needs it"),
        ("destroy --vmid 105 --start", "--start does not belong to destroy"),
        ("destroy --vmid 99", "allowed are 100 to 999999999"),
        ("destroy --vmid 105 --vmid 106", "unexpected option --vmid"),
        ("destroy --vmid 105 --expires 59", "allowed are 60 to 86400"),
        ("destroy --vmid 105 --role king", "\"king\" is no role"),
        ("destroy --vmid 105 --role root,shell", "one role"),
        ("config --vmid 105", "--put KEY=VALUE or --delete KEY is missing"),
        ("config --vmid 105 --put a", "not KEY=VALUE"),
        ("stop-hard --vmid 105 --backup", "--backup does not belong to stop-hard"),
        ("volume-delete --vmid 105 --key unused0 --backup", "--backup does not belong to volume-delete"),
        ("job-shell --command-sha256 aa --timeout 0", "--timeout is out of bounds"),
        ("destory --vmid 105", "\"destory\" is no kind of operation"),
    ] {
        let message = read(line).unwrap_err();
        assert!(message.contains(part), "{line}: {message}");
    }
}

#[test]
fn every_kind_can_be_drafted_with_what_it_takes() {
    for kind in OpKind::ALL {
        let (required, optional) = takes(kind);
        let value = |name: &str| match name {
            "--purge" | "--start" | "--backup" => String::new(),
            "--put" => " a=b".to_owned(),
            _ => " 105".to_owned(),
        };
        let given: Vec<String> =
            required.iter().chain(optional).map(|name| format!("{name}{}", value(name))).collect();
        let arguments = read(&format!("{} {}", kind::short(kind), given.join(" "))).unwrap();
        assert_eq!(arguments.kind, kind);
        let concerns_a_guest = required.contains(&"--vmid");
        assert_eq!(concerns_a_guest, kind.concerns_a_guest(), "{kind}");
    }
}

#[test]
fn a_draft_is_issued_above_the_floor_if_that_is_near() {
    let at = Timestamp::from_unix;
    assert_eq!(issued(None, at(1_000)), at(1_000));
    assert_eq!(issued(Some(at(900)), at(1_000)), at(1_000));
    assert_eq!(issued(Some(at(1_000)), at(1_000)), at(1_001));
    assert_eq!(issued(Some(at(1_299)), at(1_000)), at(1_300));
    assert_eq!(issued(Some(at(1_300)), at(1_000)), at(1_301), "valid in a second");
    assert_eq!(issued(Some(at(1_400)), at(1_000)), at(1_000), "a floor that is no new journal's");
}

/// What a hold tells people to type can be typed.
#[test]
fn every_line_that_the_gate_names_is_a_draft() {
    let guest: GuestId = "lxc/101".parse().unwrap();
    let text = str::to_owned;
    let set = [("mp0".to_owned(), "store:8,mp=/it's here".to_owned())].into();
    let change = ConfigChange { set, delete: ["mp1".to_owned()].into(), digest: text("d") };
    let steps = [
        Step::SetConfig { guest, change },
        Step::Stop { guest },
        Step::Backup { guest, storage: text("store"), prune: true },
        Step::Destroy { guest, purge: true },
        Step::Rollback { guest, snapshot: text("s1"), start: true },
        Step::RestoreOver { guest, volid: text("a:b"), storage: text("store") },
        Step::DeleteBackup { guest, volid: text("a:b") },
        Step::DeleteSnapshot { guest, name: text("s1") },
    ];
    let facts = Facts { pending: PendingVolumes::Known(Vec::new()), ..Facts::default() };
    for step in steps {
        let remedy = gate::judge(step, &facts).unwrap_err().remedy;
        let (_, line) = remedy.split_once("`felhom-agent ").unwrap_or_else(|| panic!("{remedy}"));
        let (line, _) = line.split_once('`').unwrap();
        match parsed(shell_words(line)) {
            Ok((_, Command::Op(OpCommand::Draft(arguments)))) => {
                assert_eq!(arguments.vmid, Some(guest.vmid), "{line}");
            }
            other => panic!("{line}: {other:?}"),
        }
    }
}

/// As a shell splits them, of the little that these lines use.
fn shell_words(line: &str) -> Vec<OsString> {
    let (mut words, mut quoted, mut escaped) = (vec![String::new()], false, false);
    for letter in line.chars() {
        match letter {
            _ if escaped => escaped = false,
            '\'' => {
                quoted = !quoted;
                continue;
            }
            '\\' if !quoted => {
                escaped = true;
                continue;
            }
            ' ' if !quoted => {
                words.push(String::new());
                continue;
            }
            _ => {}
        }
        words.last_mut().unwrap().push(letter);
    }
    words.into_iter().map(OsString::from).collect()
}
