//! Tables of configurations: what each says, what is wrong with it, which layer wins.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use proptest::prelude::{any, proptest};
use tempfile::TempDir;

use super::{Config, DesiredSource, Needs, Sources, load, socket};
use crate::http::Trust;
use crate::model::sorted::Map;

const CANARY: &str = "c4n4ry-0f-th3-t0k3n";

struct Case {
    directory: TempDir,
    sources: Sources,
}

impl Case {
    fn new(file: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("agent.json");
        write(&path, file, 0o600);
        Self { directory, sources: Sources { file: Some(path), ..Sources::default() } }
    }

    fn env(mut self, variable: &str, value: &str) -> Self {
        self.sources.environment.insert(variable.to_owned(), value.to_owned());
        self
    }

    fn flag(mut self, flag: &str) -> Self {
        self.sources.flags.push(flag.to_owned());
        self
    }

    fn secret_file(&self) -> String {
        let path = self.directory.path().join("secret");
        write(&path, CANARY, 0o600);
        path.to_str().unwrap().to_owned()
    }

    fn config(&self, needs: Needs) -> Config {
        load(&self.sources, needs).unwrap_or_else(|error| panic!("{error}"))
    }

    fn faults(&self, needs: Needs) -> Vec<String> {
        let error = load(&self.sources, needs).map(|_config| ()).unwrap_err();
        let prefix = format!("{}/", self.directory.path().display());
        error.faults.iter().map(|fault| fault.to_string().replace(&prefix, "")).collect()
    }
}

fn write(path: &std::path::Path, text: &str, mode: u32) {
    #[expect(clippy::disallowed_methods, reason = "a test's own file")]
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

const NODE: &str = r#"{"proxmox": {"token_id": "root@pam!agent", "token_secret": "c4n4ry-0f-th3-t0k3n"}}"#;
const BOTH: &str = r#"{
 "hub": {"url": "https://hub.example/base/", "api_key": "c4n4ry-0f-th3-t0k3n", "poll_seconds": 300},
 "proxmox": {"token_id": "root@pam!agent", "token_secret": "c4n4ry-0f-th3-t0k3n"}
}"#;

#[test]
fn a_node_alone_needs_a_token_and_nothing_else() {
    let config = Case::new(NODE).config(Needs::PROXMOX);
    let proxmox = config.proxmox.unwrap();
    assert_eq!(proxmox.url.as_str(), "https://127.0.0.1:8006");
    assert_eq!(proxmox.token_secret.expose(), CANARY);
    assert_eq!(proxmox.trust, Trust::SystemRoots);
    assert_eq!(config.desired, DesiredSource::None);
    assert_eq!(config.agent.state_dir, PathBuf::from("/var/lib/felhom-agent"));
    assert!(config.hub.is_none() && config.warnings.is_empty());
}

