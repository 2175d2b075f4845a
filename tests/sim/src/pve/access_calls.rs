//! `/access/…`: permissions, the access control list, tokens, and the few calls that make users and roles.

use serde_json::{Value, json};

use crate::access::Access;
use crate::api::{ApiError, Call, Reply};
use crate::node::World;
use crate::node::world::Pool;

/// Answers a call below `/access`; `None` for any other.
pub(super) fn dispatch(world: &mut World, call: &Call) -> Option<Result<Reply, ApiError>> {
    let members = pool_members(world);
    let access = &mut world.access;
    let text = |name: &str| call.params.get(name).map(String::as_str);
    let answer = match (call.method.as_str(), call.route.strip_prefix("/access")?) {
        ("GET", "/permissions") => permissions(access, call, &members),
        ("GET", "/acl") => Ok(acl(access)),
        ("PUT", "/acl") => change_acl(access, call),
        ("GET", "/users/{userid}/token") => tokens(access, text("userid").unwrap_or_default()),
        ("GET" | "POST" | "PUT" | "DELETE", "/users/{userid}/token/{tokenid}") => token(access, call),
        ("POST", "/roles") => {
            let privileges: Vec<&str> = split(text("privs")).collect();
            access.add_role(text("roleid").unwrap_or_default(), &privileges);
            Ok(Value::Null)
        }
        ("POST", "/users") => {
            let user = text("userid").unwrap_or_default();
            if access.user(user).is_some() {
                let text = format!("create user failed: user '{user}' already exists");
                return Some(Err(ApiError::new(500, text)));
            }
            access.add_user(user);
            access.set_enabled(user, text("enable") != Some("0"));
            Ok(Value::Null)
        }
        _ => return None,
    };
    Some(answer.map(Reply::data))
}

/// Paths of what is in a pool: permissions name them even without an entry of their own.
fn pool_members(world: &World) -> Vec<String> {
    let of_pool = |pool: &Pool| {
        let vms = pool.vms.iter().map(|vmid| format!("/vms/{vmid}"));
        vms.chain(pool.storages.iter().map(|storage| format!("/storage/{storage}"))).collect::<Vec<_>>()
    };
    world.pools.values().flat_map(of_pool).collect()
}

fn permissions(access: &Access, call: &Call, members: &[String]) -> Result<Value, ApiError> {
    let own = call.caller.auth_id.as_str();
    let who = call.params.get("userid").map_or(own, String::as_str);
    if who != own && !access.may(&call.caller, "/access", "Sys.Audit") {
        return Err(ApiError::forbidden("/access", "Sys.Audit"));
    }
    Ok(match call.params.get("path") {
        Some(path) => access.permissions_at(who, path),
        None => access.permissions_of(who, members),
    })
}

fn acl(access: &Access) -> Value {
    let rows = access.entries().iter().map(|entry| {
        json!({
            "path": entry.path,
            "ugid": entry.who,
            "roleid": entry.role,
            "type": if entry.who.contains('!') { "token" } else { "user" },
            "propagate": u8::from(entry.propagate),
        })
    });
    rows.collect()
}

fn change_acl(access: &mut Access, call: &Call) -> Result<Value, ApiError> {
    let text = |name: &str| call.params.get(name).map(String::as_str);
    let path = text("path").unwrap_or_default();
    for role in split(text("roles")) {
        if !access.has_role(role) {
            return Err(ApiError::new(500, format!("ACL update failed: role '{role}' does not exist")));
        }
        for user in split(text("users")) {
            if access.user(user).is_none() {
                return Err(ApiError::new(500, format!("ACL update failed: user '{user}' does not exist")));
            }
        }
        for who in split(text("users")).chain(split(text("tokens"))) {
            match (text("delete"), text("propagate")) {
                (Some("1"), _) => access.revoke(path, who, role),
                (_, Some("0")) => access.grant_here_only(path, who, role),
                _ => access.grant(path, who, role),
            }
        }
    }
    Ok(Value::Null)
}

fn split(text: Option<&str>) -> impl Iterator<Item = &str> {
    text.unwrap_or_default().split([',', ';', ' ']).filter(|item| !item.is_empty())
}

fn tokens(access: &Access, user: &str) -> Result<Value, ApiError> {
    if access.user(user).is_none() {
        return Err(ApiError::new(500, format!("no such user ('{user}')")));
    }
    let rows = access.tokens_of(user).map(|(name, token)| {
        let mut row = json!({ "tokenid": name, "expire": token.expire, "privsep": u8::from(token.privsep) });
        if let Some(comment) = &token.comment {
            row["comment"] = json!(comment);
        }
        row
    });
    Ok(rows.collect())
}

fn token(access: &mut Access, call: &Call) -> Result<Value, ApiError> {
    let text = |name: &str| call.params.get(name).map(String::as_str).unwrap_or_default();
    let id = format!("{}!{}", text("userid"), text("tokenid"));
    let exists = access.token(&id).is_some();
    match call.method.as_str() {
        "POST" if exists => Err(ApiError::parameter("tokenid", "Token already exists.")),
        "POST" => {
            let privsep = text("privsep") != "0";
            let secret = format!("99999999-9999-4999-8999-{:012x}", access.entries().len() + id.len());
            access.add_token(&id, &secret, privsep);
            let info = json!({ "privsep": u8::from(privsep).to_string() });
            Ok(json!({ "full-tokenid": id, "value": secret, "info": info }))
        }
        _ if !exists => Err(ApiError::new(
            500,
            format!("no such token '{}' for user '{}'", text("tokenid"), text("userid")),
        )),
        "DELETE" => {
            access.remove_token(&id);
            Ok(Value::Null)
        }
        _ => {
            let token = access.token(&id).expect("checked above");
            Ok(json!({ "expire": token.expire, "privsep": u8::from(token.privsep) }))
        }
    }
}
