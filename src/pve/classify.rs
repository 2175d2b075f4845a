//! What an answer with an error says: (status, reason, body) to [`PveError`]. Pure.
//! Proxmox knows no error codes: the texts are all there is. A closed list of patterns, each anchored; what fits none is
//! kept verbatim as `Other`, which claims nothing.

use serde::Deserialize;

use super::error::{Denied, PveError};
use super::perl;
use super::upid::Upid;
use crate::model::sorted::Map;

/// An error's body; on older nodes only `{"data":null}`, and often empty.
#[derive(Debug, Default, Deserialize)]
struct ErrorBody {
    #[serde(default, deserialize_with = "perl::text")]
    message: Option<String>,
    #[serde(default)]
    errors: Option<Map<String, Text>>,
}

#[derive(Debug, Deserialize)]
#[serde(transparent)]
struct Text(#[serde(deserialize_with = "perl::text")] Option<String>);

pub(super) fn error(call: String, status: u16, reason: &str, body: &[u8]) -> PveError {
    let body: ErrorBody = serde_json::from_slice(body).unwrap_or_default();
    let message = body.message.as_deref().map(str::trim_end).filter(|text| !text.is_empty());
    let text = message.unwrap_or_else(|| reason.trim_end()).to_owned();
    let errors = || {
        let errors = body.errors.unwrap_or_default().into_iter();
        errors.map(|(name, what)| (name, what.0.unwrap_or_default().trim_end().to_owned())).collect()
    };
    match status {
        401 => return PveError::Unauthorized { reason: text },
        400 => return of_parameters(call, errors(), text),
        595..=599 => return PveError::Proxy { call, status, text },
        501 => return PveError::NotImplemented { text },
        _ => {}
    }
    if let Some(denied) = denied(&text) {
        return PveError::Forbidden(denied);
    }
    if status == 403 {
        return PveError::Forbidden(Denied { path: None, privileges: Vec::new(), text });
    }
    // A delete of a missing backup job says 400 in its text alone.
    if text == "400 Parameter verification failed." {
        return of_parameters(call, errors(), text);
    }
    of_text(&text).unwrap_or(PveError::Other { call, status, text })
}

fn of_parameters(call: String, errors: Map<String, String>, text: String) -> PveError {
    match errors.get("upid").map(String::as_str) {
        Some("no such task") => PveError::NoSuchTask { upid: call },
        _ => PveError::Parameter { call, errors, text },
    }
}

/// The error that a failed task's last line tells, or plainly that it failed.
pub(super) fn failed_task(upid: &Upid, text: String, log: Vec<String>) -> PveError {
    match of_text(&text) {
        Some(PveError::Locked { lock }) => PveError::Locked { lock },
        _ => PveError::TaskFailed { upid: upid.to_string(), denied: denied(&text).map(Box::new), text, log },
    }
}

/// The texts that mean the same wherever they stand.
fn of_text(text: &str) -> Option<PveError> {
    if let Some(lock) = lock(text) {
        return Some(PveError::Locked { lock });
    }
    let text_owned = || text.to_owned();
    if text.starts_with("detected modified configuration - file changed by other user?")
        || text.starts_with("checksum mismatch (file change by other user?)")
    {
        return Some(PveError::DigestConflict { text: text_owned() });
    }
    if text.starts_with("Configuration file '") && text.ends_with("' does not exist") {
        return Some(PveError::GuestMissing { text: text_owned() });
    }
    if is_config_lock(text) {
        return Some(PveError::ConfigBusy { text: text_owned() });
    }
    let is_cluster = text.starts_with("RPCEnvironment init request failed:")
        || text.starts_with("cluster not ready - no quorum?")
        || text.starts_with("Unable to load access control list:");
    is_cluster.then(|| PveError::ClusterFs { text: text_owned() })
}

/// `CT is locked (backup)`, `VM is locked (snapshot-delete)`.
fn lock(text: &str) -> Option<String> {
    let rest = text.strip_prefix("CT is locked (").or_else(|| text.strip_prefix("VM is locked ("))?;
    Some(rest.strip_suffix(')')?.to_owned())
}

/// The file lock of a guest's configuration, which is taken before anything is done. (That of the list of tasks is not
/// one of them: it is taken after the work has begun.)
fn is_config_lock(text: &str) -> bool {
    const LOCKS: [&str; 4] = [
        "can't lock file '/run/lock/lxc/pve-config-",
        "can't lock file '/var/lock/lxc/pve-config-",
        "can't lock file '/run/lock/qemu-server/lock-",
        "can't lock file '/var/lock/qemu-server/lock-",
    ];
    LOCKS.iter().any(|start| text.starts_with(start)) && text.ends_with("' - got timeout")
}

/// `Permission check failed (/vms/100, VM.Audit|VM.Config.Disk)`, or with prose, or bare.
pub(super) fn denied(text: &str) -> Option<Denied> {
    let rest = text.strip_prefix("Permission check failed")?;
    let inner = rest.trim().strip_prefix('(').and_then(|rest| rest.strip_suffix(')')).unwrap_or_default();
    let named = inner.split_once(", ").filter(|(path, privileges)| {
        path.starts_with('/') && privileges.split(['|', ',']).all(|privilege| is_privilege(privilege.trim()))
    });
    let (path, privileges) = match named {
        Some((path, privileges)) => {
            let all = privileges.split(['|', ',']).map(|privilege| privilege.trim().to_owned());
            (Some(path.to_owned()), all.collect())
        }
        None => (None, Vec::new()),
    };
    Some(Denied { path, privileges, text: text.to_owned() })
}

/// `VM.Config.Disk`
fn is_privilege(word: &str) -> bool {
    word.contains('.') && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'.')
}

