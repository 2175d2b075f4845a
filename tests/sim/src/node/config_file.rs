//! A guest's configuration file as text: what `/etc/pve/…/<vmid>.conf` holds.
//! The text is the truth (the digest is its SHA-1, snapshots and pending changes included); parsing and writing go through
//! [`Config`] and lose what Proxmox loses.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use ring::digest;
use serde_json::{Value, json};

use super::keys;

/// Containers and virtual machines: they share routes and differ in almost every text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Lxc,
    Qemu,
}

impl Kind {
    /// The name in routes and lists.
    pub fn name(self) -> &'static str {
        match self {
            Self::Lxc => "lxc",
            Self::Qemu => "qemu",
        }
    }

    /// `CT` or `VM`, as error texts say.
    pub fn noun(self) -> &'static str {
        match self {
            Self::Lxc => "CT",
            Self::Qemu => "VM",
        }
    }

    /// The folder of its configuration files, and the word in `Configuration file '…' does not exist`.
    pub fn folder(self) -> &'static str {
        match self {
            Self::Lxc => "lxc",
            Self::Qemu => "qemu-server",
        }
    }

    /// The prefix of its task types: `vzstart`, `qmstart`.
    pub fn task_prefix(self) -> &'static str {
        match self {
            Self::Lxc => "vz",
            Self::Qemu => "qm",
        }
    }

    fn pending_header(self) -> &'static str {
        match self {
            Self::Lxc => "pve:pending",
            Self::Qemu => "PENDING",
        }
    }
}

/// One section of the file: the keys of the guest now, or of one snapshot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Section {
    /// Without the `#` marks; as it was written, before a kind's own trimming.
    pub description: Option<String>,
    pub keys: BTreeMap<String, String>,
    /// `lxc.*` lines, in the order of the file.
    pub raw: Vec<(String, String)>,
}

impl Section {
    pub fn get(&self, key: &str) -> Option<&str> {
        self.keys.get(key).map(String::as_str)
    }

    pub fn flag(&self, key: &str) -> bool {
        self.get(key) == Some("1")
    }
}

/// The parsed file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    pub main: Section,
    pub pending: Section,
    /// Keys a restart will delete; `true` when forced.
    pub pending_delete: BTreeMap<String, bool>,
    pub snapshots: BTreeMap<String, Section>,
    /// Values of this file that a write would lose: unknown keys and values of the wrong type.
    garbage: BTreeMap<String, String>,
}

impl Config {
    /// A file of one section, as a backup holds it.
    pub fn of(main: Section) -> Self {
        Self { main, ..Self::default() }
    }

