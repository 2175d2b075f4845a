//! What a desired-state document may say, and parsing it strictly, resource by resource: one bad resource is that
//! resource's status and the others proceed; a document that cannot be trusted as a whole is refused whole.
//! Pure. Refused whole: not JSON, too large, for another host, expired, another version, no generation, an id or a
//! vmid given twice, resources that wait for each other, bad defaults. Whether the generation went down only the control
//! loop knows: [`goes_back`].
//!
//! A folder of files is one document in pieces, which `folder` puts into one text; each piece is a manifest of its own, and
//! what must be unique is so over all of them. A document, or a piece, may come signed: whoever reads says how that is opened.

use crate::model::desired::{DesiredState, DriftPolicy, Policy, RefusedResource, RefusedState};
use crate::model::digest::sha256;
use crate::model::guest::Vmid;
use crate::model::sorted::{Map, Set};
use crate::model::time::Timestamp;
use crate::strict_json::Json;
use crate::strict_json::object::{Fault, Object};

mod check;
mod field;
mod folder;
mod guest;
mod place;
mod policy;
mod proof;
mod provision;
mod resource;
mod told;
mod value;
mod volume;

pub use check::{Finding, faults};
pub use folder::bundle;
pub use volume::is_managed as is_volume;

pub use resource::is_id;
pub use told::{Told, document, told};

/// No document is larger than this.
pub const MAX_BYTES: usize = 4 * 1024 * 1024;
pub const API_VERSION: &str = "felhom/v1";

/// A document that was refused as a whole; what was accepted before stays in force.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ManifestError {
    #[error("the manifest has {found} bytes or more, allowed are {MAX_BYTES}")]
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
    #[error("these resources depend on each other, so that none could ever begin: {ids}")]
    DependencyCycle { ids: String },
    #[error("the manifest's signature: {message}")]
    Signature { message: String },
    #[error("{file}: {error}")]
    InFile { file: String, error: Box<Self> },
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
            Self::DependencyCycle { .. } => "dependency_cycle",
            Self::Signature { .. } => "signature",
            Self::InFile { error, .. } => error.code(),
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

/// Takes a document out of its signed envelope, or says why not.
pub type Opener<'a> = &'a dyn Fn(&[u8]) -> Result<Vec<u8>, String>;

/// What only an envelope has.
const ENVELOPE: &str = "payloadType";

/// Reads a document for `host_id`, as of `now`, that nobody need have signed.
pub fn parse(bytes: &[u8], host_id: &str, now: Timestamp) -> Result<DesiredState, ManifestError> {
    let open = |_: &[u8]| Err("it is signed, and no keyring is at hand to judge that".to_owned());
    read(bytes, host_id, now, false, &open)
}

/// Reads a document, or the pieces of one, each opened first.
pub fn read(
    bytes: &[u8],
    host_id: &str,
    now: Timestamp,
    must_be_signed: bool,
    open: Opener<'_>,
) -> Result<DesiredState, ManifestError> {
    let document = json(bytes)?;
    let mut reading = Reading {
        host_id,
        now,
        must_be_signed,
        open,
        taken: Taken::default(),
        desired: DesiredState {
            generation: 0,
            sha256: sha256(bytes),
            guests: Vec::new(),
            refused: Vec::new(),
            claimed: Vec::new(),
            places: Map::new(),
        },
    };
    match folder::pieces(&document)? {
        None => reading.piece(None, bytes, document)?,
        Some(pieces) => {
            for (file, text) in pieces {
                json(text.as_bytes())
                    .and_then(|document| reading.piece(Some(file), text.as_bytes(), document))
                    .map_err(|error| ManifestError::InFile {
                        file: file.to_owned(),
                        error: Box::new(error),
                    })?;
            }
        }
    }
    let Reading { taken, mut desired, .. } = reading;
    without_unknown_dependencies(&mut desired, &taken.ids);
    policy::cycle(&desired.guests)?;
    desired.guests.sort_unstable_by_key(|guest| guest.guest);
    desired.claimed = taken.vmids.keys().copied().collect();
    Ok(desired)
}