#[cfg(test)]
mod tests {

    use super::{denied, error, failed_task};
    use crate::model::outcome::Recourse;
    use crate::model::sorted::Map;
    use crate::pve::{Denied, PveError};

    fn of(status: u16, reason: &str, body: &str) -> PveError {
        error("GET /x".to_owned(), status, reason, body.as_bytes())
    }

    #[test]
    fn each_text_of_a_real_node_has_its_kind() {
        for (status, reason, code, recourse, may_have_happened) in [
            (401, "No ticket", "unauthorized", Recourse::Terminal, false),
            (401, "Authentication failed!", "unauthorized", Recourse::Terminal, false),
            (
                403,
                "Permission check failed (/vms/100, VM.PowerMgmt)",
                "permission",
                Recourse::Terminal,
                false,
            ),
            (403, "Permission check failed", "permission", Recourse::Terminal, false),
            (400, "Parameter verification failed.", "parameter", Recourse::Terminal, false),
            (500, "400 Parameter verification failed.", "parameter", Recourse::Terminal, false),
            (500, "CT is locked (backup)", "locked", Recourse::Wait, false),
            (500, "VM is locked (snapshot-delete)", "locked", Recourse::Wait, false),
            (
                500,
                "detected modified configuration - file changed by other user? Try again.",
                "digest_conflict",
                Recourse::Retry,
                false,
            ),
            (
                500,
                "checksum mismatch (file change by other user?)",
                "digest_conflict",
                Recourse::Retry,
                false,
            ),
            (
                500,
                "Configuration file 'nodes/pve/lxc/999.conf' does not exist",
                "guest_missing",
                Recourse::Terminal,
                false,
            ),
            (
                500,
                "can't lock file '/run/lock/lxc/pve-config-103.lock' - got timeout",
                "config_busy",
                Recourse::Retry,
                false,
            ),
            (
                500,
                "can't lock file '/var/log/pve/tasks/.active.lock' - got timeout",
                "proxmox_error",
                Recourse::Retry,
                true,
            ),
            (595, "Connection refused", "proxy", Recourse::Retry, true),
            (596, "Connection timed out", "proxy", Recourse::Retry, true),
            (599, "", "proxy", Recourse::Retry, true),
            (
                500,
                "RPCEnvironment init request failed: Unable to load access control list: Connection refused",
                "cluster_fs",
                Recourse::Retry,
                true,
            ),
            (501, "Method 'GET /nosuch' not implemented", "not_implemented", Recourse::Terminal, false),
            (500, "bridge 'vmbr0' does not exist", "proxmox_error", Recourse::Retry, true),
            (500, "storage 'nosuch' does not exist", "proxmox_error", Recourse::Retry, true),
            (500, "snapshot 'nosuch' does not exist", "proxmox_error", Recourse::Retry, true),
            (500, "CT 100 already running", "proxmox_error", Recourse::Retry, true),
            (301, "Moved Permanently", "proxmox_error", Recourse::Retry, true),
        ] {
            let error = of(status, reason, "");
            assert_eq!(error.code(), code, "{reason}");
            assert_eq!(error.recourse(), recourse, "{reason}");
            assert_eq!(error.may_have_happened(), may_have_happened, "{reason}");
            assert!(!error.advice().is_empty());
            // In the body of a newer node, with its newline, it means the same.
            let body = serde_json::json!({"data": null, "message": format!("{reason}\n")}).to_string();
            assert_eq!(of(status, if reason.is_empty() { "" } else { "anything" }, &body), error, "{reason}");
        }
    }

