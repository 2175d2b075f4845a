//! The seam between the simulated web server (`server`: sockets, TLS, authentication, schema) and the simulated node
//! (`node`: guests, tasks, storage). The server checks a request as pveproxy and the REST handler do and then hands it over.

use std::collections::BTreeMap;

use serde_json::Value;

/// A request that has passed authentication, routing, the declared permission check and the parameter schema.
#[derive(Clone, Debug)]
pub struct Call {
    /// `GET`, `POST`, `PUT`, `DELETE`.
    pub method: String,
    /// The route as the schema names it: `/nodes/{node}/lxc/{vmid}/config`.
    pub route: String,
    /// Path variables and parameters together, as Proxmox merges them; each as the text that was sent (JSON scalars printed).
    pub params: BTreeMap<String, String>,
    pub caller: Caller,
}

/// Who asks, after authentication.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// `root@pam!agent`, as the UPID carries it.
    pub auth_id: String,
}

impl Caller {
    /// `root@pam` of `root@pam!agent`.
    pub fn user(&self) -> &str {
        self.auth_id.split('!').next().unwrap_or_default()
    }

    /// `agent` of `root@pam!agent`.
    pub fn token(&self) -> Option<&str> {
        self.auth_id.split_once('!').map(|(_, token)| token)
    }
}

/// What the API answers with status 200: `data`, and for lists that page also `total`.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    pub data: Value,
    pub total: Option<u64>,
}

impl Reply {
    pub fn data(data: Value) -> Self {
        Self { data, total: None }
    }
}

/// A refusal as Proxmox words it: the reason phrase, `message` in the body (the same with a line feed), and `errors` by parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiError {
    pub status: u16,
    pub reason: String,
    pub errors: BTreeMap<String, String>,
    /// 401, 595, 596 and 599 have no body, no length and no type.
    pub empty_body: bool,
}

impl ApiError {
    pub fn new(status: u16, reason: impl Into<String>) -> Self {
        Self { status, reason: reason.into(), errors: BTreeMap::new(), empty_body: false }
    }

    /// `400 Parameter verification failed.` with one text by parameter.
    pub fn parameter(name: &str, text: impl Into<String>) -> Self {
        Self {
            errors: BTreeMap::from([(name.to_owned(), text.into())]),
            ..Self::new(400, "Parameter verification failed.")
        }
    }

    /// `403 Permission check failed (/vms/100, VM.PowerMgmt)`.
    pub fn forbidden(path: &str, privilege: &str) -> Self {
        Self::new(403, format!("Permission check failed ({path}, {privilege})"))
    }
}
