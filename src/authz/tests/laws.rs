//! Laws: nothing but the signed bytes is ever accepted (A3, A4), and what is written is read back.

use proptest::prelude::*;

use super::super::testing::{HOST_ID, NODE, NOW, keyring_document, sign, situation, trust};
use super::super::{verify, write};
use super::{envelope, good, payload, refused};
use crate::model::guest::{GuestId, GuestKind, Vmid};
use crate::model::op::{Action, BackupEvidence, OpId, Operation, RejectCode, Role, Subject};
use crate::model::time::Timestamp;

#[test]
fn a03_an_envelope_cut_anywhere_is_refused() {
    let whole = envelope();
    for length in 0..whole.len() {
        assert_eq!(refused(&whole[..length]), RejectCode::EnvelopeSyntax, "{length}");
    }
}

#[test]
fn a04_no_flipped_bit_of_an_envelope_is_accepted() {
    let whole = sign(&good(), &[Role::Custodian]);
    let (trust, here) = (trust(), situation(NOW));
    verify(&whole, &trust, &here).unwrap();
    for_each_flip(&whole, |flipped, place| {
        let result = verify(flipped, &trust, &here);
        assert!(result.is_err(), "{place}");
    });
}

#[test]
fn no_cut_and_no_flipped_bit_of_a_payload_is_accepted_under_its_signature() {
    let (trust, here) = (trust(), situation(NOW));
    let (whole, signatures) = write::open(envelope().as_bytes()).unwrap();
    assert_eq!(whole, payload().as_bytes());
    let code =
        |payload: &[u8]| verify(&write::envelope(payload, &signatures), &trust, &here).unwrap_err().code;
    for length in 0..whole.len() {
        assert_eq!(code(&whole[..length]), RejectCode::BadSignature, "{length}");
    }
    for_each_flip(&whole, |flipped, place| assert_eq!(code(flipped), RejectCode::BadSignature, "{place}"));
}

fn for_each_flip(whole: &[u8], mut check: impl FnMut(&[u8], usize)) {
    let mut flipped = whole.to_vec();
    for place in 0..whole.len() * 8 {
        flipped[place / 8] ^= 1 << (place % 8);
        check(&flipped, place);
        flipped[place / 8] ^= 1 << (place % 8);
    }
    assert_eq!(flipped, whole);
}

/// A text by a character class, as the patterns have it.
fn text(pattern: &'static str, length: std::ops::RangeInclusive<usize>) -> impl Strategy<Value = String> {
    let letters: Vec<char> = pattern.chars().collect();
    proptest::collection::vec(proptest::sample::select(letters), length)
        .prop_map(|letters| letters.into_iter().collect())
}

const HEX: &str = "0123456789abcdef";
const WORD: &str = "abcxyzABCXYZ019";

fn volid() -> impl Strategy<Value = String> {
    (text(WORD, 1..=20), text("abcXYZ019_", 1..=10), text("abc019.-_:", 0..=20))
        .prop_map(|(storage, first, rest)| format!("s{storage}:backup/{first}{rest}"))
}

fn snapshot() -> impl Strategy<Value = String> {
    text("abcXYZ019_-", 1..=39).prop_map(|rest| format!("a{rest}"))
}

fn volume_key() -> impl Strategy<Value = String> {
    (proptest::sample::select(vec!["mp", "scsi", "unused", "sata"]), any::<u8>())
        .prop_map(|(name, number)| format!("{name}{number}"))
}

