//! The table of settings: what the configuration may say, what each may be, and what it is when nothing is said.
//! The file's keys, the environment's names, `config show`, the JSON Schema and the README all come from here.

/// What a setting's value may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A base address: https, or http to this machine itself.
    Url,
    /// An absolute path.
    File,
    /// An absolute path, or the bare name of a systemd credential.
    SecretFile,
    /// Never shown.
    Secret,
    Number {
        min: u64,
        max: u64,
    },
    Flag,
    /// SHA-256 of a certificate: 64 hex digits, with or without colons.
    Pin,
    /// A name that becomes a segment of the hub's addresses.
    Identifier,
    TokenId,
    Choice(&'static [&'static str]),
    /// Numbers of guests, separated by commas.
    Vmids,
    /// Weekly times, separated by commas; see [`crate::model::window`].
    Window,
    /// The first and the last number of a range of guests.
    VmidRange,
    /// A level, or levels by module; see [`LEVELS`].
    LogFilter,
    /// An absolute path for a Unix socket, or [`NO_SOCKET`].
    Socket,
}

/// What stands for a socket that is not wanted.
pub const NO_SOCKET: &str = "none";

/// What a log filter may ask for.
pub const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

#[derive(Debug)]
pub struct Setting {
    pub section: &'static str,
    pub key: &'static str,
    pub kind: Kind,
    /// As `config show` prints it; empty when there is none.
    pub default: &'static str,
    pub help: &'static str,
}

impl Setting {
    /// `hub.url`
    pub fn name(&self) -> String {
        format!("{}.{}", self.section, self.key)
    }

    /// `FELHOM_AGENT_HUB_URL`
    pub fn variable(&self) -> String {
        format!("{PREFIX}{}_{}", self.section.to_uppercase(), self.key.to_uppercase())
    }

    pub fn is_secret(&self) -> bool {
        self.kind == Kind::Secret
    }
}

/// What the name of every environment variable of ours starts with.
pub const PREFIX: &str = "FELHOM_AGENT_";

/// Settings of which one layer may name only one, and where a later layer's choice replaces an earlier one's.
pub const ONE_OF: [&[&str]; 5] = [
    &["desired.file", "desired.folder"],
    &["hub.api_key", "hub.api_key_file"],
    &["hub.ca_file", "hub.pin_sha256"],
    &["proxmox.token_secret", "proxmox.token_secret_file"],
    &["proxmox.ca_file", "proxmox.pin_sha256", "proxmox.insecure"],
];

pub fn find(section: &str, key: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.section == section && setting.key == key)
}

pub fn sections() -> Vec<&'static str> {
    let mut sections: Vec<&str> = SETTINGS.iter().map(|setting| setting.section).collect();
    sections.dedup();
    sections
}

pub fn keys_of(section: &str) -> Vec<&'static str> {
    SETTINGS.iter().filter(|setting| setting.section == section).map(|setting| setting.key).collect()
}

const fn setting(
    section: &'static str,
    key: &'static str,
    kind: Kind,
    default: &'static str,
    help: &'static str,
) -> Setting {
    Setting { section, key, kind, default, help }
}

const fn number(min: u64, max: u64) -> Kind {
    Kind::Number { min, max }
}

