//! What a desired-state document may say, and parsing it strictly, resource by resource: one bad resource is that
//! resource's status and the others proceed; a document that cannot be trusted as a whole is refused whole.
//! Pure. Refused whole: not JSON, too large, for another host, expired, another version, no generation, an id or a
//! vmid given twice, bad defaults. Whether the generation went down only the control loop knows: [`goes_back`].

use crate::model::desired::{DesiredState, DriftPolicy, RefusedResource};
use crate::model::digest::sha256;
use crate::model::guest::Vmid;
use crate::model::sorted::{Map, Set};
use crate::model::time::Timestamp;
use crate::strict_json::Json;
use crate::strict_json::object::{Fault, Object};

mod guest;
mod resource;
mod value;

/// No document is larger than this.
pub const MAX_BYTES: usize = 4 * 1024 * 1024;
pub const API_VERSION: &str = "felhom/v1";

/// A document that was refused as a whole; what was accepted before stays in force.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ManifestError {
    #[error("the manifest has {found} bytes, allowed are {MAX_BYTES}")]
    TooLarge { found: usize },
    #[error("the manifest is not JSON: {message}")]
    NotJson { message: String },
    #[error("{path}: {message}")]
    Invalid { path: String, message: String },
    #[error("api_version: found {found}, this agent reads {API_VERSION:?}")]
    ApiVersion { found: String },
    #[error("the manifest is for host {found:?}, this is {expected:?}")]
    WrongHost { found: String, expected: String },
    #[error("the manifest expired at {at}")]
    Expired { at: Timestamp },
    #[error("two resources have the id {id:?}")]
    DuplicateId { id: String },
    #[error("resources {first:?} and {second:?} both name vmid {vmid}")]
    DuplicateVmid { vmid: Vmid, first: String, second: String },
    #[error("generation {found} is lower than {in_force}, which is in force")]
    GenerationWentBack { found: u64, in_force: u64 },
}

impl ManifestError {
    /// Stable, for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "too_large",
            Self::NotJson { .. } => "not_json",
            Self::Invalid { .. } => "invalid_manifest",
            Self::ApiVersion { .. } => "api_version",
            Self::WrongHost { .. } => "wrong_host",
            Self::Expired { .. } => "expired",
            Self::DuplicateId { .. } => "duplicate_id",
            Self::DuplicateVmid { .. } => "duplicate_vmid",
            Self::GenerationWentBack { .. } => "generation_went_back",
        }
    }
}

/// Refuses a document that is older than the one in force. The same generation is no step back.
pub fn goes_back(desired: &DesiredState, in_force: Option<u64>) -> Result<(), ManifestError> {
    match in_force {
        Some(in_force) if desired.generation < in_force => {
            Err(ManifestError::GenerationWentBack { found: desired.generation, in_force })
        }
        _ => Ok(()),
    }
}

/// Reads a document for `host_id`, as of `now`.
pub fn parse(bytes: &[u8], host_id: &str, now: Timestamp) -> Result<DesiredState, ManifestError> {
    if bytes.len() > MAX_BYTES {
        return Err(ManifestError::TooLarge { found: bytes.len() });
    }
    let document: Json = serde_json::from_slice(bytes)
        .map_err(|error| ManifestError::NotJson { message: error.to_string() })?;
    let head = Head::read(&document, host_id, now).map_err(|fault| *fault)?;
    let mut desired = DesiredState {
        generation: head.generation,
        sha256: sha256(bytes),
        guests: Vec::new(),
        refused: Vec::new(),
    };
    let mut taken = Taken::default();
    for (index, resource) in (0_usize..).zip(head.resources) {
        let id = resource::id(resource, index);
        taken.claim(&id, resource::vmid(resource))?;
        match resource::read(resource, &id, head.drift) {
            Ok(guest) => desired.guests.push(guest),
            Err(refused) => desired.refused.push(*refused),
        }
    }
    desired.guests.sort_by_key(|guest| guest.guest);
    Ok(desired)
}

/// What concerns the document as a whole. A member that is not known here is left to later versions, but not in
/// `defaults`: a default that is misspelt would change what happens to every guest.
struct Head<'a> {
    generation: u64,
    drift: DriftPolicy,
    resources: &'a [Json],
}

impl<'a> Head<'a> {
    fn read(document: &'a Json, host_id: &str, now: Timestamp) -> Result<Self, Box<ManifestError>> {
        let mut top = Object::read(document, "manifest")?;
        let api_version = top.required("api_version")?;
        if api_version.value != &Json::Text(API_VERSION.to_owned()) {
            return Err(Box::new(ManifestError::ApiVersion { found: api_version.value.found() }));
        }
        let found = top.required("host_id")?.text()?;
        if found != host_id {
            let (found, expected) = (found.to_owned(), host_id.to_owned());
            return Err(Box::new(ManifestError::WrongHost { found, expected }));
        }
        let generation = top.required("generation")?.whole()?;
        if let Some(expires_at) = top.optional("expires_at") {
            let at = Timestamp::parse(expires_at.text()?).map_err(|message| expires_at.fault(message))?;
            if at <= now {
                return Err(Box::new(ManifestError::Expired { at }));
            }
        }
        let drift = match top.optional("defaults") {
            Some(defaults) => Self::defaults(defaults.value)?,
            None => DriftPolicy::Correct,
        };
        let resources = top.required("resources")?.array()?;
        Ok(Self { generation, drift, resources })
    }

    fn defaults(defaults: &Json) -> Result<DriftPolicy, Box<ManifestError>> {
        let mut defaults = Object::read(defaults, "defaults")?;
        let drift = defaults.optional("drift").map(|drift| value::drift(&drift)).transpose()?;
        if let Some(on_remove) = defaults.optional("on_remove") {
            value::on_remove(&on_remove)?;
        }
        defaults.nothing_else()?;
        Ok(drift.unwrap_or(DriftPolicy::Correct))
    }
}

impl From<Fault> for Box<ManifestError> {
    fn from(fault: Fault) -> Self {
        Self::new(ManifestError::Invalid { path: fault.path, message: fault.message })
    }
}

/// Ids and vmids that were given away, those of refused resources included: which of two was meant, nobody knows.
#[derive(Default)]
struct Taken {
    ids: Set<String>,
    vmids: Map<Vmid, String>,
}

impl Taken {
    fn claim(&mut self, id: &str, vmid: Option<Vmid>) -> Result<(), ManifestError> {
        if !self.ids.insert(id.to_owned()) {
            return Err(ManifestError::DuplicateId { id: id.to_owned() });
        }
        let Some(vmid) = vmid else { return Ok(()) };
        match self.vmids.insert(vmid, id.to_owned()) {
            Some(first) => Err(ManifestError::DuplicateVmid { vmid, first, second: id.to_owned() }),
            None => Ok(()),
        }
    }
}

/// A resource that was refused, boxed: it is the rare end.
type Refused = Box<RefusedResource>;

#[cfg(test)]
mod schema;
#[cfg(test)]
mod tests;
