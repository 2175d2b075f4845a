//! A new keyring, carried by an operation: version exactly one more, signed by enough of the old roots and enough of the
//! new ones. A key counts once on each side on which it is a root.

use super::keyring::{Key, Keyring};
use super::{VerifiedOp, check};
use crate::model::op::{Action, Operation, RejectCode, Rejected, Role};
use crate::model::time::Timestamp;

/// The keyring that takes over from `old` by this operation. `new` are the bytes that the operation carries.
pub fn next_keyring(old: &Keyring, new: &[u8], op: &VerifiedOp) -> Result<Keyring, Rejected> {
    let Action::TrustUpdate { keyring } = &op.op().action else {
        return Err(op.named(Rejected::new(RejectCode::BindAction, "only a trust.update carries a keyring")));
    };
    if keyring != new {
        let message = "these are not the bytes that the operation carries";
        return Err(op.named(Rejected::new(RejectCode::BindParams, message)));
    }
    let new = parsed(new).map_err(|rejected| op.named(rejected))?;
    let keyids: Vec<&str> = op.signers().iter().map(|signer| signer.keyid.as_str()).collect();
    thresholds(old, &new, &keyids).map_err(|rejected| op.named(rejected))?;
    version(old, &new).map_err(|rejected| op.named(rejected))?;
    Ok(new)
}

/// The keyring a `trust.update` carries; of another kind, none.
pub(super) fn carried(op: &Operation) -> Result<Option<Keyring>, Rejected> {
    match &op.action {
        Action::TrustUpdate { keyring } => parsed(keyring).map(Some),
        _ => Ok(None),
    }
}

fn parsed(bytes: &[u8]) -> Result<Keyring, Rejected> {
    Keyring::parse(bytes).map_err(|error| Rejected::new(RejectCode::PayloadValue, error.to_string()))
}

pub(super) fn thresholds(old: &Keyring, new: &Keyring, keyids: &[&str]) -> Result<(), Rejected> {
    for (side, keyring) in [("old", old), ("new", new)] {
        let found = keyids.iter().filter(|keyid| keyring.key(keyid).is_some_and(is_root)).count();
        let wanted = keyring.threshold();
        if found < wanted {
            return Err(Rejected::new(
                RejectCode::Threshold,
                format!("signed by {found} root keys of the {side} keyring, which takes {wanted}"),
            ));
        }
    }
    Ok(())
}

fn is_root(key: &Key) -> bool {
    !key.revoked && key.roles.contains(&Role::Root)
}

pub(super) fn version(old: &Keyring, new: &Keyring) -> Result<(), Rejected> {
    let (found, wanted) = (new.version(), old.version().saturating_add(1));
    let code = match found.cmp(&wanted) {
        std::cmp::Ordering::Equal => return Ok(()),
        std::cmp::Ordering::Less => RejectCode::TrustRollback,
        std::cmp::Ordering::Greater => RejectCode::TrustGap,
    };
    Err(Rejected::new(code, format!("the new keyring has version {found}, allowed is {wanted}")))
}

/// A keyring that is stale already would end all work.
pub(super) fn is_fresh(new: &Keyring, now: Timestamp) -> Result<(), Rejected> {
    check::fresh(new, now, "the new keyring")
}