fn config() -> impl Strategy<Value = Action> {
    let value = text("abc 019=,:/\"\\<>~!", 0..=40).prop_map(|inner| format!("x{inner}x"));
    let key = || text("abcde_", 1..=10).prop_map(|rest| format!("k{rest}"));
    (proptest::collection::btree_map(key(), value, 1..5), proptest::collection::btree_set(key(), 0..5))
        .prop_map(|(set, delete)| {
            let delete = delete.into_iter().filter(|key| !set.contains_key(key)).collect();
            Action::ConfigDestructive { set: set.into_iter().collect(), delete }
        })
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        any::<bool>().prop_map(|purge| Action::GuestDestroy { purge }),
        (snapshot(), any::<bool>()).prop_map(|(snapshot, start)| Action::GuestRollback { snapshot, start }),
        (volid(), text(WORD, 2..=9))
            .prop_map(|(volid, storage)| Action::GuestRestoreOver { volid, storage: format!("a{storage}") }),
        Just(Action::GuestStopHard),
        Just(Action::GuestUnlock { lock: "snapshot-delete".to_owned() }),
        snapshot().prop_map(|snapshot| Action::SnapshotDelete { snapshot }),
        volid().prop_map(|volid| Action::BackupDelete { volid }),
        (volume_key(), volid()).prop_map(|(key, volid)| Action::VolumeDelete { key, volid }),
        volume_key().prop_map(|key| Action::VolumeDetach { key }),
        config(),
        text("abc019._-", 0..=60).prop_map(|rest| Action::ResourceDelete { resource_id: format!("r{rest}") }),
        (text(HEX, 64..=64), 1..=86_400_u32)
            .prop_map(|(command_sha256, timeout_s)| Action::JobShell { command_sha256, timeout_s }),
        (0..=super::super::MAX_NUMBER).prop_map(|generation| Action::LimitRelease { generation }),
        (1..=1_000_u64).prop_map(|iat| Action::FloorRaise { iat: Timestamp::from_unix(iat) }),
        Just(Action::TrustUpdate { keyring: keyring_document() }),
    ]
}

fn evidence() -> impl Strategy<Value = BackupEvidence> {
    (
        volid(),
        1..=4_000_000_000_u64,
        0..=super::super::MAX_NUMBER,
        proptest::collection::btree_set(volume_key(), 0..5),
    )
        .prop_map(|(volid, ctime, size, covers)| BackupEvidence {
            volid,
            ctime: Timestamp::from_unix(ctime),
            size,
            covers: covers.into_iter().collect(),
        })
}

fn guest() -> impl Strategy<Value = GuestId> {
    (proptest::sample::select(GuestKind::ALL.to_vec()), Vmid::MIN..=Vmid::MAX)
        .prop_map(|(kind, vmid)| GuestId::new(kind, Vmid::new(vmid).unwrap()))
}

prop_compose! {
    fn an_operation()(
        action in action(),
        role in proptest::sample::select(Role::ALL.to_vec()),
        guest in guest(),
        (ident, state, nonce) in (text(HEX, 32..=32), text(HEX, 64..=64), text(HEX, 31..=31)),
        evidence in proptest::option::of(evidence()),
        (iat, before, valid) in (1_000..4_000_000_000_u64, 0..1_000_u64, 1..100_000_u64),
        id in text(HEX, 12..=12),
        note in text("abc XYZ\"\\/~!{}", 0..=256),
    ) -> Operation {
        let about_a_guest = action.kind().concerns_a_guest();
        Operation {
            op_id: OpId::parse(&format!("0192f0c1-7d1e-7d53-9a51-{id}")).unwrap(),
            action,
            role,
            host_id: HOST_ID.to_owned(),
            node: NODE.to_owned(),
            subject: about_a_guest.then_some(Subject { guest, ident }),
            state_sha256: about_a_guest.then_some(state),
            evidence: evidence.filter(|_| about_a_guest),
            iat: Timestamp::from_unix(iat),
            nbf: Timestamp::from_unix(iat.saturating_sub(before).max(1)),
            exp: Timestamp::from_unix(iat + valid),
            nonce: format!("1{nonce}"),
            note,
        }
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(op in an_operation()) {
        let written = write::payload(&op);
        prop_assert_eq!(write::draft(&written), Ok(op));
    }

    #[test]
    fn any_bytes_are_refused_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..2_000)) {
        prop_assert!(verify(&bytes, &trust(), &situation(NOW)).is_err());
        prop_assert!(write::draft(&bytes).is_err());
    }
}