    #[test]
    fn every_bad_parameter_is_named() {
        let body = r#"{"data":null,"message":"Parameter verification failed.\n","errors":
            {"memory":"type check ('integer') failed - got 'abc'","cores":"value must have a minimum value of 1\n"}}"#;
        let error = of(400, "Parameter verification failed.", body);
        assert_eq!(
            error.to_string(),
            "Proxmox refused the parameters of GET /x: cores: value must have a minimum value of 1; memory: type \
             check ('integer') failed - got 'abc'"
        );
        let PveError::Parameter { errors, .. } = error else { panic!("{error:?}") };
        assert_eq!(errors.keys().collect::<Vec<_>>(), ["cores", "memory"]);
    }

    #[test]
    fn a_vanished_task_is_told_from_a_bad_parameter() {
        let body = r#"{"data":null,"errors":{"upid":"no such task"}}"#;
        assert_eq!(of(400, "Parameter verification failed.", body).code(), "no_such_task");
    }

    #[test]
    fn a_refusal_names_the_privilege_and_the_path_where_proxmox_does() {
        let of = |path: Option<&str>, privileges: &[&str], text: &str| {
            let privileges = privileges.iter().map(|&privilege| privilege.to_owned()).collect();
            Some(Denied { path: path.map(str::to_owned), privileges, text: text.to_owned() })
        };
        let text = "Permission check failed (/vms/100, VM.PowerMgmt)";
        assert_eq!(denied(text), of(Some("/vms/100"), &["VM.PowerMgmt"], text));
        let text = "Permission check failed (/storage/store, Datastore.Audit|Datastore.AllocateSpace)";
        assert_eq!(
            denied(text),
            of(Some("/storage/store"), &["Datastore.Audit", "Datastore.AllocateSpace"], text)
        );
        for text in [
            "Permission check failed",
            "Permission check failed (mount point type bind is only allowed for root@pam)",
            "Permission check failed (changing feature flags (except nesting) is only allowed for root@pam)",
        ] {
            assert_eq!(denied(text), of(None, &[], text));
        }
        assert_eq!(denied("CT 100 already running"), None);
    }

    #[test]
    fn a_body_that_is_no_json_leaves_the_reason() {
        for body in ["", "<html>", "[]", "{\"data\":null}", "{\"message\":\"\"}", "\u{0}"] {
            let error = of(500, "CT 100 already running", body);
            assert!(
                matches!(&error, PveError::Other { text, .. } if text == "CT 100 already running"),
                "{body}"
            );
        }
    }

    #[test]
    fn a_task_that_failed_says_why() {
        let upid: crate::pve::Upid =
            "UPID:pve:00005B5F:0004C76F:6B010DEF:vzstart:100:root@pam:".parse().unwrap();
        let fail = |text: &str| failed_task(&upid, text.to_owned(), vec!["log".to_owned()]);
        assert_eq!(fail("CT is locked (backup)"), PveError::Locked { lock: "backup".to_owned() });
        assert_eq!(fail("startup for container '106' failed").code(), "task_failed");
        assert_eq!(
            fail("Permission check failed (/storage/a, Datastore.AllocateSpace)").code(),
            "permission"
        );
        assert_eq!(
            fail("Permission check failed (/storage/a, Datastore.AllocateSpace)").recourse(),
            Recourse::Terminal
        );
    }

    #[test]
    fn the_list_of_errors_may_hold_anything() {
        let body = r#"{"errors":{"a":1,"b":null,"c":{"d":1}}}"#;
        let PveError::Parameter { errors, .. } = of(400, "x", body) else { panic!("not a parameter error") };
        let expected = [("a", "1"), ("b", ""), ("c", "")].map(|(a, b)| (a.to_owned(), b.to_owned()));
        assert_eq!(errors, Map::from(expected));
    }
}