    pub fn parse(kind: Kind, text: &str) -> Self {
        let mut config = Self::default();
        let mut place = Place::Main;
        for line in text.lines() {
            if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                place = if name == kind.pending_header() {
                    Place::Pending
                } else {
                    Place::Snapshot(name.to_owned())
                };
                if let Place::Snapshot(name) = &place {
                    config.snapshots.entry(name.clone()).or_default();
                }
            } else {
                config.read_line(kind, &place, line);
            }
        }
        config
    }

    fn read_line(&mut self, kind: Kind, place: &Place, line: &str) {
        if *place == Place::Pending
            && let Some(list) = line.strip_prefix("delete: ")
        {
            for key in list.split([',', ' ']).filter(|key| !key.is_empty()) {
                self.pending_delete.insert(key.trim_start_matches('!').to_owned(), key.starts_with('!'));
            }
            return;
        }
        let garbage = &mut self.garbage;
        let section = match place {
            Place::Main => &mut self.main,
            Place::Pending => &mut self.pending,
            Place::Snapshot(name) => self.snapshots.entry(name.clone()).or_default(),
        };
        if let Some(comment) = line.strip_prefix('#') {
            let text = section.description.get_or_insert_default();
            text.push_str(&decode_text(comment));
            text.push('\n');
            return;
        }
        let Some((key, value)) = line.split_once(':') else { return };
        let (key, value) = (key.trim(), value.trim());
        if key.starts_with("lxc.") {
            section.raw.push((key.to_owned(), value.to_owned()));
        } else if keys::is_well_formed(key) && !value.is_empty() {
            let lost = *place == Place::Main && !keys::survives_write(kind, key, value);
            if lost {
                garbage.insert(key.to_owned(), value.to_owned())
            } else {
                section.keys.insert(key.to_owned(), value.to_owned())
            };
        } else if key == "tags" && keys::is_well_formed(key) {
            section.keys.insert(key.to_owned(), " ".to_owned());
        }
    }

    /// The text Proxmox would write: sorted keys, garbage gone.
    pub fn write(&self, kind: Kind) -> String {
        let mut text = write_section(kind, &self.main);
        if !self.pending.keys.is_empty()
            || !self.pending_delete.is_empty()
            || self.pending.description.is_some()
        {
            let _ = writeln!(text, "\n[{}]", kind.pending_header());
            if !self.pending_delete.is_empty() {
                let list: Vec<String> = self
                    .pending_delete
                    .iter()
                    .map(|(key, forced)| format!("{}{key}", if *forced { "!" } else { "" }))
                    .collect();
                let _ = writeln!(text, "delete: {}", list.join(","));
            }
            text.push_str(&write_section(kind, &self.pending));
        }
        for (name, section) in &self.snapshots {
            let _ = writeln!(text, "\n[{name}]");
            text.push_str(&write_section(kind, section));
        }
        text
    }

    /// The section with pending changes over it, as GET shows it without `current`. A pending delete of a value that Perl takes
    /// for false does not hide it.
    pub fn merged(&self) -> Section {
        let mut merged = self.main.clone();
        for key in self.pending_delete.keys() {
            if merged.get(key).is_some_and(|value| value != "0") {
                merged.keys.remove(key);
            }
            if key == "description" {
                merged.description = None;
            }
        }
        merged.keys.extend(self.pending.keys.clone());
        if let Some(description) = &self.pending.description {
            merged.description = Some(description.clone());
        }
        merged
    }

    /// One section as JSON, typed as Proxmox types it.
    pub fn to_json(&self, kind: Kind, section: &Section) -> serde_json::Map<String, Value> {
        let mut map: serde_json::Map<String, Value> =
            section.keys.iter().map(|(key, value)| (key.clone(), keys::typed(kind, key, value))).collect();
        for (key, value) in &self.garbage {
            map.insert(key.clone(), json!(value));
        }
        if let Some(text) = shown_description(kind, section.description.as_deref()) {
            map.insert("description".to_owned(), json!(text));
        }
        if !section.raw.is_empty() {
            map.insert("lxc".to_owned(), json!(section.raw));
        }
        map
    }
}

/// The description as GET gives it: a container's always ends in a line feed, a machine's never in white space.
pub fn shown_description(kind: Kind, text: Option<&str>) -> Option<String> {
    let text = text?;
    let shown = match kind {
        Kind::Lxc => format!("{}\n", text.trim_end_matches('\n')),
        Kind::Qemu => text.trim_end().to_owned(),
    };
    (!shown.trim_end_matches('\n').is_empty() && shown != "0\n").then_some(shown)
}

/// SHA-1 of the whole text, in hexadecimal.
pub fn digest_of(text: &str) -> String {
    let digest = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes());
    digest.as_ref().iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

#[derive(PartialEq, Eq)]
enum Place {
    Main,
    Pending,
    Snapshot(String),
}

fn write_section(kind: Kind, section: &Section) -> String {
    let mut text = String::new();
    let description = section.description.as_deref().unwrap_or_default();
    let description = match kind {
        Kind::Lxc => description.trim_end_matches('\n'),
        Kind::Qemu => description.trim_end(),
    };
    if !description.is_empty() {
        for line in description.split('\n') {
            let _ = writeln!(text, "#{}", encode_text(line));
        }
    }
    for (key, value) in &section.keys {
        let _ = writeln!(text, "{key}: {value}");
    }
    for (key, value) in &section.raw {
        let _ = writeln!(text, "{key}: {value}");
    }
    text
}

