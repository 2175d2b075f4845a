//! The read-only checks, in the order in which one needs the other.

use crate::clock;
use crate::config::DesiredSource;
use crate::http::Trust;
use crate::hub::{Client as HubClient, Desired, HubError};
use crate::model::desired::DesiredState;
use crate::model::guest::GuestKind;
use crate::model::time::Timestamp;
use crate::ops::trust;
use crate::paths::StateDir;
use crate::pve::{Client, PveError};
use crate::source::Found;
use crate::source::file::FileSource;

use super::privileges::{self, Need, Weight};
use super::{Bench, Check, Severity, Verdict, failed, ok, refused, skipped, warning};

/// All that changes nothing.
pub const READ_ONLY: &[Check] = &[
    ("state", state),
    ("reach", reach),
    ("tls", tls),
    ("node", node),
    ("privileges", needed_privileges),
    ("clock", node_clock),
    ("guests", guests),
    ("storage", storage),
    ("desired", desired_state),
    ("hub", hub),
];

/// The hub alone.
pub const HUB: &[Check] = &[("hub", hub)];

/// What must be in order before a guest is touched.
pub(super) const BEFORE_TASK: &[Check] = &[("reach", reach), ("node", node)];

/// How far the node's clock may be from ours, in seconds.
const SKEW: u64 = 60;

fn state(bench: &mut Bench) -> Vec<Verdict> {
    let path = &bench.config.agent.state_dir;
    let shown = path.display();
    if !path.exists() {
        return vec![ok(format!("{shown} is made at the daemon's first start"))];
    }
    match StateDir::known_host_id_in(path) {
        Ok(Some(host_id)) => vec![ok(format!("{shown} holds host id {host_id}"))],
        Ok(None) => vec![ok(format!("{shown} is there"))],
        Err(error) => vec![failed(error.to_string(), format!("see who may read {shown}"))],
    }
}

/// Whether somebody answers, whom we believe, and who believes us.
fn reach(bench: &mut Bench) -> Vec<Verdict> {
    let Some(proxmox) = &bench.config.proxmox else {
        return vec![skipped("proxmox is not configured")];
    };
    let client = match Client::new(&proxmox.connection()) {
        Ok(client) => client,
        Err(error) => return vec![refused(&error)],
    };
    match client.version() {
        Ok(version) => {
            let what =
                format!("Proxmox VE {} answers at {} and takes the token", version.version, proxmox.url);
            bench.client = Some(client);
            vec![ok(what)]
        }
        Err(error) => vec![refused(&error)],
    }
}

fn tls(bench: &mut Bench) -> Vec<Verdict> {
    let Some(proxmox) = &bench.config.proxmox else { return Vec::new() };
    if !proxmox.url.is_tls() {
        return vec![warning(
            "the connection is not encrypted; it stays on this machine",
            "use https, as Proxmox does",
        )];
    }
    let pin = "put what `felhom-agent pin` prints on the node into proxmox.pin_sha256";
    match (&proxmox.trust, &bench.client) {
        (Trust::Insecure, _) => {
            vec![warning("proxmox.insecure believes any certificate: whoever answers gets the token", pin)]
        }
        (_, None) => vec![skipped("nobody answered")],
        (Trust::Pin(_), Some(_)) => vec![ok("the certificate has the configured pin")],
        (Trust::CaFile(path), Some(_)) => {
            vec![ok(format!("the certificate is signed as {} says", path.display()))]
        }
        (Trust::SystemRoots, Some(_)) => {
            vec![ok("the certificate is signed by an authority of this machine")]
        }
    }
}

fn node(bench: &mut Bench) -> Vec<Verdict> {
    let Some(client) = &bench.client else { return vec![skipped("nobody answered")] };
    let name = match client.node() {
        Ok(name) => name,
        Err(error) => return vec![refused(&error)],
    };
    match client.node_status() {
        Ok(status) => {
            let version = status.version().unwrap_or("unknown");
            vec![ok(format!("the node is {name}, pve-manager {version}"))]
        }
        Err(PveError::Forbidden(_)) => {
            vec![skipped(format!("the node is {name}; the token may not see its figures"))]
        }
        Err(error) => vec![refused(&error)],
    }
}