#[test]
fn the_hub_alone_is_enough_for_what_needs_only_the_hub() {
    let case = Case::new(r#"{"hub": {"url": "https://hub.example", "api_key": "k"}}"#);
    assert!(case.config(Needs::HUB).proxmox.is_none());
    assert_eq!(
        case.faults(Needs::BOTH),
        [
            "proxmox.token_id: missing; expected user@realm!token, as in root@pam!agent",
            "proxmox.token_secret_file: missing; name a file of mode 0600 that holds the token's secret"
        ]
    );
}

#[test]
fn every_fault_is_named_at_once_with_its_line_and_what_is_allowed() {
    let case = Case::new(
        r#"{
 "hub": {
  "url": "http://hub.example",
  "poll_seconds": 5,
  "retries": 3
 },
 "proxmox": {
  "token_id": "root",
  "pin_sha256": "abc",
  "timeout_seconds": "10",
  "insecure": 1
 },
 "agents": {"x": 1},
 "desired": {"source": "git", "file": "desired.json"}
}"#,
    );
    expect_test::expect![[r#"
        agent.json:3: hub.url: "http://hub.example" is not encrypted, which is allowed only to this machine itself (127.0.0.1, ::1, localhost); expected something like https://host:port
        agent.json:4: hub.poll_seconds: found 5, allowed are 60 to 3600
        agent.json:5: hub.retries: unknown setting; allowed in hub are url, host_id, api_key, api_key_file, poll_seconds, timeout_seconds, ca_file, pin_sha256
        agent.json:8: proxmox.token_id: is no token id; expected user@realm!token, as in root@pam!agent
        agent.json:9: proxmox.pin_sha256: found "abc", expected 64 hex digits (`felhom-agent pin` prints them)
        agent.json:10: proxmox.timeout_seconds: found a text, expected a whole number from 1 to 300
        agent.json:11: proxmox.insecure: found a number, expected true or false
        agent.json:13: agents: unknown section; allowed are hub, proxmox, agent, desired, cloudflared, ops, proof, limits
        agent.json:14: desired.source: found "git", allowed are file, hub, none
        agent.json:14: desired.file: found "desired.json", expected an absolute path
        hub.api_key_file: missing; name a file of mode 0600 that holds the hub's key
        proxmox.token_secret_file: missing; name a file of mode 0600 that holds the token's secret"#]]
    .assert_eq(&case.faults(Needs::BOTH).join("\n"));
}

#[test]
fn single_faults() {
    for (file, part) in [
        ("{", "agent.json:1: not a JSON object of sections"),
        ("[]", "not a JSON object"),
        (r#"{"hub": 7}"#, "agent.json:1: hub: expected an object of settings, found a number"),
        (r#"{"hub": {"url": ""}}"#, "hub.url: is empty"),
        (r#"{"hub": {"url": null}}"#, "hub.url: found null"),
        (r#"{"hub": {"host_id": "a/b"}}"#, "hub.host_id: found \"a/b\", allowed are"),
        (r#"{"proxmox": {"token_id": "root@pam!a=c4n4ry-0f-th3-t0k3n"}}"#, "holds more than the token's id"),
        (r#"{"proxmox": {"url": "https://pve:8006/api2/json"}}"#, "proxmox.url: holds a path"),
        (
            r#"{"proxmox": {"token_secret": "c4n4ry-0f-th3-t0k3n x"}}"#,
            "proxmox.token_secret: the token's secret holds blanks",
        ),
        (
            r#"{"proxmox": {"token_secret": "c4n4ry-0f-th3-t0k3n", "token_secret_file": "/x"}}"#,
            "exclude each other; keep one",
        ),
        (r#"{"proxmox": {"pin_sha256": "00", "ca_file": "/x"}}"#, "proxmox.pin_sha256 exclude each other"),
        (r#"{"desired": {"source": "hub"}}"#, "desired.source: is hub, but no hub is configured"),
        (r#"{"desired": {"source": "file"}}"#, "desired.file: missing"),
        (r#"{"agent": {"log": "infoo"}}"#, "agent.log: found \"infoo\", allowed are off, error"),
        (r#"{"agent": {"log": "info,=debug"}}"#, "agent.log: found"),
        (r#"{"limits": {"power": 0}}"#, "limits.power: found 0, allowed are 1 to 64"),
        (r#"{"limits": {"power": 1.5}}"#, "limits.power: found 1.5"),
        (r#"{"limits": {"power": -1}}"#, "limits.power: found -1"),
        (r#"{"agent": {"state_dir": "var"}}"#, "agent.state_dir: found \"var\", expected an absolute path"),
    ] {
        let faults = Case::new(file).faults(Needs::NOTHING).join("\n");
        assert!(faults.contains(part), "{file}: {faults}");
        assert!(!faults.contains(CANARY), "{faults}");
    }
}

#[test]
fn the_environment_wins_over_the_file_and_a_flag_over_both() {
    let case = Case::new(BOTH)
        .env("FELHOM_AGENT_HUB_URL", "https://env.example")
        .env("FELHOM_AGENT_HUB_POLL_SECONDS", "120")
        .env("FELHOM_AGENT_PROXMOX_NODE", "pve7")
        .flag("hub.url=https://flag.example")
        .flag("agent.reconcile_seconds=7");
    let config = case.config(Needs::BOTH);
    let hub = config.hub.unwrap();
    assert_eq!(hub.url.as_str(), "https://flag.example");
    assert_eq!(hub.poll, Duration::from_secs(120));
    assert_eq!(config.proxmox.unwrap().node.as_deref(), Some("pve7"));
    assert_eq!(config.agent.reconcile, Duration::from_secs(7));
    assert_eq!(config.desired, DesiredSource::Hub);
}

#[test]
fn a_number_in_the_environment_that_cannot_be_used_is_a_warning_and_the_file_s_value_stays() {
    for bad in ["soon", "5", "-1", "999999", "1e3"] {
        let config = Case::new(BOTH).env("FELHOM_AGENT_HUB_POLL_SECONDS", bad).config(Needs::BOTH);
        assert_eq!(config.hub.unwrap().poll, Duration::from_secs(300));
        assert!(
            matches!(config.warnings.as_slice(), [one] if one.contains("FELHOM_AGENT_HUB_POLL_SECONDS") && one.contains(bad)),
            "{:?}",
            config.warnings
        );
    }
}

#[test]
fn an_empty_variable_says_nothing_and_an_unknown_one_is_named() {
    let case = Case::new(BOTH).env("FELHOM_AGENT_HUB_URL", "").env("FELHOM_AGENT_HUB_ULR", "https://x");
    let config = case.config(Needs::BOTH);
    assert_eq!(config.hub.unwrap().url.as_str(), "https://hub.example/base");
    assert_eq!(config.warnings, ["FELHOM_AGENT_HUB_ULR is no setting of ours and is ignored"]);
}

#[test]
fn a_later_layer_s_choice_replaces_the_earlier_alternatives() {
    let case = Case::new(
        r#"{"proxmox": {"token_id": "root@pam!agent", "token_secret_file": "/nowhere", "insecure": true}}"#,
    )
    .env("FELHOM_AGENT_PROXMOX_TOKEN_SECRET", CANARY)
    .env("FELHOM_AGENT_PROXMOX_PIN_SHA256", &"AB:".repeat(32));
    let config = case.config(Needs::PROXMOX);
    let proxmox = config.proxmox.unwrap();
    assert_eq!(proxmox.token_secret.expose(), CANARY);
    assert_eq!(proxmox.trust, Trust::Pin([0xab; 32]));
    assert!(config.warnings.is_empty());
}

#[test]
fn a_secret_is_refused_as_an_argument() {
    let faults = Case::new(NODE).flag(&format!("hub.api_key={CANARY}")).faults(Needs::NOTHING).join("\n");
    assert!(faults.contains("--set: hub.api_key: a secret may not be an argument"), "{faults}");
    assert!(faults.contains("FELHOM_AGENT_HUB_API_KEY") && !faults.contains(CANARY), "{faults}");
}

#[test]
fn insecure_is_warned_about_and_so_is_a_secret_that_others_can_read() {
    let case = Case::new(
        r#"{"proxmox": {"token_id": "root@pam!agent", "token_secret": "c4n4ry-0f-th3-t0k3n", "insecure": true}}"#,
    );
    let path = case.sources.file.clone().unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
    let warnings = case.config(Needs::PROXMOX).warnings.join("\n");
    assert!(warnings.contains("proxmox.insecure is set") && warnings.contains("chmod 0600"), "{warnings}");
}

#[test]
fn a_file_that_others_can_change_is_warned_about() {
    let case = Case::new(NODE);
    fs::set_permissions(case.sources.file.clone().unwrap(), fs::Permissions::from_mode(0o620)).unwrap();
    let warnings = case.config(Needs::PROXMOX).warnings.join("\n");
    assert!(warnings.contains("can be changed by others (mode 0620)"), "{warnings}");
}

proptest! {
    #[test]
    fn no_file_makes_it_panic_or_shows_what_stands_in_it(
        text in any::<String>(), at in any::<usize>(), cut in any::<bool>()
    ) {
        let mut damaged = BOTH.to_owned();
        let mut at = at % (damaged.len() + 1);
        while !damaged.is_char_boundary(at) {
            at -= 1;
        }
        if cut { damaged.truncate(at) } else { damaged.insert_str(at, &text) }
        for file in [text, damaged] {
            if let Err(error) = load(&Case::new(&file).sources, Needs::BOTH) {
                assert!(!error.faults.is_empty());
                assert!(!error.to_string().contains(CANARY), "{error}");
            }
        }
    }
}

#[test]
fn a_secret_is_shown_nowhere() {
    let mut case = Case::new(BOTH);
    let file = case.secret_file();
    case = case.env("FELHOM_AGENT_HUB_API_KEY_FILE", &file);
    let config = case.config(Needs::BOTH);
    assert_eq!(config.hub.as_ref().unwrap().api_key.expose(), CANARY);
    for text in [
        format!("{config:?}"),
        format!("{:?}", config.show()),
        config.show().to_string(),
        serde_json::to_string(config.show()).unwrap(),
    ] {
        assert!(!text.contains(CANARY), "{text}");
    }
    assert!(config.show().to_string().contains("[redacted]"));
}

#[test]
fn a_file_that_was_named_must_be_there() {
    let sources = Sources { file: Some(PathBuf::from("/nowhere/agent.json")), ..Sources::default() };
    let error = load(&sources, Needs::NOTHING).map(|_config| ()).unwrap_err().to_string();
    assert!(error.contains("/nowhere/agent.json"), "{error}");
}

#[test]
fn the_environment_alone_is_a_configuration() {
    let environment = Map::from([
        ("FELHOM_AGENT_PROXMOX_TOKEN_ID".to_owned(), "root@pam!agent".to_owned()),
        ("FELHOM_AGENT_PROXMOX_TOKEN_SECRET".to_owned(), CANARY.to_owned()),
    ]);
    let empty = Case::new("{}");
    let sources = Sources { environment, ..empty.sources };
    assert!(load(&sources, Needs::PROXMOX).unwrap().proxmox.is_some());
}

#[test]
fn the_socket_is_known_without_the_secrets_and_without_the_file() {
    let usual = Some(PathBuf::from("/run/felhom-agent/agent.sock"));
    let mut unreadable = Case::new("{}");
    unreadable.sources.file = Some(unreadable.directory.path().join("not there"));
    for (case, expected) in [
        (Case::new("{}"), usual.clone()),
        (unreadable, usual.clone()),
        (
            Case::new(
                r#"{"hub": {"url": "https://h", "api_key_file": "/not/there"}, "agent": {"log": "?"}}"#,
            ),
            usual,
        ),
        (Case::new(r#"{"agent": {"socket": "/x/y"}}"#), Some(PathBuf::from("/x/y"))),
        (Case::new(r#"{"agent": {"socket": "/x/y"}}"#).flag("agent.socket=none"), None),
        (Case::new("{}").env("FELHOM_AGENT_AGENT_SOCKET", "none"), None),
    ] {
        assert_eq!(socket(&case.sources).unwrap(), expected, "{:?}", case.sources);
    }
}

#[test]
fn a_socket_that_the_kernel_cannot_take_is_refused() {
    for path in ["agent.sock".to_owned(), format!("/{}", "x".repeat(107))] {
        let case = Case::new("{}").flag(&format!("agent.socket={path}"));
        let error = socket(&case.sources).unwrap_err().to_string();
        assert!(error.contains("agent.socket") && error.contains("at most 107 bytes, or none"), "{error}");
    }
}

#[test]
fn a_host_is_called_as_configured_or_else_as_was_minted_with_or_without_a_hub() {
    let state = tempfile::tempdir().unwrap();
    let folder = serde_json::Value::from(state.path().to_str().unwrap());
    let named = |hub: &str| {
        let case = Case::new(&format!(r#"{{"hub": {{{hub}}}, "agent": {{"state_dir": {folder}}}}}"#));
        case.config(Needs::NOTHING).known_host_id().unwrap()
    };
    assert_eq!(named(""), None, "nothing is minted by asking");
    assert_eq!(named(r#""host_id": "node-7""#).as_deref(), Some("node-7"));
    let minted = crate::paths::StateDir::open(state.path()).unwrap().host_id().unwrap();
    assert_eq!(named(""), Some(minted));
    assert_eq!(named(r#""host_id": "node-7""#).as_deref(), Some("node-7"));
}
