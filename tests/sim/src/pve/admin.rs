//! The node's part of the admin address:
//! `POST /conditions` with any of [`Conditions`]' fields, `POST /restart`, `POST /down`, `POST /up`,
//! `POST /certificate {"kind":"default|self_signed|expired|other_name"}`, `POST /world` with any of
//! `hung_types, killed_types, vanish_types, failing_types, empty_guest_lists, unreadable_configs, stale_resources,
//! offline_storages, revoke` (a token or user that loses every right), `lock {vmid, lock}`, and `GET /guests`: the
//! configuration files and who runs; `POST /guests/{vmid} {"set":{..},"delete":[..],"running":true}` edits one as an operator does.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use serde::Deserialize;
use serde_json::{Value, json};

use super::front::{Conditions, Front};
use crate::node::World;
use crate::server::{Admin, Faults, Host, Identity, Log, TlsChoice};

/// What can be changed from outside while the node runs.
#[derive(Debug)]
pub(super) struct Controls {
    pub(super) front: Arc<Front>,
    pub(super) host: Host,
    pub(super) identity: Mutex<Identity>,
    pub(super) plain: bool,
}

impl Controls {
    pub(super) fn rotate(&self, choice: TlsChoice) {
        let identity = Identity::new(choice);
        self.host.set_tls(identity.config());
        *self.identity.lock().unwrap() = identity;
    }

    fn certificate(&self, body: &Value) -> Result<Value, String> {
        let choice = match body["kind"].as_str().unwrap_or("default") {
            "default" => TlsChoice::Default,
            "self_signed" => TlsChoice::SelfSigned,
            "expired" => TlsChoice::Expired,
            "other_name" => TlsChoice::OtherName,
            other => return Err(format!("no certificate of kind {other}")),
        };
        self.rotate(choice);
        let identity = self.identity.lock().unwrap();
        Ok(json!({ "pin": identity.pin_hex(), "cert_pem": identity.cert_pem(), "ca_pem": identity.ca_pem() }))
    }
}

impl Admin for Controls {
    fn log(&self) -> &Log {
        &self.front.log
    }

    fn faults(&self) -> &Faults {
        &self.front.faults
    }

    fn call(&self, method: &str, path: &str, body: &Value) -> Option<Result<Value, String>> {
        if let Some(vmid) = path.strip_prefix("/guests/") {
            let mut world = self.front.world.lock().unwrap();
            return (method == "POST").then(|| edit_guest(&mut world, vmid, body));
        }
        Some(match (method, path) {
            ("POST", "/conditions") => change_conditions(&self.front, body),
            ("POST", "/restart") => {
                self.host.break_connections();
                Ok(Value::Null)
            }
            ("POST", "/down") => {
                self.host.go_down();
                Ok(Value::Null)
            }
            ("POST", "/up") => self.host.come_back().map(|()| Value::Null).map_err(|err| err.to_string()),
            ("POST", "/certificate") => self.certificate(body),
            ("POST", "/world") => change_world(&mut self.front.world.lock().unwrap(), body),
            ("GET", "/guests") => Ok(guests(&mut self.front.world.lock().unwrap())),
            _ => return None,
        })
    }
}

fn change_conditions(front: &Front, body: &Value) -> Result<Value, String> {
    let conditions: Conditions = serde_json::from_value(body.clone()).map_err(|err| err.to_string())?;
    *front.conditions.lock().unwrap() = conditions;
    Ok(Value::Null)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    hung_types: Option<BTreeSet<String>>,
    killed_types: Option<BTreeSet<String>>,
    vanish_types: Option<BTreeSet<String>>,
    failing_types: Option<BTreeMap<String, String>>,
    empty_guest_lists: Option<bool>,
    unreadable_configs: Option<BTreeMap<u32, String>>,
    stale_resources: Option<bool>,
    offline_storages: Option<BTreeSet<String>>,
    revoke: Option<String>,
}

fn change_world(world: &mut World, body: &Value) -> Result<Value, String> {
    let change: Change = serde_json::from_value(body.clone()).map_err(|err| err.to_string())?;
    let faults = &mut world.faults;
    set(&mut faults.hung_types, change.hung_types);
    set(&mut faults.killed_types, change.killed_types);
    set(&mut faults.vanish_types, change.vanish_types);
    set(&mut faults.failing_types, change.failing_types);
    set(&mut faults.empty_guest_lists, change.empty_guest_lists);
    set(&mut faults.unreadable_configs, change.unreadable_configs);
    set(&mut faults.stale_resources, change.stale_resources);
    if let Some(offline) = change.offline_storages {
        for storage in &mut world.storages {
            storage.online = !offline.contains(&storage.name);
        }
    }
    if let Some(who) = change.revoke {
        world.access.revoke_all(&who);
    }
    Ok(Value::Null)
}

fn set<T>(field: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *field = value;
    }
}

fn guests(world: &mut World) -> Value {
    world.advance();
    let rows = world.guests.values().map(|guest| {
        json!({ "vmid": guest.vmid, "type": guest.kind.name(), "running": guest.running.is_some(), "file": guest.file })
    });
    rows.collect()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Edit {
    #[serde(default)]
    set: BTreeMap<String, String>,
    #[serde(default)]
    delete: Vec<String>,
    running: Option<bool>,
}

fn edit_guest(world: &mut World, vmid: &str, body: &Value) -> Result<Value, String> {
    let edit: Edit = serde_json::from_value(body.clone()).map_err(|err| err.to_string())?;
    world.advance();
    let vmid: u32 = vmid.parse().map_err(|_| format!("{vmid} is no vmid"))?;
    let guest = world.guests.get_mut(&vmid).ok_or_else(|| format!("no guest {vmid}"))?;
    let mut config = guest.config();
    for key in &edit.delete {
        config.main.keys.remove(key);
    }
    for (key, value) in edit.set {
        if key == "description" {
            config.main.description = Some(value);
        } else {
            config.main.keys.insert(key, value);
        }
    }
    guest.save(&config);
    if let Some(running) = edit.running {
        world.set_running(vmid, running);
    }
    Ok(Value::Null)
}
