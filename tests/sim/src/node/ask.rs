//! A call as the handlers read it: parameters by name, and the refusals they share.

use std::collections::BTreeMap;

use super::config_file::Kind;
use super::properties::Properties;
use super::world::{Guest, World};
use crate::api::{ApiError, Call, Caller};

/// A borrowed view of a [`Call`].
#[derive(Debug)]
pub struct Ask<'a> {
    pub params: &'a BTreeMap<String, String>,
    pub caller: &'a Caller,
}

impl<'a> Ask<'a> {
    pub fn new(call: &'a Call) -> Self {
        Self { params: &call.params, caller: &call.caller }
    }

    pub fn text(&self, name: &str) -> Option<&str> {
        self.params.get(name).map(String::as_str)
    }

    pub fn number(&self, name: &str) -> Option<usize> {
        self.text(name)?.parse().ok()
    }

    pub fn flag(&self, name: &str) -> bool {
        matches!(self.text(name), Some("1" | "on" | "yes" | "true"))
    }

    pub fn vmid(&self) -> u32 {
        self.text("vmid").and_then(|vmid| vmid.parse().ok()).unwrap_or_default()
    }

    /// A list parameter: `a,b;c d`.
    pub fn list(&self, name: &str) -> Vec<String> {
        let text = self.text(name).unwrap_or_default();
        text.split([',', ';', ' ', '\0']).filter(|item| !item.is_empty()).map(str::to_owned).collect()
    }

    /// `root@pam` itself; its tokens are not.
    pub fn is_root(&self) -> bool {
        self.caller.auth_id == "root@pam"
    }

    /// What a card takes: its bridge, or each of its VLANs there. All bridges of the simulated node are plain ones.
    pub fn require_bridge(&self, world: &World, card: &str) -> Result<(), ApiError> {
        let card = Properties::parse(card, "model");
        let Some(bridge) = card.get("bridge") else { return Ok(()) };
        let path = format!("/sdn/zones/localnetwork/{bridge}");
        let trunks = card.get("trunks").into_iter().flat_map(|trunks| trunks.split(';'));
        let vlans: Vec<&str> = card.get("tag").into_iter().chain(trunks).collect();
        if vlans.is_empty() {
            return self.require(world, &path, "SDN.Use");
        }
        vlans.into_iter().try_for_each(|vlan| self.require(world, &format!("{path}/{vlan}"), "SDN.Use"))
    }

    pub fn require(&self, world: &World, path: &str, privilege: &str) -> Result<(), ApiError> {
        if world.access.may(self.caller, path, privilege) {
            Ok(())
        } else {
            Err(ApiError::forbidden(path, privilege))
        }
    }
}

/// `500` with a text.
pub fn failure(text: impl Into<String>) -> ApiError {
    ApiError::new(500, text)
}

/// The text for a guest that is not there, or is of the other kind.
pub fn no_such_guest(world: &World, kind: Kind, vmid: u32) -> String {
    format!("Configuration file 'nodes/{}/{}/{vmid}.conf' does not exist", world.name, kind.folder())
}

/// The guest of a call; a guest of the other kind does not exist here.
pub fn find_guest(world: &World, kind: Kind, vmid: u32) -> Result<&Guest, ApiError> {
    match world.guest(vmid).filter(|guest| guest.kind == kind) {
        None => Err(failure(no_such_guest(world, kind, vmid))),
        Some(_) if world.faults.unreadable_configs.contains_key(&vmid) => {
            Err(failure(world.faults.unreadable_configs.get(&vmid).cloned().unwrap_or_default()))
        }
        Some(guest) => Ok(guest),
    }
}

/// `CT is locked (backup)`, when it is.
pub fn locked_text(guest: &Guest) -> Option<String> {
    guest.lock().map(|lock| format!("{} is locked ({lock})", guest.kind.noun()))
}