fn needed_privileges(bench: &mut Bench) -> Vec<Verdict> {
    let (Some(client), Some(proxmox)) = (&bench.client, &bench.config.proxmox) else {
        return vec![skipped("nobody answered")];
    };
    let granted = match client.permissions() {
        Ok(granted) => granted,
        Err(error) => return vec![refused(&error)],
    };
    let mut needs = privileges::of_reports(client.node().unwrap_or("localhost"));
    if let Ok(Some(desired)) = desired(bench) {
        needs.extend(privileges::of_desired(&desired.guests));
    }
    if bench.config.ops.keyring.exists() {
        needs.extend(privileges::of_operations());
    }
    let lacking = privileges::missing(&needs, &granted);
    let mut verdicts: Vec<Verdict> =
        lacking.iter().map(|need| lacks(need, &needs, &proxmox.token_id)).collect();
    if !lacking.iter().any(|need| need.weight == Weight::Required) {
        verdicts
            .insert(0, ok(format!("the token has all {} privileges that are required", required(&needs))));
    }
    let excess = privileges::excessive(&needs, &granted);
    if !excess.is_empty() {
        let what = format!("the token may do far more than this agent ever does: {}", excess.join(", "));
        let remedy = "use a token of its own user with the role that README.md gives; a stolen one then does less harm";
        verdicts.push(warning(what, remedy));
    }
    verdicts
}

fn required(needs: &[Need]) -> usize {
    needs.iter().filter(|need| need.weight == Weight::Required).count()
}

pub(super) fn lacks(need: &Need, needs: &[Need], token_id: &str) -> Verdict {
    let what = format!("the token lacks {} on {}: {}", need.privilege, need.path, need.why);
    let remedy = privileges::remedy(&need.path, needs, token_id);
    match need.weight {
        Weight::Required => failed(what, remedy),
        Weight::Useful => warning(what, remedy),
    }
}

fn node_clock(bench: &mut Bench) -> Vec<Verdict> {
    let Some(client) = &bench.client else { return vec![skipped("nobody answered")] };
    let time = match client.time() {
        Ok(time) => time.time,
        Err(error) => return vec![refused(&error)],
    };
    let Some(node) = time.map(Timestamp::from_unix) else {
        return vec![warning("the node does not tell its time", "see `date` on the node")];
    };
    let ours = clock::now();
    let apart = node.seconds_since(ours).max(ours.seconds_since(node));
    if apart <= SKEW {
        return vec![ok(format!("the node's clock and ours are {apart} s apart"))];
    }
    vec![failed(
        format!("the node's clock says {node} and ours {ours}: {apart} s apart"),
        "set both by NTP (timedatectl set-ntp true)",
    )]
}

fn guests(bench: &mut Bench) -> Vec<Verdict> {
    let Some(client) = &bench.client else { return vec![skipped("nobody answered")] };
    let mut counts = Vec::new();
    let mut total = 0;
    for kind in GuestKind::ALL {
        match client.guests(kind) {
            Ok(guests) => {
                total += guests.len();
                counts.push(format!("{} {kind}", guests.len()));
            }
            Err(error) => return vec![refused(&error)],
        }
    }
    if total == 0 {
        return vec![warning(
            "the token sees no guests; that does not prove that there are none",
            "see whether it has VM.Audit on /vms",
        )];
    }
    vec![ok(format!("the token sees {}", counts.join(" and ")))]
}

fn storage(bench: &mut Bench) -> Vec<Verdict> {
    let Some(client) = &bench.client else { return vec![skipped("nobody answered")] };
    let storages = match client.storages() {
        Ok(storages) => storages,
        Err(error) => return vec![refused(&error)],
    };
    if storages.is_empty() {
        return vec![warning("the token sees no storage", "see whether it has Datastore.Audit on /storage")];
    }
    let mut verdicts = Vec::new();
    for storage in
        storages.iter().filter(|storage| storage.enabled != Some(false) && storage.active != Some(true))
    {
        let what = format!("storage {} is enabled and not active", storage.id);
        verdicts.push(warning(what, format!("see `pvesm status --storage {}` on the node", storage.id)));
    }
    if verdicts.is_empty() {
        let names: Vec<&str> = storages.iter().map(|storage| storage.id.as_str()).collect();
        verdicts.push(ok(format!("every enabled storage is active: {}", names.join(", "))));
    }
    verdicts
}

