//! The gathered values to a [`Config`]: each checked for what it says, and for what the command needs.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::http::Trust;
use crate::model::sorted::Set;
use crate::secret::Secret;

use super::address::Address;
use super::fault::{ConfigError, Fault, Origin};
use super::layers::{Found, Layers, Value};
use super::setting::{self, Kind, LEVELS, Setting};
use super::show::Shown;

use super::{
    AgentSettings, Config, DesiredSource, HubSettings, Limits, Mode, Needs, OpsSettings, ProofSettings,
    ProxmoxSettings, secret_file,
};
use crate::model::guest::Vmid;
use crate::model::window::Window;

/// Reads typed values out of the layers and keeps every fault it meets.
struct Resolver<'a> {
    layers: Layers,
    credentials: Option<&'a Path>,
}

pub(super) fn resolve(
    layers: Layers,
    needs: Needs,
    credentials: Option<&Path>,
) -> Result<Config, ConfigError> {
    let shown = Shown::of(&layers);
    let mut resolver = Resolver { layers, credentials };
    resolver.check_every_text();
    let host_id = resolver.text("hub.host_id");
    let hub = resolver.hub(needs.hub);
    let proxmox = resolver.proxmox(needs.proxmox);
    let agent = resolver.agent();
    let desired = resolver.desired(hub.is_some());
    let cloudflared = resolver.address("cloudflared.ready_url");
    let ops = resolver.ops();
    let proof = resolver.proof();
    let limits = resolver.limits();
    let Layers { mut faults, warnings, .. } = resolver.layers;
    if faults.is_empty() {
        return Ok(Config {
            host_id,
            hub,
            proxmox,
            agent,
            desired,
            cloudflared,
            ops,
            proof,
            limits,
            warnings,
            shown,
        });
    }
    faults.sort_by_key(|fault| match &fault.origin {
        Some(Origin::File { line, .. }) => *line,
        // What no line of the file says stands below what one says.
        Some(Origin::Environment(_) | Origin::Flag | Origin::Default) | None => usize::MAX,
    });
    faults.dedup();
    Err(ConfigError { faults })
}

