//! The configuration: a JSON file, then the environment, then flags; read once and checked whole.
//! Every fault is named at once, with its file, line and key, what was found and what is allowed.
//! Nothing here is printed by itself: a [`Config`] redacts its secrets in `Debug` and in [`Config::show`].

pub mod address;
mod document;
pub mod fault;
mod layers;
mod resolve;
mod secret_file;
pub mod setting;
mod show;
#[cfg(test)]
mod tests;

use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::ops::RangeInclusive;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::http::Trust;
use crate::model::guest::Vmid;
use crate::model::sorted::{Map, Set};
use crate::model::window::Window;
use crate::paths::{StateDir, StateError};
use crate::pve;
use crate::secret::Secret;

use self::address::Address;
use self::fault::{ConfigError, Fault, Origin};
use self::layers::Layers;
pub use self::show::Shown;

/// Where the file is when nobody says otherwise.
pub const DEFAULT_PATH: &str = "/etc/felhom-agent/agent.json";

/// Far above any real configuration.
const MAX_FILE_BYTES: u64 = 256 * 1024;

/// What a command needs to be there; what it does not need may be absent, but never wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Needs {
    pub proxmox: bool,
    pub hub: bool,
}

impl Needs {
    pub const NOTHING: Self = Self { proxmox: false, hub: false };
    pub const PROXMOX: Self = Self { proxmox: true, hub: false };
    pub const HUB: Self = Self { proxmox: false, hub: true };
    pub const BOTH: Self = Self { proxmox: true, hub: true };
}

/// Where a configuration is read from.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// `None`: [`DEFAULT_PATH`], which may be missing. A path that was named must be there.
    pub file: Option<PathBuf>,
    pub environment: Map<String, String>,
    /// `section.key=value` each.
    pub flags: Vec<String>,
}

/// A checked configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// What this host is called, whether or not there is a hub; `None`: as was minted into the state directory.
    pub host_id: Option<String>,
    pub hub: Option<HubSettings>,
    pub proxmox: Option<ProxmoxSettings>,
    pub agent: AgentSettings,
    pub desired: DesiredSource,
    /// Address of cloudflared's metrics server, without `/ready`.
    pub cloudflared: Option<Address>,
    pub ops: OpsSettings,
    pub proof: ProofSettings,
    pub limits: Limits,
    /// What to say at every start: an ignored variable, `insecure`, a configuration that others can read.
    pub warnings: Vec<String>,
    shown: Shown,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HubSettings {
    pub url: Address,
    pub api_key: Secret,
    pub poll: Duration,
    pub timeout: Duration,
    pub trust: Trust,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxmoxSettings {
    pub url: Address,
    pub node: Option<String>,
    pub token_id: String,
    pub token_secret: Secret,
    pub timeout: Duration,
    pub trust: Trust,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentSettings {
    pub state_dir: PathBuf,
    /// Between two looks at the guests.
    pub reconcile: Duration,
    /// How long a lane waits for a task.
    pub task: Duration,
    pub guest_shutdown_s: u32,
    /// How long the daemon waits for its lanes at its end.
    pub stop: Duration,
    /// How many guests one generation may stop or restart; 0: by the number of managed ones.
    pub blast_radius: u32,
    /// After the node's boot.
    pub boot_grace: Duration,
    /// Desired state is taken only with a signature.
    pub require_signed: bool,
    /// When guests may be restarted.
    pub window: Window,
    /// The run state of guests that HA manages goes through HA.
    pub ha_through: bool,
    pub mode: Mode,
    /// A filter as env_logger reads it.
    pub log: String,
    /// Where the local socket is; `None`: there is none.
    pub socket: Option<PathBuf>,
    /// The resources that are converged; all if empty. No setting: `apply` is asked for some.
    pub only: Vec<String>,
}

/// How backups are made and proven where a guest does not say it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProofSettings {
    /// 0: only on demand.
    pub every_days: u64,
    /// The numbers that restored guests get.
    pub scratch: RangeInclusive<u32>,
    /// For the disks of restored guests.
    pub storage: Option<String>,
    pub min_free_percent: u64,
    /// For the backups of guests that name none.
    pub backup_storage: Option<String>,
}

/// Whether anything is changed at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Manage,
    /// Looks, plans and reports.
    Observe,
}

/// Signed operations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpsSettings {
    pub keyring: PathBuf,
    pub role_policy: Option<PathBuf>,
    /// While it is there nothing is changed.
    pub kill_switch: PathBuf,
    /// Between two looks at the hub.
    pub poll: Duration,
    pub rate_per_hour: u32,
    /// No operation touches these.
    pub protected: Set<Vmid>,
    /// How old a backup may be to count as evidence.
    pub evidence_max_age: Duration,
    /// For how long an operation waits for its guest's lock.
    pub lock_wait: Duration,
}

/// Where desired state comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DesiredSource {
    None,
    /// A file, or a folder of them.
    File {
        path: PathBuf,
        is_folder: bool,
        poll: Duration,
    },
    Hub,
}