/// `%`, `:`, control and non-ASCII bytes, each as `%XX`.
fn encode_text(text: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        if (0x20..=0x7e).contains(&byte) && byte != b'%' && byte != b':' {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
        encoded
    })
}

fn decode_text(text: &str) -> String {
    percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Texts whose digest a real node gave.
    const REAL: [(Kind, &str, &str); 4] = [
        (
            Kind::Lxc,
            "arch: amd64\nhostname: web\nmemory: 128\nostype: alpine\nrootfs: store:100/vm-100-disk-0.raw,size=1G\nswap: 512\n",
            "d690049dddea0b599290e21361affdbd3d77c876",
        ),
        (
            Kind::Lxc,
            "#hello\narch: amd64\nhostname: web\nmemory: 128\nonboot: 1\nostype: alpine\nrootfs: store:100/vm-100-disk-0.raw,size=1G\nswap: 512\ntags: a;b;c\n",
            "150865491d65ba2388da8a8b709e6e9dbef0b863",
        ),
        (
            Kind::Lxc,
            "arch: amd64\nhostname: ct103\nmemory: 96\nostype: alpine\nrootfs: btr:103/subvol-103-disk-0.subvol,size=0T\nswap: 512\nunprivileged: 1\n\n[pve:pending]\ncmode: shell\nfeatures: nesting=1\n",
            "75f568db6a70cf20abd7bf4e056cdaf9a1ed88ae",
        ),
        (
            Kind::Qemu,
            "#z\nboot: order=scsi0\nkvm: 0\nmemory: 64\nmeta: creation-qemu=7.2.22,ctime=1795230940\nname: vm1\nscsi0: store:200/vm-200-disk-0.raw,size=1G\nscsihw: virtio-scsi-single\nsmbios1: uuid=3c4d7294-842b-4498-835a-0b57b34e55c5\nvmgenid: 709547fc-d8aa-4f40-a812-a1221d7481f7\n\n[PENDING]\nmemory: 128\n",
            "345311f9e2f848ac7e68e3a2a40082d3c15f0c25",
        ),
    ];

    #[test]
    fn a_file_has_the_digest_a_real_node_gave_it() {
        for (_, text, digest) in REAL {
            assert_eq!(digest_of(text), digest, "{text}");
        }
    }

    #[test]
    fn reading_and_writing_keeps_a_canonical_file() {
        for (kind, text, _) in REAL {
            assert_eq!(Config::parse(kind, text).write(kind), text);
        }
    }

    #[test]
    fn garbage_is_shown_until_the_next_write_loses_it() {
        let config =
            Config::parse(Kind::Lxc, "memory: 96\nswap: abc\nfoo: bar\n?? what\nlxc.cap.drop: sys_admin\n");
        let shown = Value::Object(config.to_json(Kind::Lxc, &config.main));
        assert_eq!(
            shown,
            json!({"memory": 96, "swap": "abc", "foo": "bar", "lxc": [["lxc.cap.drop", "sys_admin"]]})
        );
        assert_eq!(config.write(Kind::Lxc), "memory: 96\nlxc.cap.drop: sys_admin\n");
    }

    #[test]
    fn a_description_is_trimmed_by_kind() {
        for (text, lxc, qemu) in [
            ("hello", Some("hello\n"), Some("hello")),
            ("hello\n\n", Some("hello\n"), Some("hello")),
            ("  a  ", Some("  a  \n"), Some("  a")),
            ("\nhello", Some("\nhello\n"), Some("\nhello")),
            ("\n", None, None),
            ("", None, None),
        ] {
            assert_eq!(shown_description(Kind::Lxc, Some(text)).as_deref(), lxc, "{text:?}");
            assert_eq!(shown_description(Kind::Qemu, Some(text)).as_deref(), qemu, "{text:?}");
        }
    }
}
