//! The simulated node: guests, their configuration, tasks, snapshots, backups and storages, answering as a real one does.
//!
//! Owns: [`World`], the whole state. Fed by: [`dispatch`], one call at a time under the server's lock.
//! Never: waits or starts threads; a task is a chain of stages that run when a later call finds their time has come.

pub mod ask;
pub mod backup;
pub mod cluster;
pub mod config_file;
#[cfg(test)]
mod config_tests;
pub mod config_write;
pub mod copies;
pub mod guests;
pub mod jobs;
pub mod keys;
pub mod lifecycle;
pub mod lxc_config;
pub mod power;
#[cfg(test)]
mod power_tests;
#[cfg(test)]
mod probe;
pub mod properties;
pub mod provision;
#[cfg(test)]
mod provision_tests;
pub mod qemu_config;
pub mod scenes;
pub mod snapshots;
pub mod storage;
pub mod storage_calls;
pub mod task_calls;
pub mod tasks;
#[cfg(test)]
mod work_tests;
pub mod world;

use ask::{Ask, find_guest};
use config_file::Kind;
pub use config_file::Kind as GuestKind;
pub use world::{Clock, Faults, Guest, Habits, World};

use crate::api::{ApiError, Call, Reply};

/// Answers one call that has passed authentication, the declared permission check and the schema.
pub fn dispatch(world: &mut World, call: &Call) -> Result<Reply, ApiError> {
    world.advance();
    let ask = Ask::new(call);
    refuse_unknown_node(world, &ask)?;
    let method = call.method.as_str();
    let reply = match guest_route(&call.route) {
        Some((kind, rest)) => on_guest(world, kind, method, rest, &ask),
        None => on_node(world, method, &call.route, &ask),
    };
    world.advance();
    reply.unwrap_or_else(|| Err(not_implemented(call)))
}

/// Whether a call would wait now for a guest's file lock, which a task or an operator holds: Proxmox waits up to
/// [`world::Pace::flock_wait`] and then says `got timeout`. The web server waits in its place, as nothing here does.
pub fn would_wait(world: &mut World, call: &Call) -> bool {
    world.advance();
    let writes = call.method == "PUT" && call.route.ends_with("/{vmid}/config");
    let vmid = Ask::new(call).vmid();
    writes && world.guest(vmid).is_some_and(|guest| guest.foreign_flock || guest.flock.is_some())
}

/// `(kind, "/{vmid}/config")` of a guest's route.
fn guest_route(route: &str) -> Option<(Kind, &str)> {
    let rest = route.strip_prefix("/nodes/{node}/")?;
    rest.strip_prefix("lxc")
        .map(|rest| (Kind::Lxc, rest))
        .or_else(|| rest.strip_prefix("qemu").map(|rest| (Kind::Qemu, rest)))
}

fn refuse_unknown_node(world: &World, ask: &Ask<'_>) -> Result<(), ApiError> {
    match ask.text("node") {
        None | Some("localhost") => Ok(()),
        Some(node) if node == world.name => Ok(()),
        Some(node) if world.other_nodes.iter().any(|other| other.name == node) => {
            Err(ApiError { empty_body: true, ..ApiError::new(595, "Connection refused") })
        }
        Some(node) => Err(ask::failure(format!(
            "hostname lookup '{node}' failed - failed to get address info for: {node}: Name or service not known"
        ))),
    }
}

fn not_implemented(call: &Call) -> ApiError {
    ApiError::new(501, format!("Method '{} {}' not implemented", call.method, call.route))
}

type Answer = Result<Reply, ApiError>;

