//! Which role may sign what, and for how long. The table is built in; a policy file can take from it and never adds.

use super::keyring::number;
use super::{MAX_TTL_S, Signer};
use crate::model::op::{OpKind, Role};
use crate::model::sorted::{Map, Set};
use crate::strict_json::object::{At, Fault, Object};
use crate::strict_json::{self, Ending};

/// No policy file is larger.
pub const MAX_BYTES: usize = 16 * 1024;
const DEEPEST: usize = 8;

/// Why a policy file was refused.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum PolicyError {
    #[error("the role policy has {found} bytes, allowed are {MAX_BYTES}")]
    TooLarge { found: usize },
    #[error("the role policy is no JSON object from the first byte to the last")]
    Syntax,
    #[error("the role policy's {path}: {message}")]
    Invalid { path: String, message: String },
    #[error(
        "the role policy lets {role} sign {kind}, which the built-in table does not; a policy can only take away"
    )]
    Widened { role: Role, kind: OpKind },
}

/// The table in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    allowed: Set<(Role, OpKind)>,
    max_ttl_s: u64,
}

impl Policy {
    pub fn built_in() -> Self {
        let pairs = |role: Role| built_in(role).iter().map(move |kind| (role, *kind));
        Self { allowed: Role::ALL.into_iter().flat_map(pairs).collect(), max_ttl_s: MAX_TTL_S }
    }

    /// `{"v":1,"max_ttl_s":3600,"roles":{"operator":["guest.stop_hard"],"shell":[]}}`: a role that is named may sign what is
    /// listed and nothing else; a role that is not named keeps what it has. `max_ttl_s` and `roles` may be left out.
    pub fn narrowed(bytes: &[u8]) -> Result<Self, PolicyError> {
        if bytes.len() > MAX_BYTES {
            return Err(PolicyError::TooLarge { found: bytes.len() });
        }
        let document = strict_json::document(bytes, DEEPEST, Ending::OneLineFeed)
            .map_err(|_no_document| PolicyError::Syntax)?;
        if let Some(fault) = strict_json::object::twice(&document, "policy") {
            return Err(invalid(fault));
        }
        let mut members = Object::read(&document, "policy").map_err(invalid)?;
        let (max_ttl_s, named) = read(&mut members).map_err(invalid)?;
        members.nothing_else().map_err(invalid)?;
        let mut policy = Self::built_in();
        policy.max_ttl_s = max_ttl_s.unwrap_or(policy.max_ttl_s);
        for (role, kinds) in named {
            if let Some(kind) = kinds.iter().find(|kind| !policy.allows(role, **kind)) {
                return Err(PolicyError::Widened { role, kind: *kind });
            }
            policy.allowed.retain(|(other, kind)| *other != role || kinds.contains(kind));
        }
        Ok(policy)
    }

    pub fn allows(&self, role: Role, kind: OpKind) -> bool {
        self.allowed.contains(&(role, kind))
    }

    /// The roles that may sign a kind.
    pub fn roles_for(&self, kind: OpKind) -> Vec<Role> {
        Role::ALL.into_iter().filter(|role| self.allows(*role, kind)).collect()
    }

    /// The longest an operation may be valid, in seconds.
    pub fn max_ttl_s(&self) -> u64 {
        self.max_ttl_s
    }

    /// See [`super::VerifiedOp::evidence_waived_by_two`]. `root` may be the second: a kind that one role alone may sign could
    /// otherwise never be done without a backup.
    pub(super) fn waives(&self, kind: OpKind, signers: &[Signer]) -> bool {
        let seconds = |role: Role| role == Role::Root || self.allows(role, kind);
        let first_of =
            |signer: &Signer| signer.roles.iter().filter(|role| self.allows(**role, kind)).copied().collect();
        signers.iter().any(|first| {
            let roles: Vec<Role> = first_of(first);
            signers
                .iter()
                .filter(|second| second.keyid != first.keyid)
                .flat_map(|second| &second.roles)
                .any(|second| seconds(*second) && roles.iter().any(|role| role != second))
        })
    }
}

fn built_in(role: Role) -> &'static [OpKind] {
    match role {
        Role::Operator => {
            &[OpKind::GuestStopHard, OpKind::GuestUnlock, OpKind::SnapshotDelete, OpKind::LimitRelease]
        }
        Role::Custodian => &[
            OpKind::GuestDestroy,
            OpKind::GuestRollback,
            OpKind::GuestRestoreOver,
            OpKind::GuestStopHard,
            OpKind::GuestUnlock,
            OpKind::VolumeDelete,
            OpKind::VolumeDetach,
            OpKind::BackupDelete,
            OpKind::ConfigDestructive,
            OpKind::ResourceDelete,
        ],
        Role::Recovery => &[OpKind::GuestRollback, OpKind::GuestRestoreOver],
        Role::Shell => &[OpKind::JobShell],
        Role::Root => &[OpKind::TrustUpdate, OpKind::FloorRaise],
        // It signs desired state and no operation.
        Role::Manifest => &[],
    }
}

type Named = Map<Role, Set<OpKind>>;

fn read(members: &mut Object<'_>) -> Result<(Option<u64>, Named), Fault> {
    number(&members.required("v")?, 1, 1)?;
    let max_ttl_s = members.optional("max_ttl_s").map(|at| number(&at, 60, MAX_TTL_S)).transpose()?;
    let mut named = Named::new();
    if let Some(at) = members.optional("roles") {
        let mut roles = Object::read(at.value, &at.path)?;
        for role in Role::ALL {
            if let Some(list) = roles.optional(role.as_str()) {
                named.insert(role, kinds(&list)?);
            }
        }
        roles.nothing_else()?;
    }
    Ok((max_ttl_s, named))
}

fn kinds(list: &At<'_>) -> Result<Set<OpKind>, Fault> {
    list.items()?
        .map(|item| {
            OpKind::parse(item.text()?)
                .ok_or_else(|| item.refused("a kind of operation, as in guest.destroy"))
        })
        .collect()
}

fn invalid(fault: Fault) -> PolicyError {
    PolicyError::Invalid { path: fault.path, message: fault.message }
}