/// Every setting, by section.
#[rustfmt::skip]
pub static SETTINGS: &[Setting] = &[
    setting("hub", "url", Kind::Url, "", "address of the hub; without it the agent works alone"),
    setting("hub", "host_id", Kind::Identifier, "", "name of this host at the hub; minted once into the state directory if absent"),
    setting("hub", "api_key", Kind::Secret, "", "key for the hub; better given as a file"),
    setting("hub", "api_key_file", Kind::SecretFile, "", "file (mode 0600) or systemd credential that holds the key"),
    setting("hub", "poll_seconds", number(60, 3600), "900", "seconds between reports until the hub says otherwise"),
    setting("hub", "timeout_seconds", number(1, 300), "30", "deadline of one call to the hub, everything included"),
    setting("hub", "ca_file", Kind::File, "", "PEM file of the authority that signed the hub's certificate"),
    setting("hub", "pin_sha256", Kind::Pin, "", "SHA-256 of the hub's own certificate"),
    setting("proxmox", "url", Kind::Url, "https://127.0.0.1:8006", "address of this node's API"),
    setting("proxmox", "node", Kind::Identifier, "", "name of this node; asked from the node if absent"),
    setting("proxmox", "token_id", Kind::TokenId, "", "API token, as in root@pam!agent"),
    setting("proxmox", "token_secret", Kind::Secret, "", "the token's secret; better given as a file"),
    setting("proxmox", "token_secret_file", Kind::SecretFile, "", "file (mode 0600) or systemd credential that holds the secret"),
    setting("proxmox", "timeout_seconds", number(1, 300), "35", "deadline of one call; the node itself gives up after 30"),
    setting("proxmox", "pin_sha256", Kind::Pin, "", "SHA-256 of the node's certificate, as `felhom-agent pin` prints it"),
    setting("proxmox", "ca_file", Kind::File, "", "PEM file of the authority that signed the node's certificate"),
    setting("proxmox", "insecure", Kind::Flag, "false", "believe any certificate; warned about at every start"),
    setting("agent", "state_dir", Kind::File, "/var/lib/felhom-agent", "where the agent keeps what must survive a restart"),
    setting("agent", "reconcile_seconds", number(1, 3600), "60", "seconds between two looks at the guests"),
    setting("agent", "task_seconds", number(10, 86_400), "900", "how long a lane waits for a task before it lets it run alone"),
    setting("agent", "guest_shutdown_seconds", number(1, 3600), "180", "how long a guest may take to shut down"),
    setting("agent", "maintenance_window", Kind::Window, "", "when guests may be restarted whose resource says `window`: weekly times in UTC, as in Sun 02:00-05:00, daily 23:00-01:00"),
    setting("agent", "ha", Kind::Choice(&["hold", "through"]), "hold", "what is done about the run state of guests that HA manages: hold them, or go through HA, which stops a guest hard once its own deadline of 60 s is over"),
    setting("agent", "stop_seconds", number(1, 600), "20", "how long the daemon waits for its lanes when it is told to end"),
    setting("agent", "blast_radius", number(0, 100_000), "0", "how many guests one generation may stop or restart; 0: 3, or a quarter of the managed ones if that is more"),
    setting("agent", "boot_grace_seconds", number(0, 1_000_000_000), "120", "seconds after the node's boot in which guests that it starts by itself are left to it"),
    setting("agent", "mode", Kind::Choice(&["manage", "observe"]), "manage", "manage: bring guests in order and carry out signed operations; observe: change nothing"),
    setting("agent", "log", Kind::LogFilter, "info", "error, warn, info, debug or trace; also by module: info,felhom_agent::pve=debug"),
    setting("agent", "socket", Kind::Socket, "/run/felhom-agent/agent.sock", "socket for `felhom-agent status` and curl on this machine; `none`: no socket"),
    setting("desired", "source", Kind::Choice(&["file", "hub", "none"]), "", "where desired state comes from; if absent: the file or folder if one is named, else the hub if there is one"),
    setting("desired", "file", Kind::File, "", "file that holds the desired state"),
    setting("desired", "folder", Kind::File, "", "folder whose files *.json together are the desired state"),
    setting("desired", "require_signed", Kind::Flag, "false", "take only desired state that a key with the role manifest has signed"),
    setting("desired", "poll_seconds", number(1, 3600), "5", "seconds between two looks at the file or folder"),
    setting("cloudflared", "ready_url", Kind::Url, "", "address of cloudflared's metrics server, as in http://127.0.0.1:20241"),
    setting("ops", "keyring", Kind::File, "", "file (mode 0600) with the keys whose signed operations are carried out; if absent: keyring.json in the state directory"),
    setting("ops", "role_policy", Kind::File, "", "file (mode 0600) that narrows what each role may sign"),
    setting("ops", "kill_switch", Kind::File, "/etc/felhom-agent/KILL", "while this file is there nothing at all is changed"),
    setting("ops", "poll_seconds", number(1, 3600), "300", "seconds between two looks for signed operations at the hub, which are also fetched when it tells of some"),
    setting("ops", "rate_per_hour", number(0, 100), "3", "signed operations that change a guest within an hour"),
    setting("ops", "protected_vmids", Kind::Vmids, "", "guests that no signed operation may touch, as in 101,205"),
    setting("ops", "evidence_max_age_hours", number(1, 8760), "48", "how old a backup may be to stand for what an operation destroys"),
    setting("ops", "lock_wait_seconds", number(0, 86_400), "300", "how long an operation waits for the lock of its guest to go"),
    setting("proof", "every_days", number(0, 365), "0", "days between two restore tests of a managed guest that says nothing of it; 0: none but on demand"),
    setting("proof", "scratch_vmids", Kind::VmidRange, "990000-990099", "numbers for guests that are restored to be tested and then destroyed"),
    setting("proof", "storage", Kind::Identifier, "", "storage for their disks; if absent: where the disks of the tested guest are"),
    setting("proof", "min_free_percent", number(0, 99), "20", "no restore test leaves less than this free on a storage"),
    setting("proof", "backup_storage", Kind::Identifier, "", "storage for backups of guests that say nothing of it; if absent: where the newest backup of the guest is"),
    setting("limits", "power", number(1, 64), "4", "starts, shutdowns and reboots at once"),
    setting("limits", "config", number(1, 64), "8", "configuration changes at once"),
    setting("limits", "storage_heavy", number(1, 16), "2", "backups, restores, clones and resizes at once"),
    setting("limits", "storage_heavy_per_storage", number(1, 16), "1", "the same, on one storage"),
    setting("limits", "destructive", number(1, 4), "1", "destructive steps at once"),
    setting("limits", "lane_idle_seconds", number(1, 3600), "60", "how long a lane without work keeps its thread"),
];

#[cfg(test)]
mod tests {

    use super::{Kind, ONE_OF, SETTINGS, find, sections};
    use crate::model::sorted::Set;

    #[test]
    fn every_setting_is_named_once_and_sections_stand_together() {
        let names: Set<String> = SETTINGS.iter().map(super::Setting::name).collect();
        assert_eq!(names.len(), SETTINGS.len());
        let unique: Set<&str> = sections().into_iter().collect();
        assert_eq!(unique.len(), sections().len());
    }

    #[test]
    fn every_alternative_exists() {
        for name in ONE_OF.iter().copied().flatten() {
            let (section, key) = name.split_once('.').unwrap();
            assert!(find(section, key).is_some(), "{name}");
        }
    }

    #[test]
    fn every_default_is_what_its_kind_allows() {
        for setting in SETTINGS {
            match setting.kind {
                Kind::Number { min, max } => {
                    let number: u64 = setting.default.parse().unwrap();
                    assert!((min..=max).contains(&number), "{}", setting.name());
                }
                Kind::Flag => assert_eq!(setting.default, "false"),
                _ => {}
            }
        }
    }
}