/// How many of each class of work may reach Proxmox at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    pub power: u32,
    pub config: u32,
    pub storage_heavy: u32,
    pub storage_heavy_per_storage: u32,
    pub destructive: u32,
    pub lane_idle: Duration,
}

impl Sources {
    /// The file named on the command line (or the usual one), this process's environment, and `--set` flags.
    pub fn of_process(file: Option<PathBuf>, flags: Vec<String>) -> Self {
        let environment = std::env::vars_os()
            // A value that is no text is not dropped in silence: what is left of it is judged as any other.
            .filter_map(|(name, value)| {
                Some((name.into_string().ok()?, value.to_string_lossy().into_owned()))
            })
            .filter(|(name, _)| name.starts_with(setting::PREFIX) || name == CREDENTIALS)
            .collect();
        Self { file, environment, flags }
    }
}

/// Where systemd puts the unit's credentials.
const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";

/// Reads and checks a configuration. The error holds every fault there is.
pub fn load(sources: &Sources, needs: Needs) -> Result<Config, ConfigError> {
    let mut layers = Layers::default();
    let file = read_file(sources, &mut layers);
    if let Some((path, text)) = &file {
        layers.add_file(path, text);
    }
    layers.add_environment(&sources.environment);
    layers.add_flags(&sources.flags);
    if let Some((path, _)) = &file {
        warn_of_others(path, &mut layers);
    }
    let credentials = sources.environment.get(CREDENTIALS).map(Path::new);
    resolve::resolve(layers, needs, credentials)
}

/// Where the local socket is, as far as this configuration can be read by whoever asks: a file that cannot be read says
/// nothing, and no secret is needed. `None`: there is none.
pub fn socket(sources: &Sources) -> Result<Option<PathBuf>, ConfigError> {
    let mut layers = Layers::default();
    if let Some((path, text)) = read_file(sources, &mut layers) {
        layers.add_file(&path, &text);
    }
    layers.add_environment(&sources.environment);
    layers.add_flags(&sources.flags);
    resolve::socket(layers)
}

fn read_file(sources: &Sources, layers: &mut Layers) -> Option<(PathBuf, String)> {
    let path = sources.file.clone().unwrap_or_else(|| PathBuf::from(DEFAULT_PATH));
    let mut text = String::new();
    let read = File::open(&path).and_then(|file| file.take(MAX_FILE_BYTES + 1).read_to_string(&mut text));
    let message = match read {
        Ok(bytes) if u64::try_from(bytes).is_ok_and(|bytes| bytes <= MAX_FILE_BYTES) => {
            return Some((path, text));
        }
        Ok(_) => {
            format!("{} is larger than {MAX_FILE_BYTES} bytes; that is no configuration", path.display())
        }
        Err(error) if error.kind() == ErrorKind::NotFound && sources.file.is_none() => return None,
        Err(error) => format!("cannot read the configuration {}: {error}", path.display()),
    };
    layers.faults.push(Fault { origin: None, setting: String::new(), message });
    None
}

/// A secret in the file itself makes the file a secret; and whoever can write it decides whom the agent obeys.
fn warn_of_others(path: &Path, layers: &mut Layers) {
    let Ok(mode) = fs::metadata(path).map(|metadata| metadata.mode() & 0o777) else { return };
    let path = path.display();
    let holds_secret = setting::SETTINGS.iter().filter(|setting| setting.is_secret()).any(|setting| {
        layers.found.get(&setting.name()).is_some_and(|found| matches!(found.origin, Origin::File { .. }))
    });
    if mode & 0o022 != 0 {
        layers
            .warnings
            .push(format!("{path} can be changed by others (mode {mode:04o}); run: chmod 0600 {path}"));
    } else if holds_secret && mode & 0o077 != 0 {
        layers.warnings.push(format!("{path} holds a secret and others can read it; run: chmod 0600 {path}"));
    }
}

impl ProxmoxSettings {
    /// As the client takes it.
    pub fn connection(&self) -> pve::Connection {
        pve::Connection {
            url: self.url.to_string(),
            node: self.node.clone(),
            token_id: self.token_id.clone(),
            token_secret: self.token_secret.clone(),
            trust: self.trust.clone(),
            timeout: self.timeout,
        }
    }
}

impl Config {
    /// Every setting with its value and where it came from, secrets redacted.
    pub fn show(&self) -> &Shown {
        &self.shown
    }

    /// What this host is called: as configured, or else as was minted, if it was; makes and changes nothing.
    pub fn known_host_id(&self) -> Result<Option<String>, StateError> {
        match &self.host_id {
            Some(host_id) => Ok(Some(host_id.clone())),
            None => StateDir::known_host_id_in(&self.agent.state_dir),
        }
    }

    /// Where the desired state comes from, in words.
    pub fn desired_from(&self) -> String {
        match (&self.desired, &self.hub) {
            (DesiredSource::None, _) | (DesiredSource::Hub, None) => "none".to_owned(),
            (DesiredSource::File { path, .. }, _) => path.display().to_string(),
            (DesiredSource::Hub, Some(hub)) => format!("the hub {}", hub.url),
        }
    }
}