fn on_guest(world: &mut World, kind: Kind, method: &str, rest: &str, ask: &Ask<'_>) -> Option<Answer> {
    Some(match (method, rest) {
        ("GET", "") => Ok(guests::list(world, kind, ask)),
        ("GET", "/{vmid}") => guests::index(world, kind, ask),
        ("GET", "/{vmid}/config") => guests::config(world, kind, ask),
        ("PUT", "/{vmid}/config") if kind == Kind::Lxc => lxc_config::put(world, ask),
        ("PUT", "/{vmid}/config") => qemu_config::put(world, ask),
        ("POST", "/{vmid}/config") if kind == Kind::Qemu => qemu_config::post(world, ask),
        ("GET", "/{vmid}/pending") => guests::pending(world, kind, ask),
        ("GET", "/{vmid}/status") => guests::status_index(world, kind, ask),
        ("GET", "/{vmid}/status/current") => guests::status(world, kind, ask),
        ("POST", "/{vmid}/status/start") => power::start(world, kind, ask),
        ("POST", "/{vmid}/status/stop") => power::stop(world, kind, ask),
        ("POST", "/{vmid}/status/shutdown") => power::shutdown(world, kind, ask),
        ("POST", "/{vmid}/status/reboot") => power::reboot(world, kind, ask),
        ("POST", "/{vmid}/status/suspend") => power::pause(world, kind, ask, "suspend"),
        ("POST", "/{vmid}/status/resume") => power::pause(world, kind, ask, "resume"),
        ("POST", "/{vmid}/status/reset") => power::pause(world, kind, ask, "reset"),
        ("GET", "/{vmid}/snapshot") => snapshots::list(world, kind, ask),
        ("POST", "/{vmid}/snapshot") => snapshots::create(world, kind, ask),
        ("GET", "/{vmid}/snapshot/{snapname}") => snapshots::index(world, kind, ask),
        ("DELETE", "/{vmid}/snapshot/{snapname}") => snapshots::delete(world, kind, ask),
        ("GET", "/{vmid}/snapshot/{snapname}/config") => snapshots::config(world, kind, ask),
        ("PUT", "/{vmid}/snapshot/{snapname}/config") => snapshots::describe(world, kind, ask),
        ("POST", "/{vmid}/snapshot/{snapname}/rollback") => snapshots::rollback(world, kind, ask),
        ("POST", "") if kind == Kind::Lxc => provision::lxc(world, ask),
        ("POST", "") => provision::qemu(world, ask),
        ("DELETE", "/{vmid}") => lifecycle::destroy(world, kind, ask),
        ("POST", "/{vmid}/clone") => lifecycle::clone(world, kind, ask),
        ("POST", "/{vmid}/template") => lifecycle::template(world, kind, ask),
        ("PUT", "/{vmid}/resize") => lifecycle::resize(world, kind, ask),
        ("POST", "/{vmid}/migrate") => lifecycle::migrate(world, kind, ask),
        ("GET", "/{vmid}/rrddata") => guests::rrd(world, kind, ask),
        ("GET", "/{vmid}/interfaces") => guests::interfaces(world, ask),
        ("POST", "/{vmid}/agent/ping") => guests::agent_ping(world, kind, ask),
        ("GET", "/{vmid}/agent/get-osinfo") => {
            find_guest(world, kind, ask.vmid()).and(Err(ask::failure("No QEMU guest agent configured")))
        }
        _ => return None,
    })
}

