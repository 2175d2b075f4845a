//! The payload: checks 7 and 8. Closed: every field is required but `evidence`, and `guest` and `bind`, which stand exactly
//! where the kind concerns a guest; nothing else may stand there.

use base64ct::{Base64, Encoding as _};

use super::keyring::{self, Keyring, number, text, time};
use super::{MAX_NUMBER, pattern};
use crate::model::guest::{GuestId, GuestKind, Vmid};
use crate::model::op::{
    Action, BackupEvidence, OpId, OpKind, Operation, RejectCode, Rejected, Role, Subject,
};
use crate::model::sorted::{Map, Set};
use crate::model::time::Timestamp;
use crate::strict_json::object::{At, Fault, Object, Rule};
use crate::strict_json::{self, Ending, Json, NoDocument};

/// A payload nests four deep.
const DEEPEST: usize = 8;
/// Members of a list or of a map of keys.
const MAX_MEMBERS: usize = 64;

/// Reads bytes whose signature was found good.
pub(super) fn read(bytes: &[u8]) -> Result<Operation, Rejected> {
    let document = strict_json::document(bytes, DEEPEST, Ending::Nothing).map_err(no_document)?;
    // Where an id can be read it is told, whatever else is wrong.
    let op_id = match document.first("op_id") {
        Some(Json::Text(text)) => OpId::parse(text).ok(),
        _ => None,
    };
    let named = |rejected: Rejected| Rejected { op_id: op_id.clone(), ..rejected };
    if let Some(fault) = strict_json::object::twice(&document, "payload") {
        return Err(named(refused(&fault)));
    }
    operation(&document).map_err(|wrong| named(wrong.rejected()))
}

fn no_document(fault: NoDocument) -> Rejected {
    let (code, why) = match fault {
        NoDocument::Syntax => {
            (RejectCode::PayloadSyntax, "it is no JSON object from the first byte to the last")
        }
        NoDocument::Number => (RejectCode::PayloadValue, "it holds a number that JSON does not know"),
        NoDocument::TooDeep => (RejectCode::PayloadSyntax, "it is nested too deeply"),
    };
    Rejected::new(code, format!("the payload cannot be read: {why}"))
}

fn refused(fault: &Fault) -> Rejected {
    let code = match fault.rule {
        Rule::Once => RejectCode::PayloadDup,
        Rule::Members => RejectCode::PayloadField,
        Rule::Value => RejectCode::PayloadValue,
    };
    Rejected::new(code, fault.discreet.clone())
}

/// What is wrong with a payload that is JSON.
enum Wrong {
    Fault(Box<Fault>),
    Version,
    Kind,
}

impl From<Fault> for Wrong {
    fn from(fault: Fault) -> Self {
        Self::Fault(Box::new(fault))
    }
}

impl Wrong {
    fn rejected(&self) -> Rejected {
        match self {
            Self::Fault(fault) => refused(fault),
            Self::Version => Rejected::new(
                RejectCode::UnsupportedVersion,
                "v: found another version, this agent reads 1; sign the operation with a tool of this version",
            ),
            Self::Kind => {
                let kinds: Vec<&str> = OpKind::ALL.iter().map(|kind| kind.as_str()).collect();
                let message = format!("kind: found an unknown one, allowed are {}", kinds.join(", "));
                Rejected::new(RejectCode::UnknownKind, message)
            }
        }
    }
}

fn operation(document: &Json) -> Result<Operation, Wrong> {
    let mut members = Object::read(document, "payload")?;
    let v = number(&members.required("v")?, 0, MAX_NUMBER)?;
    let op_id = op_id(&members.required("op_id")?)?;
    let kind = members.required("kind")?.text()?;
    let role = role(&members.required("role")?)?;
    let (host_id, node) = audience(&members.required("aud")?)?;
    let guest = members.optional("guest");
    let params = members.required("params")?;
    let bind = members.optional("bind");
    let evidence = members.optional("evidence");
    let window = window(&mut members)?;
    let nonce = text(&members.required("nonce")?, pattern::NONCE)?;
    let note = text(&members.required("note")?, pattern::NOTE)?;
    members.nothing_else()?;
    let subject = guest.map(|at| subject(&at)).transpose()?;
    let state_sha256 = bind.map(|at| state(&at)).transpose()?;
    let evidence = evidence.map(|at| backup(&at)).transpose()?;
    if v != 1 {
        return Err(Wrong::Version);
    }
    let kind = OpKind::parse(kind).ok_or(Wrong::Kind)?;
    about_a_guest(kind, "guest", subject.is_some(), true)?;
    about_a_guest(kind, "bind", state_sha256.is_some(), true)?;
    about_a_guest(kind, "evidence", evidence.is_some(), false)?;
    let action = action(kind, &params)?;
    let (iat, nbf, exp) = window;
    floor_in_reach(&action, exp, &params)?;
    Ok(Operation {
        op_id,
        action,
        role,
        host_id,
        node,
        subject,
        state_sha256,
        evidence,
        iat,
        nbf,
        exp,
        nonce,
        note,
    })
}