impl Resolver<'_> {
    fn found(&self, name: &str) -> Option<&Found> {
        self.layers.found.get(name)
    }

    /// A fault of a setting, told where it was found, if it was.
    fn fault(&mut self, name: &str, message: impl Into<String>) {
        let origin = self.found(name).map(|found| found.origin.clone());
        self.layers.faults.push(Fault { origin, setting: name.to_owned(), message: message.into() });
    }

    /// What a text says is checked whether or not the command needs it: a fault never hides behind a mode.
    fn check_every_text(&mut self) {
        for setting in setting::SETTINGS {
            let name = setting.name();
            let Some(Found { value: Value::Text(text), .. }) = self.found(&name) else { continue };
            if let Err(message) = check_text(setting, text) {
                self.fault(&name, message);
                self.layers.found.remove(&name);
            }
        }
    }

    fn text(&self, name: &str) -> Option<String> {
        match self.found(name) {
            Some(Found { value: Value::Text(text), .. }) => Some(text.clone()),
            _ => default_of(name).filter(|default| !default.is_empty()).map(str::to_owned),
        }
    }

    fn number(&self, name: &str) -> u64 {
        match self.found(name) {
            Some(Found { value: Value::Number(number), .. }) => *number,
            _ => default_of(name)
                .and_then(|default| default.parse().ok())
                .expect("the table gives each number a default, and a test holds it to that"),
        }
    }

    fn seconds(&self, name: &str) -> Duration {
        Duration::from_secs(self.number(name))
    }

    fn count(&self, name: &str) -> u32 {
        u32::try_from(self.number(name)).expect("the table's bounds fit")
    }

    fn address(&self, name: &str) -> Option<Address> {
        Address::parse(&self.text(name)?).ok()
    }

    fn has_any(&self, section: &str) -> bool {
        self.layers.found.keys().any(|name| name.split_once('.').is_some_and(|(first, _)| first == section))
    }

    /// A secret given directly or by file; `None` after a fault was noted, or when none is given.
    fn secret(&mut self, name: &str, file_name: &str, what: &str) -> Option<Secret> {
        if let Some(path) = self.text(file_name) {
            return secret_file::read(&path, self.credentials)
                .map_err(|message| self.fault(file_name, message))
                .ok();
        }
        match self.text(name) {
            Some(text) => secret_file::check(&text)
                .map_err(|message| self.fault(name, format!("the {what} {message}")))
                .ok(),
            None => {
                self.fault(file_name, format!("missing; name a file of mode 0600 that holds the {what}"));
                None
            }
        }
    }

    fn trust(&self, section: &str) -> Trust {
        let name = |key: &str| format!("{section}.{key}");
        if let Some(pin) = self.text(&name("pin_sha256")).and_then(|text| parse_pin(&text).ok()) {
            return Trust::Pin(pin);
        }
        if let Some(path) = self.text(&name("ca_file")) {
            return Trust::CaFile(PathBuf::from(path));
        }
        match self.found(&name("insecure")) {
            Some(Found { value: Value::Flag(true), .. }) => Trust::Insecure,
            _ => Trust::SystemRoots,
        }
    }

    fn hub(&mut self, needed: bool) -> Option<HubSettings> {
        let configured =
            ["url", "api_key", "api_key_file"].iter().any(|key| self.found(&format!("hub.{key}")).is_some());
        if !configured && !needed {
            return None;
        }
        let already_faulted = self.layers.faults.iter().any(|fault| fault.setting == "hub.url");
        let url = self.address("hub.url");
        if url.is_none() && !already_faulted {
            self.fault("hub.url", "missing; expected something like https://hub.example");
        }
        let api_key = self.secret("hub.api_key", "hub.api_key_file", "hub's key");
        Some(HubSettings {
            url: url?,
            api_key: api_key?,
            poll: self.seconds("hub.poll_seconds"),
            timeout: self.seconds("hub.timeout_seconds"),
            trust: self.trust("hub"),
        })
    }

    fn proxmox(&mut self, needed: bool) -> Option<ProxmoxSettings> {
        if !self.has_any("proxmox") && !needed {
            return None;
        }
        let url = self.address("proxmox.url");
        if url.as_ref().is_some_and(Address::has_path) {
            self.fault("proxmox.url", "holds a path; expected only scheme, host and port");
        }
        let token_id = self.text("proxmox.token_id");
        if token_id.is_none() && !self.layers.faults.iter().any(|fault| fault.setting == "proxmox.token_id") {
            self.fault("proxmox.token_id", "missing; expected user@realm!token, as in root@pam!agent");
        }
        let token_secret = self.secret("proxmox.token_secret", "proxmox.token_secret_file", "token's secret");
        let trust = self.trust("proxmox");
        if trust == Trust::Insecure {
            self.layers.warnings.push(
                "proxmox.insecure is set: any certificate is believed, and whoever answers gets the token; \
                 `felhom-agent pin` prints what to put into proxmox.pin_sha256 instead"
                    .to_owned(),
            );
        }
        Some(ProxmoxSettings {
            url: url?,
            node: self.text("proxmox.node"),
            token_id: token_id?,
            token_secret: token_secret?,
            timeout: self.seconds("proxmox.timeout_seconds"),
            trust,
        })
    }

    fn agent(&self) -> AgentSettings {
        AgentSettings {
            state_dir: PathBuf::from(self.text("agent.state_dir").unwrap_or_default()),
            reconcile: self.seconds("agent.reconcile_seconds"),
            task: self.seconds("agent.task_seconds"),
            guest_shutdown_s: self.count("agent.guest_shutdown_seconds"),
            stop: self.seconds("agent.stop_seconds"),
            blast_radius: self.count("agent.blast_radius"),
            boot_grace: self.seconds("agent.boot_grace_seconds"),
            require_signed: matches!(
                self.found("desired.require_signed"),
                Some(Found { value: Value::Flag(true), .. })
            ),
            window: Window::parse(&self.text("agent.maintenance_window").unwrap_or_default())
                .unwrap_or_default(),
            ha_through: self.text("agent.ha").as_deref() == Some("through"),
            mode: match self.text("agent.mode").as_deref() {
                Some("observe") => Mode::Observe,
                _ => Mode::Manage,
            },
            log: self.text("agent.log").unwrap_or_default(),
            socket: self.text("agent.socket").and_then(|text| socket_of(&text)),
            only: Vec::new(),
        }
    }

    fn desired(&mut self, has_hub: bool) -> DesiredSource {
        let folder = self.text("desired.folder");
        let is_folder = folder.is_some();
        let file = folder.or_else(|| self.text("desired.file")).map(|path| DesiredSource::File {
            path: PathBuf::from(path),
            is_folder,
            poll: self.seconds("desired.poll_seconds"),
        });
        match (self.text("desired.source").as_deref(), file) {
            (Some("none"), _) => DesiredSource::None,
            (Some("hub"), _) => {
                // A hub that is told of with a fault is configured; its own fault is enough to put right.
                let is_faulty = self.layers.faults.iter().any(|fault| fault.setting.starts_with("hub."));
                if !has_hub && !is_faulty {
                    self.fault("desired.source", "is hub, but no hub is configured; set hub.url");
                }
                DesiredSource::Hub
            }
            (Some("file"), None) => {
                self.fault(
                    "desired.file",
                    "missing; desired.source says file, so name it or a desired.folder",
                );
                DesiredSource::None
            }
            (_, Some(file)) => file,
            (_, None) if has_hub => DesiredSource::Hub,
            (_, None) => DesiredSource::None,
        }
    }

    fn ops(&self) -> OpsSettings {
        let path = |name: &str| PathBuf::from(self.text(name).unwrap_or_default());
        OpsSettings {
            keyring: self
                .text("ops.keyring")
                .map_or_else(|| path("agent.state_dir").join("keyring.json"), PathBuf::from),
            role_policy: self.text("ops.role_policy").map(PathBuf::from),
            kill_switch: path("ops.kill_switch"),
            poll: self.seconds("ops.poll_seconds"),
            rate_per_hour: self.count("ops.rate_per_hour"),
            protected: parse_vmids(&self.text("ops.protected_vmids").unwrap_or_default()).unwrap_or_default(),
            evidence_max_age: Duration::from_secs(self.number("ops.evidence_max_age_hours") * 3600),
            lock_wait: self.seconds("ops.lock_wait_seconds"),
        }
    }

    fn proof(&self) -> ProofSettings {
        ProofSettings {
            every_days: self.number("proof.every_days"),
            scratch: parse_range(&self.text("proof.scratch_vmids").unwrap_or_default())
                .expect("each text was checked, and a test holds the table's default to it"),
            storage: self.text("proof.storage"),
            min_free_percent: self.number("proof.min_free_percent"),
            backup_storage: self.text("proof.backup_storage"),
        }
    }

    fn limits(&self) -> Limits {
        Limits {
            power: self.count("limits.power"),
            config: self.count("limits.config"),
            storage_heavy: self.count("limits.storage_heavy"),
            storage_heavy_per_storage: self.count("limits.storage_heavy_per_storage"),
            destructive: self.count("limits.destructive"),
            lane_idle: self.seconds("limits.lane_idle_seconds"),
        }
    }
}

