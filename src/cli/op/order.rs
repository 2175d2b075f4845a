//! What all new operations have in common: an id, a nonce, a time, and that they can be read again.

use crate::authz::write;
use crate::model::digest::hex;
use crate::model::op::{Action, BackupEvidence, OpId, Operation, Role, Subject};
use crate::model::time::Timestamp;

use super::super::Failure;
use super::super::exit::Exit;
use super::super::key_file::random;

/// How long an operation may be valid, in seconds; the least gives time to carry it to the signer and back.
pub(in crate::cli) const EXPIRES: std::ops::RangeInclusive<u64> = 60..=86_400;
pub(in crate::cli) const EXPIRES_USUALLY: u64 = 3_600;

/// The guest as it is now.
#[derive(Debug)]
pub(in crate::cli) struct Bound {
    pub(in crate::cli) subject: Subject,
    pub(in crate::cli) state_sha256: String,
    pub(in crate::cli) evidence: Option<BackupEvidence>,
}

/// What is to be ordered, of whom, and for how long.
#[derive(Debug)]
pub(in crate::cli) struct Order {
    pub(in crate::cli) action: Action,
    pub(in crate::cli) role: Role,
    pub(in crate::cli) host_id: String,
    pub(in crate::cli) node: String,
    pub(in crate::cli) bound: Option<Bound>,
    pub(in crate::cli) expires_s: u64,
    pub(in crate::cli) note: String,
}

impl Order {
    /// A new operation, held to every rule that the host will hold it to.
    pub(in crate::cli) fn operation(self, now: Timestamp) -> Result<Operation, Failure> {
        let (mut subject, mut state_sha256, mut evidence) = (None, None, None);
        if let Some(bound) = self.bound {
            subject = Some(bound.subject);
            state_sha256 = Some(bound.state_sha256);
            evidence = bound.evidence;
        }
        let operation = Operation {
            op_id: op_id(now, *random::<10>()?)?,
            action: self.action,
            role: self.role,
            host_id: self.host_id,
            node: self.node,
            subject,
            state_sha256,
            evidence,
            iat: now,
            nbf: now,
            exp: Timestamp::from_unix(now.unix().saturating_add(self.expires_s)),
            nonce: hex(&*random::<16>()?),
            note: self.note,
        };
        match write::draft(&write::payload(&operation)) {
            Ok(again) if again == operation => Ok(operation),
            Ok(_) => Err(Failure::text(Exit::Failed, "the operation reads differently than it was written")),
            Err(rejected) => {
                Err(Failure::text(Exit::Failed, format!("such an operation would be refused: {rejected}")))
            }
        }
    }
}

/// A UUID, version 7: 48 bits of milliseconds, then random bits.
fn op_id(now: Timestamp, random: [u8; 10]) -> Result<OpId, Failure> {
    let milliseconds = now.unix().saturating_mul(1_000);
    let tail = hex(&random);
    let text = |from: usize, to: usize| tail.get(from..to).unwrap_or_default();
    let head = format!("{:012x}", milliseconds & 0xffff_ffff_ffff);
    let (high, low) = head.split_at(8);
    // The variant is one of 8, 9, a, b: two bits of a random digit.
    let variant = random
        .first()
        .map_or('8', |byte| ['8', '9', 'a', 'b'].get(usize::from(byte & 3)).copied().unwrap_or('8'));
    let id = format!("{high}-{low}-7{}-{variant}{}-{}", text(2, 5), text(5, 8), text(8, 20));
    OpId::parse(&id).map_err(|message| Failure::text(Exit::Failed, message))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};

    use super::{Timestamp, op_id};

    #[test]
    fn an_op_id_begins_with_its_time() {
        let id = op_id(Timestamp::from_unix(1_795_242_415), [0xff; 10]).unwrap();
        assert_eq!(id.as_str(), "01a1fcc9-5398-7fff-bfff-ffffffffffff");
    }

    proptest! {
        #[test]
        fn every_op_id_is_a_uuid_of_version_7(now in any::<u64>(), random in any::<[u8; 10]>()) {
            op_id(Timestamp::from_unix(now), random).unwrap();
        }
    }
}
