//! For the tests of the node: calls in one line, answers to compare with what a real node gave.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{World, dispatch};
use crate::api::{ApiError, Call, Caller, Reply};

/// `lxc/100/snapshot/s1/rollback` as its route and path variables.
fn route_of(path: &str) -> (String, BTreeMap<String, String>) {
    let mut route = String::new();
    let mut params = BTreeMap::new();
    let node = !["cluster", "version", "pools", "storage?", "access", "nodes"]
        .contains(&path.split('/').next().unwrap_or_default());
    if node {
        route.push_str("/nodes/{node}");
        params.insert("node".to_owned(), "pve".to_owned());
    }
    let parts: Vec<&str> = path.splitn(if path.starts_with("storage/") { 4 } else { 5 }, '/').collect();
    for (index, part) in parts.iter().enumerate() {
        let variable = match (parts.get(index.wrapping_sub(1)).copied(), *part) {
            (Some("lxc" | "qemu"), _) if node => Some("vmid"),
            (Some("snapshot"), _) => Some("snapname"),
            (Some("tasks"), _) if node => Some("upid"),
            (Some("storage"), _) if node => Some("storage"),
            (Some("backup"), _) if !node => Some("id"),
            (Some("pools"), _) => Some("poolid"),
            (Some("content"), _) => Some("volume"),
            _ => None,
        };
        match variable {
            Some(name) => {
                route.push_str(&format!("/{{{name}}}"));
                params.insert(name.to_owned(), (*part).to_owned());
            }
            None => route.push_str(&format!("/{part}")),
        }
    }
    (route, params)
}

/// One call of `PUT lxc/100/config memory=256&tags=a;b` by a token.
pub fn call_as(world: &mut World, auth_id: &str, request: &str) -> Result<Reply, ApiError> {
    let mut words = request.splitn(3, ' ');
    let method = words.next().unwrap_or_default().to_owned();
    let (route, mut params) = route_of(words.next().unwrap_or_default());
    for pair in words.next().unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, "1"));
        params.insert(key.to_owned(), value.to_owned());
    }
    dispatch(world, &Call { method, route, params, caller: Caller { auth_id: auth_id.to_owned() } })
}

/// The data of a call by root's token, or the status and text of its refusal.
pub fn call(world: &mut World, request: &str) -> Result<Value, String> {
    call_as(world, "root@pam!agent", request).map(|reply| reply.data).map_err(|error| text_of(&error))
}

/// `500 CT is locked (backup)`, `400 memory: …`.
pub fn text_of(error: &ApiError) -> String {
    match error.errors.iter().next() {
        Some((name, text)) => format!("{} {name}: {text}", error.status),
        None => format!("{} {}", error.status, error.reason),
    }
}

/// Starts a task, lets it end and gives its exit text; a refusal gives that.
pub fn run(world: &mut World, request: &str) -> String {
    match call(world, request) {
        Ok(upid) => {
            world.pass(1000.0);
            exit_of(world, upid.as_str().unwrap_or_default())
        }
        Err(text) => text,
    }
}

/// The exit text of a task, or that it runs.
pub fn exit_of(world: &World, upid: &str) -> String {
    let Some((_, task)) = world.tasks.find(upid) else { return format!("no task {upid}") };
    task.ended.as_ref().map_or_else(|| "running".to_owned(), |(exit, _)| exit.clone())
}

/// The log of the newest task.
pub fn last_log(world: &World) -> Vec<String> {
    world.tasks.newest_first().next().map(|task| task.log.clone()).unwrap_or_default()
}