/// What belongs to a guest stands where the kind concerns one, and nowhere else.
fn about_a_guest(kind: OpKind, member: &str, there: bool, required: bool) -> Result<(), Fault> {
    let message = match (kind.concerns_a_guest(), there) {
        (true, false) if required => format!("is missing: {kind} concerns a guest"),
        (false, true) => format!("is not allowed: {kind} concerns no guest"),
        _ => return Ok(()),
    };
    let discreet = format!("{member}: {message}");
    Err(Fault { path: member.to_owned(), message, rule: Rule::Members, discreet })
}

/// A floor in the far future would end all signed work for good, its own correction included.
fn floor_in_reach(action: &Action, exp: Timestamp, params: &At<'_>) -> Result<(), Fault> {
    match action {
        Action::FloorRaise { iat } if *iat > exp => {
            Err(params.refused("a floor no later than the end of the operation's own validity"))
        }
        _ => Ok(()),
    }
}

fn op_id(at: &At<'_>) -> Result<OpId, Fault> {
    let refused = || at.refused("a UUID, version 7, in lower case");
    OpId::parse(at.text().map_err(|_sort| refused())?).map_err(|_message| refused())
}

fn role(at: &At<'_>) -> Result<Role, Fault> {
    let role = at.text().ok().and_then(Role::parse);
    role.ok_or_else(|| at.refused("operator, custodian, recovery, shell or root"))
}

fn audience(at: &At<'_>) -> Result<(String, String), Fault> {
    let mut members = Object::read(at.value, &at.path)?;
    let host_id = text(&members.required("host_id")?, pattern::HOST_ID)?;
    let node = text(&members.required("node")?, pattern::NODE)?;
    members.nothing_else()?;
    Ok((host_id, node))
}

fn subject(at: &At<'_>) -> Result<Subject, Fault> {
    let mut members = Object::read(at.value, &at.path)?;
    let kind = members.required("type")?;
    let found = kind.text().ok();
    let found = GuestKind::ALL.into_iter().find(|kind| Some(kind.as_str()) == found);
    let found = found.ok_or_else(|| kind.refused("lxc or qemu"))?;
    let vmid = members.required("vmid")?;
    let number = number(&vmid, Vmid::MIN, Vmid::MAX)?;
    let number = Vmid::new(number).map_err(|_range| vmid.refused("a vmid"))?;
    let ident = text(&members.required("ident")?, pattern::IDENT)?;
    members.nothing_else()?;
    Ok(Subject { guest: GuestId::new(found, number), ident })
}

fn state(at: &At<'_>) -> Result<String, Fault> {
    let mut members = Object::read(at.value, &at.path)?;
    let state = text(&members.required("state_sha256")?, pattern::SHA256)?;
    members.nothing_else()?;
    Ok(state)
}

fn backup(at: &At<'_>) -> Result<BackupEvidence, Fault> {
    let mut evidence = Object::read(at.value, &at.path)?;
    let backup = evidence.required("backup")?;
    evidence.nothing_else()?;
    let mut members = Object::read(backup.value, &backup.path)?;
    let volid = text(&members.required("volid")?, pattern::VOLID)?;
    let ctime = time(&members.required("ctime")?)?;
    let size = number(&members.required("size")?, 0, MAX_NUMBER)?;
    let covers = set(&members.required("covers")?, pattern::VOLUME_KEY)?;
    members.nothing_else()?;
    Ok(BackupEvidence { volid, ctime, size, covers })
}

fn window(members: &mut Object<'_>) -> Result<(Timestamp, Timestamp, Timestamp), Fault> {
    let iat = time(&members.required("iat")?)?;
    let nbf = members.required("nbf")?;
    let exp = members.required("exp")?;
    let (from, until) = (time(&nbf)?, time(&exp)?);
    if until <= iat {
        return Err(exp.refused("a time after iat"));
    }
    if from >= until {
        return Err(nbf.refused("a time before exp"));
    }
    Ok((iat, from, until))
}

/// Texts, each once; at most 64.
fn set(at: &At<'_>, pattern: pattern::Pattern) -> Result<Set<String>, Fault> {
    let mut set = Set::new();
    for item in at.items()? {
        if set.len() >= MAX_MEMBERS || !set.insert(text(&item, pattern)?) {
            return Err(at.refused("at most 64 texts, each once"));
        }
    }
    Ok(set)
}