/// Whether a document is in an envelope, good or bad.
pub fn is_envelope(bytes: &[u8]) -> bool {
    json(bytes).is_ok_and(|document| document.first(ENVELOPE).is_some())
}

/// The host that a document is for, if it says so.
pub fn host_id(bytes: &[u8]) -> Option<String> {
    match json(bytes).ok()?.first("host_id") {
        Some(Json::Text(host_id)) => Some(host_id.clone()),
        _ => None,
    }
}

fn json(bytes: &[u8]) -> Result<Json, ManifestError> {
    if bytes.len() > MAX_BYTES {
        return Err(ManifestError::TooLarge { found: bytes.len() });
    }
    serde_json::from_slice(bytes).map_err(|error| ManifestError::NotJson { message: error.to_string() })
}

/// A document as far as it has been read.
struct Reading<'a> {
    host_id: &'a str,
    now: Timestamp,
    must_be_signed: bool,
    open: Opener<'a>,
    taken: Taken,
    desired: DesiredState,
}

impl Reading<'_> {
    /// The whole document, or one file of a folder. Of the generations the highest counts.
    fn piece(&mut self, file: Option<&str>, bytes: &[u8], mut document: Json) -> Result<(), ManifestError> {
        if document.first(ENVELOPE).is_some() {
            let payload = (self.open)(bytes).map_err(|message| ManifestError::Signature { message })?;
            document = json(&payload)?;
        } else if self.must_be_signed {
            let message = "it has none, and desired.require_signed asks for one".to_owned();
            return Err(ManifestError::Signature { message });
        }
        let head = Head::read(&document, self.host_id, self.now).map_err(|fault| *fault)?;
        self.desired.generation = self.desired.generation.max(head.generation);
        let before = self.taken.ids.len();
        for (index, resource) in head.resources.iter().enumerate() {
            let id = resource::id(resource, before + index);
            self.taken.claim(&id, resource::vmid(resource))?;
            let place = place::of(resource, file, head.generation, index);
            self.desired.places.insert(id.clone(), place);
            match resource::read(resource, &id, &head.defaults) {
                Ok(guest) => self.desired.guests.push(guest),
                Err(refused) => self.desired.refused.push(*refused),
            }
        }
        Ok(())
    }
}

/// What waits for a resource that no document names would wait for ever: that is a fault of its own spec.
fn without_unknown_dependencies(desired: &mut DesiredState, ids: &Set<String>) {
    let refused = &mut desired.refused;
    desired.guests.retain(|guest| {
        let unknown = guest.policy.depends_on.iter().find(|id| !ids.contains(*id));
        if let Some(unknown) = unknown {
            refused.push(RefusedResource {
                resource_id: guest.resource_id.clone(),
                state: RefusedState::InvalidSpec,
                message: unknown_dependency(unknown),
            });
        }
        unknown.is_none()
    });
}

fn unknown_dependency(id: &str) -> String {
    format!("depends_on: found {id:?}, allowed are the ids of resources in the manifest")
}

/// What a document says of the resources that do not say otherwise.
struct Defaults {
    drift: DriftPolicy,
    policy: Policy,
}

/// What concerns the document as a whole. A member that is not known here is left to later versions, but not in
/// `defaults`: a default that is misspelt would change what happens to every guest.
struct Head<'a> {
    generation: u64,
    defaults: Defaults,
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
        let mut defaults = Defaults { drift: DriftPolicy::Correct, policy: Policy::default() };
        if let Some(at) = top.optional("defaults") {
            defaults.read(at.value)?;
        }
        let resources = top.required("resources")?.array()?;
        Ok(Self { generation, defaults, resources })
    }
}

impl Defaults {
    fn read(&mut self, defaults: &Json) -> Result<(), Fault> {
        let mut defaults = Object::read(defaults, "defaults")?;
        if let Some(drift) = defaults.optional("drift") {
            self.drift = value::drift(&drift)?;
        }
        if let Some(on_remove) = defaults.optional("on_remove") {
            self.policy.stop_on_remove = policy::stop_on_remove(&on_remove)?;
        }
        defaults.nothing_else()
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
