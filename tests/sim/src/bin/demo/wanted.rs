//! What the hub of the demo wants: a document of a few guests, changed from act to act.

use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

use crate::stage::HOST;

#[derive(Debug)]
pub(crate) struct Wanted {
    document: Mutex<Value>,
}

impl Wanted {
    pub(crate) fn at_first() -> Self {
        let guest = |id: &str, kind: &str, spec: Value| json!({"id": id, "kind": kind, "spec": spec});
        let document = json!({
            "api_version": "felhom/v1",
            "host_id": HOST,
            "generation": 1,
            "resources": [
                guest("web", "lxc_guest", json!({"vmid": 100, "run_state": "running", "cores": 2, "tags": ["prod", "web"]})),
                guest("database", "lxc_guest", json!({"vmid": 101, "run_state": "running", "cores": 1})),
                guest("files", "lxc_guest", json!({"vmid": 102, "run_state": "running", "cores": 4})),
                guest("archive", "lxc_guest", json!({"vmid": 103, "run_state": "stopped"})),
                guest("media", "vm_guest", json!({"vmid": 200, "run_state": "running", "description": "films and music"})),
            ],
        });
        Self { document: Mutex::new(document) }
    }

    fn lock(&self) -> MutexGuard<'_, Value> {
        self.document.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn document(&self) -> Value {
        self.lock().clone()
    }

    pub(crate) fn generation(&self) -> u64 {
        self.lock()["generation"].as_u64().unwrap_or_default()
    }

    /// The next generation: in the specs of these resources these members are others; a container that was not there
    /// yet is, and its backups are to be proven in two seconds each.
    pub(crate) fn change(&self, specs: &[(&str, Value)]) -> Value {
        let generation = self.generation() + 1;
        let mut document = self.lock();
        document["generation"] = json!(generation);
        for (id, members) in specs {
            let Some(resources) = document["resources"].as_array_mut() else { break };
            match resources.iter_mut().find(|resource| resource["id"] == *id) {
                Some(resource) => {
                    for (name, value) in members.as_object().into_iter().flatten() {
                        resource["spec"][name] = value.clone();
                    }
                }
                None => resources.push(
                    json!({"id": id, "kind": "lxc_guest", "restore_test": {"up_s": 2}, "spec": members}),
                ),
            }
        }
        document.clone()
    }
}