fn map(at: &At<'_>) -> Result<Map<String, String>, Fault> {
    let Json::Object(pairs) = at.value else { return Err(at.refused("an object")) };
    if pairs.len() > MAX_MEMBERS {
        return Err(at.refused("at most 64 keys"));
    }
    let pair = |(key, value): &(String, Json)| {
        if !(pattern::CONFIG_KEY.holds)(key) {
            return Err(at.refused(pattern::CONFIG_KEY.allowed));
        }
        let value = At { path: format!("{}.{key}", at.path), value };
        Ok((key.clone(), text(&value, pattern::CONFIG_VALUE)?))
    };
    pairs.iter().map(pair).collect()
}

fn action(kind: OpKind, params: &At<'_>) -> Result<Action, Fault> {
    let mut members = Object::read(params.value, &params.path)?;
    let action = match kind {
        OpKind::GuestDestroy => Action::GuestDestroy { purge: members.required("purge")?.flag()? },
        OpKind::GuestRollback => Action::GuestRollback {
            snapshot: text(&members.required("snapshot")?, pattern::SNAPSHOT)?,
            start: members.required("start")?.flag()?,
        },
        OpKind::GuestRestoreOver => Action::GuestRestoreOver {
            volid: text(&members.required("volid")?, pattern::VOLID)?,
            storage: text(&members.required("storage")?, pattern::STORAGE)?,
        },
        OpKind::GuestStopHard => Action::GuestStopHard,
        OpKind::GuestUnlock => Action::GuestUnlock { lock: text(&members.required("lock")?, pattern::LOCK)? },
        OpKind::SnapshotDelete => {
            Action::SnapshotDelete { snapshot: text(&members.required("snapshot")?, pattern::SNAPSHOT)? }
        }
        OpKind::BackupDelete => {
            Action::BackupDelete { volid: text(&members.required("volid")?, pattern::VOLID)? }
        }
        OpKind::VolumeDelete => Action::VolumeDelete {
            key: text(&members.required("key")?, pattern::VOLUME_KEY)?,
            volid: text(&members.required("volid")?, pattern::VOLID)?,
        },
        OpKind::VolumeDetach => {
            Action::VolumeDetach { key: text(&members.required("key")?, pattern::VOLUME_KEY)? }
        }
        OpKind::ConfigDestructive => config(params, &mut members)?,
        OpKind::ResourceDelete => Action::ResourceDelete {
            resource_id: text(&members.required("resource_id")?, pattern::RESOURCE_ID)?,
        },
        OpKind::JobShell => shell(&mut members)?,
        OpKind::LimitRelease => {
            Action::LimitRelease { generation: number(&members.required("generation")?, 0, MAX_NUMBER)? }
        }
        OpKind::FloorRaise => Action::FloorRaise { iat: time(&members.required("iat")?)? },
        OpKind::TrustUpdate => Action::TrustUpdate { keyring: new_keyring(&members.required("keyring")?)? },
    };
    members.nothing_else()?;
    Ok(action)
}

fn config(params: &At<'_>, members: &mut Object<'_>) -> Result<Action, Fault> {
    let set_to = map(&members.required("set")?)?;
    let delete = set(&members.required("delete")?, pattern::CONFIG_KEY)?;
    if set_to.is_empty() && delete.is_empty() || set_to.keys().any(|key| delete.contains(key)) {
        return Err(params.refused("at least one key to set or to delete, and none in both"));
    }
    Ok(Action::ConfigDestructive { set: set_to, delete })
}

fn shell(members: &mut Object<'_>) -> Result<Action, Fault> {
    let command_sha256 = text(&members.required("command_sha256")?, pattern::SHA256)?;
    let at = members.required("timeout_s")?;
    let timeout_s = number(&at, 1, 86_400)?;
    let timeout_s = u32::try_from(timeout_s).map_err(|_range| at.refused("seconds of at most one day"))?;
    Ok(Action::JobShell { command_sha256, timeout_s })
}

/// A document that would be refused at load is refused here.
fn new_keyring(at: &At<'_>) -> Result<Vec<u8>, Fault> {
    let bytes = Base64::decode_vec(at.text()?)
        .map_err(|_which_byte| at.refused("base64 of a keyring, padded and canonical"))?;
    match Keyring::parse(&bytes) {
        Ok(_) => Ok(bytes),
        Err(error) => Err(at.refused(&format!(
            "base64 of a keyring of at most {} bytes ({})",
            keyring::MAX_BYTES,
            error.code()
        ))),
    }
}