fn setting_of(name: &str) -> Option<&'static Setting> {
    name.split_once('.').and_then(|(section, key)| setting::find(section, key))
}

fn default_of(name: &str) -> Option<&'static str> {
    setting_of(name).map(|setting| setting.default)
}

/// Whether a text says something its setting can mean.
fn check_text(setting: &Setting, text: &str) -> Result<(), String> {
    match setting.kind {
        Kind::Url => Address::parse(text).map(|_address| ()),
        Kind::File if text.starts_with('/') => Ok(()),
        Kind::File => Err(format!("found {text:?}, expected an absolute path")),
        Kind::Pin => parse_pin(text).map(|_pin| ()),
        Kind::Identifier => check_identifier(text),
        Kind::TokenId => check_token_id(text),
        Kind::Choice(allowed) if allowed.contains(&text) => Ok(()),
        Kind::Choice(allowed) => Err(format!("found {text:?}, allowed are {}", allowed.join(", "))),
        Kind::Vmids => parse_vmids(text).map(|_vmids| ()),
        Kind::Window => Window::parse(text).map(|_window| ()),
        Kind::VmidRange => parse_range(text).map(|_range| ()),
        // A secret is judged where it is read, together with those from files.
        Kind::LogFilter => check_log_filter(text),
        Kind::Socket => check_socket(text),
        Kind::Secret | Kind::SecretFile | Kind::Number { .. } | Kind::Flag => Ok(()),
    }
}

/// `101,205`; nothing is no guest.
fn parse_vmids(text: &str) -> Result<Set<Vmid>, String> {
    let vmid = |part: &str| {
        let number = part.trim().parse::<u64>().ok().and_then(|number| Vmid::new(number).ok());
        number.ok_or_else(|| {
            format!(
                "found {part:?}, expected numbers from 100 to 999999999, separated by commas, as in 101,205"
            )
        })
    };
    text.split(',').filter(|_part| !text.is_empty()).map(vmid).collect()
}

