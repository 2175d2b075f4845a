//! The permission a call declares, evaluated as Proxmox's REST environment does, with its words.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::access::Access;
use crate::api::{ApiError, Caller};

type Params = BTreeMap<String, String>;

/// Whether the caller may make the call at all; what depends on its parameters the call itself checks later.
pub(super) fn check(
    access: &Access,
    caller: &Caller,
    permissions: &Value,
    params: &Params,
) -> Result<(), ApiError> {
    if permissions.is_null() {
        return Err(denied("user != root@pam"));
    }
    if matches!(permissions["user"].as_str(), Some("all" | "world")) {
        return Ok(());
    }
    match holds(access, caller, &permissions["check"], params) {
        Ok(true) => Ok(()),
        Ok(false) => Err(ApiError::new(403, "Permission check failed")),
        Err(text) => Err(denied(&text)),
    }
}

fn denied(detail: &str) -> ApiError {
    ApiError::new(403, format!("Permission check failed ({detail})"))
}

/// `Err` names what is missing; `Ok(false)` is a refusal without details, as alternatives give.
fn holds(access: &Access, caller: &Caller, check: &Value, params: &Params) -> Result<bool, String> {
    let text = |at: usize| check[at].as_str().unwrap_or_default();
    let rest = || check.as_array().into_iter().flatten().skip(1);
    match text(0) {
        "and" => {
            for part in rest() {
                if !holds(access, caller, part, params)? {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        "or" => Ok(rest().any(|part| holds(access, caller, part, params) == Ok(true))),
        "perm" => perm(access, caller, check, params),
        "perm-modify" => {
            let path = filled(text(1), params);
            let mut privileges = vec!["Permissions.Modify"];
            privileges.extend(match path.split('/').nth(1) {
                Some("storage") => Some("Datastore.Allocate"),
                Some("vms") => Some("VM.Allocate"),
                Some("pool") => Some("Pool.Allocate"),
                _ => None,
            });
            any(access, caller, &path, &privileges)
        }
        "userid-param" => Ok(text(1) == "self" && params.get("userid") == Some(&caller.auth_id)),
        "userid-group" => {
            let privileges: Vec<&str> =
                check[1].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            any(access, caller, "/access/groups", &privileges)
        }
        _ => Ok(false),
    }
}

/// `["perm", "/vms/{vmid}", ["VM.Audit"], "any", 1]`
fn perm(access: &Access, caller: &Caller, check: &Value, params: &Params) -> Result<bool, String> {
    let options: Vec<&Value> = check.as_array().into_iter().flatten().skip(3).collect();
    let option = |name: &str| options.chunks(2).find(|pair| pair[0] == name).and_then(|pair| pair.get(1));
    if option("require_param").and_then(|name| name.as_str()).is_some_and(|name| !params.contains_key(name)) {
        return Ok(false);
    }
    let path = filled(check[1].as_str().unwrap_or_default(), params);
    let privileges: Vec<&str> = check[2].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    if option("any").is_some() {
        return any(access, caller, &path, &privileges);
    }
    match privileges.iter().find(|privilege| !access.may(caller, &path, privilege)) {
        None => Ok(true),
        Some(missing) => Err(format!("{path}, {missing}")),
    }
}

fn any(access: &Access, caller: &Caller, path: &str, privileges: &[&str]) -> Result<bool, String> {
    if access.may_any(caller, path, privileges) {
        return Ok(true);
    }
    Err(format!("{path}, {}", privileges.join("|")))
}

/// `/vms/{vmid}` becomes `/vms/100`.
fn filled(template: &str, params: &Params) -> String {
    let mut path = template.to_owned();
    for (name, value) in params {
        path = path.replace(&format!("{{{name}}}"), value);
    }
    path
}