fn on_node(world: &mut World, method: &str, route: &str, ask: &Ask<'_>) -> Option<Answer> {
    Some(match (method, route) {
        ("GET", "/version" | "/nodes/{node}/version") => Ok(cluster::version()),
        ("GET", "/nodes") => Ok(cluster::nodes(world, ask)),
        ("GET", "/nodes/{node}") => Ok(cluster::node_index()),
        ("GET", "/cluster") => Ok(cluster::index()),
        ("GET", "/nodes/{node}/services" | "/nodes/{node}/services/{service}/state") => {
            Ok(cluster::services(ask))
        }
        ("GET", "/nodes/{node}/apt/update" | "/nodes/{node}/disks/list") => {
            Ok(Reply::data(serde_json::json!([])))
        }
        ("GET", "/nodes/{node}/disks/smart") => Ok(Reply::data(serde_json::json!({"health": "UNKNOWN"}))),
        ("GET", "/nodes/{node}/subscription") => Ok(cluster::subscription()),
        ("GET", "/nodes/{node}/status") => Ok(cluster::node_status()),
        ("GET", "/nodes/{node}/time") => Ok(cluster::time(world)),
        ("GET", "/nodes/{node}/tasks") => task_calls::list(world, ask),
        ("GET", "/nodes/{node}/tasks/{upid}") => task_calls::index(ask),
        ("DELETE", "/nodes/{node}/tasks/{upid}") => task_calls::abort(world, ask),
        ("GET", "/nodes/{node}/tasks/{upid}/status") => task_calls::status(world, ask),
        ("GET", "/nodes/{node}/tasks/{upid}/log") => task_calls::log(world, ask),
        ("POST", "/nodes/{node}/vzdump") => backup::start(world, ask),
        ("GET", "/nodes/{node}/vzdump/defaults") => Ok(backup::defaults()),
        ("GET", "/nodes/{node}/vzdump/extractconfig") => backup::extract_config(world, ask),
        ("GET", "/cluster/backup-info/not-backed-up") => Ok(jobs::not_backed_up(world, ask)),
        ("GET", "/nodes/{node}/rrddata") => Ok(guests::empty_rrd(world)),
        ("GET", "/cluster/status") => Ok(cluster::status(world)),
        ("GET", "/cluster/resources") => Ok(cluster::resources(world, ask)),
        ("GET" | "PUT", "/cluster/ha/resources/{sid}") => power::ha_resource(world, ask),
        ("GET", "/cluster/nextid") => cluster::next_id(world, ask),
        ("GET", "/cluster/replication") => Ok(cluster::replication(world, ask)),
        ("GET", "/cluster/options") => Ok(cluster::options(world)),
        ("PUT", "/cluster/options") => Ok(cluster::set_options(world, ask)),
        ("GET", "/cluster/tasks") => Ok(task_calls::cluster_list(world, ask)),
        ("GET", "/cluster/log") => Ok(cluster::log(world, ask)),
        _ if route.contains("storage") => return on_storage(world, method, route, ask),
        _ if route.starts_with("/cluster/backup") || route.starts_with("/pools") => {
            return on_jobs(world, method, route, ask);
        }
        _ => return None,
    })
}

fn on_storage(world: &mut World, method: &str, route: &str, ask: &Ask<'_>) -> Option<Answer> {
    Some(match (method, route) {
        ("GET", "/storage" | "/storage/{storage}") => storage_calls::configuration(world, ask),
        ("GET", "/nodes/{node}/storage") => storage_calls::list(world, ask),
        ("GET", "/nodes/{node}/storage/{storage}") => storage_calls::index(world, ask),
        ("GET", "/nodes/{node}/storage/{storage}/status") => storage_calls::status(world, ask),
        ("GET", "/nodes/{node}/storage/{storage}/content") => storage_calls::content(world, ask),
        ("POST", "/nodes/{node}/storage/{storage}/content") => storage_calls::allocate(world, ask),
        ("GET", "/nodes/{node}/storage/{storage}/content/{volume}") => storage_calls::volume(world, ask),
        ("PUT", "/nodes/{node}/storage/{storage}/content/{volume}") => storage_calls::annotate(world, ask),
        ("DELETE", "/nodes/{node}/storage/{storage}/content/{volume}") => storage_calls::delete(world, ask),
        ("GET", "/nodes/{node}/storage/{storage}/prunebackups") => storage_calls::prune_preview(world, ask),
        ("DELETE", "/nodes/{node}/storage/{storage}/prunebackups") => storage_calls::prune(world, ask),
        _ => return None,
    })
}

fn on_jobs(world: &mut World, method: &str, route: &str, ask: &Ask<'_>) -> Option<Answer> {
    Some(match (method, route) {
        ("GET", "/cluster/backup") => Ok(jobs::list(world)),
        ("POST", "/cluster/backup") => Ok(jobs::create(world, ask)),
        ("GET", "/cluster/backup/{id}") => jobs::one(world, ask),
        ("PUT", "/cluster/backup/{id}") => jobs::update(world, ask),
        ("DELETE", "/cluster/backup/{id}") => jobs::delete(world, ask),
        ("GET", "/cluster/backup/{id}/included_volumes") => jobs::included_volumes(world, ask),
        ("GET", "/pools") => jobs::pools(world, ask, false),
        ("GET", "/pools/{poolid}") => jobs::pools(world, ask, true),
        ("POST" | "PUT" | "DELETE", "/pools" | "/pools/{poolid}") => jobs::change_pool(world, ask, method),
        _ => return None,
    })
}
