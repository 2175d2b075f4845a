//! What a call costs on a real node, measured on two cores with 8 containers (2 of them running) and 2 machines over a
//! kept connection. A list looks into each running container, and the storage list activates each storage.

use std::time::Duration;

use serde_json::Value;

use crate::api::{Call, Reply};

/// Milliseconds, before the server's own factor.
pub(super) fn of(call: &Call, protected: bool, reply: Option<&Reply>) -> Duration {
    let route = call.route.strip_prefix("/nodes/{node}").unwrap_or(&call.route);
    let ms = match (call.method.as_str(), route) {
        ("GET", "/version") => 0.7,
        ("GET", route) if route.ends_with("/config") || route.ends_with("/pending") => 0.65,
        ("GET", "/tasks") => 1.8,
        ("GET", "/lxc") => 4.0 + 25.0 * running(reply) as f64,
        ("GET", "/qemu") => 6.0,
        ("GET", "/lxc/{vmid}/status/current") if runs(reply) => 30.0,
        ("GET", "/storage") => 20.0 * rows(reply).count() as f64,
        ("GET", _) if !protected => 1.0,
        ("GET", _) => 6.0,
        // Forks a worker, or locks and writes a file.
        _ => 12.0,
    };
    Duration::from_secs_f64(ms / 1000.0)
}

fn rows(reply: Option<&Reply>) -> impl Iterator<Item = &Value> {
    reply.and_then(|reply| reply.data.as_array()).into_iter().flatten()
}

fn running(reply: Option<&Reply>) -> usize {
    rows(reply).filter(|row| row["status"] == "running").count()
}

fn runs(reply: Option<&Reply>) -> bool {
    reply.is_some_and(|reply| reply.data["status"] == "running")
}
