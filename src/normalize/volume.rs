//! The options of a volume: as the manifest names them, as Proxmox does, and what they are when nothing is said.

/// What an option may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// `1` or `0`.
    Flag,
    /// `on` or `ignore`.
    Discard,
    Words(&'static [&'static str]),
    /// An absolute path in the guest.
    Path,
}

#[derive(Debug)]
pub struct Opt {
    /// As the manifest names it.
    pub name: &'static str,
    /// As Proxmox names it.
    pub key: &'static str,
    /// As Proxmox takes it when it is not said; empty where that is no value of its own.
    pub default: &'static str,
    pub takes: Takes,
    /// The kinds of key that have it.
    on: &'static [&'static str],
}

const CONTAINER: &[&str] = &["rootfs", "mp"];
const DISKS: &[&str] = &["scsi", "virtio", "sata", "ide"];
const CACHES: &[&str] = &["none", "writethrough", "writeback", "unsafe", "directsync"];
const AIO: &[&str] = &["native", "threads", "io_uring"];

const fn opt(
    name: &'static str,
    key: &'static str,
    default: &'static str,
    takes: Takes,
    on: &'static [&'static str],
) -> Opt {
    Opt { name, key, default, takes, on }
}

#[rustfmt::skip]
static OPTIONS: &[Opt] = &[
    opt("path", "mp", "", Takes::Path, &["mp"]),
    // A mount point that does not say so is not backed up; a disk is.
    opt("backup", "backup", "0", Takes::Flag, &["mp"]),
    opt("backup", "backup", "1", Takes::Flag, DISKS),
    opt("read_only", "ro", "0", Takes::Flag, &["rootfs", "mp", "scsi", "virtio"]),
    opt("replicate", "replicate", "1", Takes::Flag, &["rootfs", "mp", "scsi", "virtio", "sata", "ide"]),
    opt("shared", "shared", "0", Takes::Flag, CONTAINER),
    opt("quota", "quota", "0", Takes::Flag, CONTAINER),
    // Set, cleared, or as the storage does it.
    opt("acl", "acl", "", Takes::Flag, CONTAINER),
    opt("ssd", "ssd", "0", Takes::Flag, &["scsi", "sata", "ide"]),
    opt("discard", "discard", "ignore", Takes::Discard, DISKS),
    opt("iothread", "iothread", "0", Takes::Flag, &["scsi", "virtio"]),
    opt("cache", "cache", "none", Takes::Words(CACHES), DISKS),
    opt("aio", "aio", "", Takes::Words(AIO), DISKS),
];

/// `mp` of `mp3`.
fn stem(key: &str) -> &str {
    key.trim_end_matches(|digit: char| digit.is_ascii_digit())
}

/// The options of the volume at this key.
pub fn options(key: &str) -> impl Iterator<Item = &'static Opt> {
    OPTIONS.iter().filter(move |option| option.on.contains(&stem(key)))
}

impl Takes {
    fn says(self) -> String {
        match self {
            Self::Flag => "true or false".to_owned(),
            Self::Discard => "true (Proxmox's on) or false (ignore)".to_owned(),
            Self::Words(words) => format!("one of {}", words.join(", ")),
            Self::Path => "an absolute path in the guest".to_owned(),
        }
    }
}

/// The rule of a volume, or of one thing said of it, in plain words.
pub fn rule(key: &str, part: Option<&str>) -> Vec<String> {
    let option = options(key).find(|option| Some(option.name) == part);
    let (is, more) = match (part, option) {
        (_, Some(option)) => (
            option.takes.says(),
            match option.default {
                "" => "while it is not there, it is as Proxmox or the storage does it".to_owned(),
                default => format!("while it is not there, it is {}", option.shown(default)),
            },
        ),
        (Some("size_gb"), _) => (
            "whole GiB; a volume is grown by a resize of its own, at once".to_owned(),
            "it is never made smaller".to_owned(),
        ),
        (Some("storage"), _) => (
            "the storage that the volume is on".to_owned(),
            "a volume is not moved: another storage is refused".to_owned(),
        ),
        (Some("bind"), _) => (
            "a folder of the node in place of a volume".to_owned(),
            "only root@pam itself may set it, and no token".to_owned(),
        ),
        _ => (
            "compared in storage, size and the options that are said; the others stay in the write as they were read"
                .to_owned(),
            "a volume that is missing is made; one that should not be there is detached by a signed operation only"
                .to_owned(),
        ),
    };
    let takes_effect = match part {
        Some("size_gb") => "a running guest has the room at once",
        _ => "a running guest takes a write of it at its next start",
    };
    let needs =
        "to write it a token needs VM.Config.Disk on the guest, and for a new volume Datastore.AllocateSpace";
    vec![is, more, takes_effect.to_owned(), needs.to_owned()]
}

impl Opt {
    /// The one word for a value that was read, or for none.
    pub fn canonical<'a>(&self, read: Option<&'a str>) -> &'a str
    where
        'static: 'a,
    {
        match (read, self.takes) {
            (None, _) => self.default,
            (Some("on" | "yes" | "true"), Takes::Flag) => "1",
            (Some("off" | "no" | "false"), Takes::Flag) => "0",
            (Some(text), _) => text,
        }
    }

    /// As the manifest would write it.
    pub fn shown(&self, text: &str) -> serde_json::Value {
        match (self.takes, text) {
            (_, "") => "absent".into(),
            (Takes::Flag, "0") | (Takes::Discard, "ignore") => false.into(),
            (Takes::Flag, "1") | (Takes::Discard, "on") => true.into(),
            _ => text.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::options;

    fn found(key: &str, name: &str, read: Option<&'static str>) -> Option<&'static str> {
        options(key).find(|option| option.name == name).map(|option| option.canonical(read))
    }

    #[test]
    fn what_is_not_said_is_its_default_and_a_flag_has_one_word() {
        for (key, name, read, expected) in [
            ("mp0", "backup", None, Some("0")),
            ("scsi0", "backup", None, Some("1")),
            ("mp0", "backup", Some("yes"), Some("1")),
            ("rootfs", "replicate", Some("off"), Some("0")),
            ("mp12", "acl", None, Some("")),
            ("mp0", "path", Some("/on"), Some("/on")),
            ("virtio0", "discard", None, Some("ignore")),
            ("virtio0", "ssd", None, None),
            ("rootfs", "backup", None, None),
            ("ide2", "iothread", None, None),
            ("efidisk0", "backup", None, None),
        ] {
            assert_eq!(found(key, name, read), expected, "{key} {name}");
        }
    }
}