/// The desired state as far as it can be had; `None` where there is none.
fn desired(bench: &Bench) -> Result<Option<DesiredState>, Verdict> {
    let config = &bench.config;
    let host_id = config
        .known_host_id()
        .map_err(|error| failed(error.to_string(), "see who may read the state directory"))?;
    let bytes = match (&config.desired, &config.hub) {
        (DesiredSource::None, _) | (DesiredSource::Hub, None) => return Ok(None),
        (DesiredSource::File { path, is_folder, poll }, _) => {
            match FileSource::at(path.clone(), *is_folder, *poll).read() {
                Found::Document(bytes) => bytes,
                Found::Unavailable(what) => {
                    return Err(failed(what, "write the desired state there, or name another"));
                }
                Found::Nothing | Found::Unchanged => return Ok(None),
            }
        }
        (DesiredSource::Hub, Some(hub)) => {
            let Some(host_id) = &host_id else { return Ok(None) };
            let answer = HubClient::new(hub, host_id).map(|client| client.desired(None));
            match answer {
                Ok(Ok(Desired::Document { bytes, .. })) => bytes,
                // What is wrong with the hub is the hub's own check.
                Ok(Ok(Desired::Nothing | Desired::Unchanged) | Err(_)) | Err(_) => return Ok(None),
            }
        }
    };
    let Some(host_id) = host_id else {
        return Err(failed(
            "this host has no id yet, so that nobody can tell whether the desired state is for it",
            "set hub.host_id, or start the daemon once",
        ));
    };
    trust::read_manifest(config, &bytes, &host_id, clock::now()).map(Some).map_err(|error| {
        failed(error.to_string(), "correct the document; `felhom-agent plan` shows what it asks for")
    })
}

fn desired_state(bench: &mut Bench) -> Vec<Verdict> {
    match desired(bench) {
        Ok(None) => vec![skipped("there is no desired state yet")],
        Ok(Some(desired)) => {
            let mut verdicts =
                vec![ok(format!("generation {} names {} guests", desired.generation, desired.guests.len()))];
            for refused in &desired.refused {
                let what = format!("resource {}: {}", refused.resource_id, refused.message);
                verdicts.push(warning(what, "correct it; the others are in force"));
            }
            verdicts
        }
        Err(verdict) => vec![verdict],
    }
}

/// Asks the hub for the desired state, which changes nothing there.
fn hub(bench: &mut Bench) -> Vec<Verdict> {
    let Some(hub) = &bench.config.hub else { return vec![skipped("no hub is configured")] };
    let Some(host_id) = bench.config.known_host_id().ok().flatten() else {
        return vec![warning(
            "this host has no id yet, under which the hub could know it",
            "set hub.host_id, or start the daemon once",
        )];
    };
    let client = match HubClient::new(hub, &host_id) {
        Ok(client) => client,
        Err(error) => return vec![failed(error.to_string(), "correct the hub section")],
    };
    match client.desired(None) {
        Ok(Desired::Document { .. }) => {
            vec![ok(format!("{} answers, and has desired state for {host_id}", hub.url))]
        }
        Ok(Desired::Nothing | Desired::Unchanged) => {
            vec![ok(format!("{} answers, and has no desired state for {host_id}", hub.url))]
        }
        Err(error) => {
            let remedy = match &error {
                HubError::Transport(_) => "see whether hub.url is right and reachable from here",
                HubError::Http { status: 401 | 403, .. } => {
                    "see whether the key is the one the hub gave this host"
                }
                HubError::Redirect { .. } => "put the hub's own address into hub.url",
                HubError::Http { .. } | HubError::Body { .. } => "see the hub's own log",
            };
            vec![(Severity::Failed, error.to_string(), Some(remedy.to_owned()))]
        }
    }
}