/// `990000-990099`
fn parse_range(text: &str) -> Result<RangeInclusive<u32>, String> {
    let vmid = |part: &str| Vmid::new(part.trim().parse().ok()?).ok().map(Vmid::number);
    let range = text.split_once('-').and_then(|(first, last)| Some(vmid(first)?..=vmid(last)?));
    range.filter(|range| !range.is_empty()).ok_or_else(|| {
        format!(
            "found {text:?}, expected two numbers from 100 to 999999999, the lower first, as in 990000-990099"
        )
    })
}

/// 64 hex digits in either case; `openssl` puts colons between them.
pub(crate) fn parse_pin(text: &str) -> Result<[u8; 32], String> {
    let digits: Vec<u8> = text
        .bytes()
        .filter(|byte| *byte != b':')
        .map(|byte| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect::<Option<_>>()
        .unwrap_or_default();
    let bytes: Vec<u8> =
        digits.chunks_exact(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect();
    if digits.len() == 64 {
        if let Ok(pin) = <[u8; 32]>::try_from(bytes) {
            return Ok(pin);
        }
    }
    Err(format!("found {text:?}, expected 64 hex digits (`felhom-agent pin` prints them)"))
}

/// `info`, or `info,felhom_agent::pve=debug`. A misspelt level would read as a module's name and silence the log.
fn check_log_filter(text: &str) -> Result<(), String> {
    let is_sound = |part: &str| {
        let (module, level) =
            part.split_once('=').map_or((None, part), |(module, level)| (Some(module), level));
        LEVELS.contains(&level) && module != Some("")
    };
    if text.split(',').all(is_sound) {
        return Ok(());
    }
    Err(format!(
        "found {text:?}, allowed are {}, also by module as in info,felhom_agent::pve=debug",
        LEVELS.join(", ")
    ))
}

/// The kernel's limit on a Unix socket's path, its terminating zero included.
const MAX_SOCKET_PATH: usize = 108;

fn check_socket(text: &str) -> Result<(), String> {
    if text == setting::NO_SOCKET || (text.starts_with('/') && text.len() < MAX_SOCKET_PATH) {
        return Ok(());
    }
    Err(format!(
        "found {text:?}, expected an absolute path of at most {} bytes, or {}",
        MAX_SOCKET_PATH - 1,
        setting::NO_SOCKET
    ))
}

fn socket_of(text: &str) -> Option<PathBuf> {
    (text != setting::NO_SOCKET).then(|| PathBuf::from(text))
}

/// The socket alone, for whoever may read neither the secrets nor, perhaps, the configuration: other faults are not his matter.
pub(super) fn socket(layers: Layers) -> Result<Option<PathBuf>, ConfigError> {
    const NAME: &str = "agent.socket";
    let mut resolver = Resolver { layers, credentials: None };
    resolver.check_every_text();
    let socket = resolver.text(NAME).and_then(|text| socket_of(&text));
    let mut faults = resolver.layers.faults;
    faults.retain(|fault| fault.setting == NAME);
    if faults.is_empty() { Ok(socket) } else { Err(ConfigError { faults }) }
}

/// It becomes a segment of an address and of file names.
fn check_identifier(text: &str) -> Result<(), String> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if text.len() <= 128 && text.bytes().all(allowed) && !text.starts_with('.') {
        return Ok(());
    }
    Err(format!("found {text:?}, allowed are up to 128 letters, digits, '-', '_' and '.' (not in front)"))
}

/// `user@realm!token`. The secret in its place, or behind it, is a common slip: what was found is not repeated.
fn check_token_id(text: &str) -> Result<(), String> {
    let wanted = "expected user@realm!token, as in root@pam!agent";
    if text.contains('=') {
        return Err(format!("holds more than the token's id; {wanted}, and the secret in token_secret_file"));
    }
    let parts = text.split_once('!').and_then(|(user, token)| Some((user.rsplit_once('@')?, token)));
    let Some(((user, realm), token)) = parts else { return Err(format!("is no token id; {wanted}")) };
    let named = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_graphic());
    if named(user) && named(realm) && named(token) {
        return Ok(());
    }
    Err(format!("is no token id; {wanted}"))
}
