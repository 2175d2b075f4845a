//! Whether cloudflared carries traffic: its own `/ready`, where it is configured, and what the service manager left
//! behind in the file system otherwise. That the process runs says nothing about its connections.

use std::path::Path;
use std::time::Duration;

use serde::Deserialize;

use crate::config::address::Address;
use crate::http::{Agent, HttpError, Method, Request, Timeouts, Trust};
use crate::hub::wire::report::{Cloudflared, ServiceStatus};

const WITHIN: Duration = Duration::from_secs(3);
const MAX_ANSWER: usize = 16 * 1024;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Ready {
    ready_connections: Option<u64>,
}

/// Asks `/ready`. The error's text is the problem of this part.
pub(super) fn ask(ready_url: &Address) -> (Cloudflared, Option<String>) {
    match connections(ready_url) {
        Ok(Some(0)) => (known(ServiceStatus::Inactive, Some(0)), None),
        Ok(Some(count)) => (known(ServiceStatus::Active, Some(count)), None),
        Ok(None) => {
            let message = format!("{ready_url}/ready does not answer as cloudflared does");
            (known(ServiceStatus::Unknown, None), Some(message))
        }
        Err(error) => (known(ServiceStatus::Unknown, None), Some(error.to_string())),
    }
}

fn known(status: ServiceStatus, ready_connections: Option<u64>) -> Cloudflared {
    Cloudflared { status, ready_connections }
}

/// 200 with connections, 503 without; both carry the count.
fn connections(ready_url: &Address) -> Result<Option<u64>, HttpError> {
    // Plain HTTP stays on this machine and has no certificate to believe; nothing need be read for it.
    let trust = if ready_url.is_tls() { Trust::SystemRoots } else { Trust::Insecure };
    let agent = Agent::new(&trust, Timeouts::within(WITHIN))?;
    let url = if ready_url.has_path() { ready_url.to_string() } else { format!("{ready_url}/ready") };
    let request = Request {
        method: Method::GET,
        url: &url,
        headers: Vec::new(),
        body: None,
        limit: MAX_ANSWER,
        timeout: None,
    };
    let answer = agent.call(&request)?;
    let ready = serde_json::from_slice::<Ready>(&answer.body).ok();
    Ok(match answer.status {
        200 | 503 => ready.and_then(|ready| ready.ready_connections),
        _ => None,
    })
}

/// What systemd and OpenRC leave in the file system of a service; no process is started to ask them.
/// `root` is `/` but in tests.
pub(super) fn look(root: &Path) -> Cloudflared {
    let exists = |path: &str| root.join(path).exists();
    let runs =
        std::fs::read_to_string(root.join("sys/fs/cgroup/system.slice/cloudflared.service/cgroup.events"))
            .is_ok_and(|events| events.lines().any(|line| line == "populated 1"));
    let installed = ["etc/systemd/system", "lib/systemd/system", "usr/lib/systemd/system"]
        .iter()
        .any(|folder| exists(&format!("{folder}/cloudflared.service")))
        || exists("etc/init.d/cloudflared");
    let has_manager = exists("run/systemd/system") || exists("run/openrc");
    let status = if runs || exists("run/openrc/started/cloudflared") {
        ServiceStatus::Active
    } else if installed {
        ServiceStatus::Inactive
    } else if has_manager {
        ServiceStatus::Absent
    } else {
        ServiceStatus::Unknown
    };
    known(status, None)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::look;
    use crate::hub::wire::report::ServiceStatus;

    #[test]
    fn the_service_managers_traces_tell_what_runs() {
        let cases: [(&[(&str, &str)], ServiceStatus); 6] = [
            (&[], ServiceStatus::Unknown),
            (&[("run/systemd/system/x", "")], ServiceStatus::Absent),
            (
                &[("run/systemd/system/x", ""), ("etc/systemd/system/cloudflared.service", "")],
                ServiceStatus::Inactive,
            ),
            (
                &[(
                    "sys/fs/cgroup/system.slice/cloudflared.service/cgroup.events",
                    "populated 1\nfrozen 0\n",
                )],
                ServiceStatus::Active,
            ),
            (
                &[
                    ("etc/systemd/system/cloudflared.service", ""),
                    ("sys/fs/cgroup/system.slice/cloudflared.service/cgroup.events", "populated 0\n"),
                ],
                ServiceStatus::Inactive,
            ),
            (&[("run/openrc/started/cloudflared", "")], ServiceStatus::Active),
        ];
        for (files, expected) in cases {
            let root = tempfile::tempdir().unwrap();
            for (path, text) in files {
                let path = root.path().join(path);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                #[expect(clippy::disallowed_methods, reason = "a test's own file")]
                fs::write(path, text).unwrap();
            }
            assert_eq!(look(root.path()).status, expected, "{files:?}");
        }
    }
}
