//! The patterns that the texts of a payload and of a keyring are held to, each with the words that name it. Written by
//! hand: an engine for regular expressions would be the larger part of the binary.

/// A rule and how it is said.
#[derive(Clone, Copy)]
pub(super) struct Pattern {
    pub(super) allowed: &'static str,
    pub(super) holds: fn(&str) -> bool,
}

pub(super) const HOST_ID: Pattern = Pattern {
    allowed: "1 to 128 letters, digits, '.', '_' or '-', beginning with a letter or digit",
    holds: is_host_id,
};
pub(super) const NODE: Pattern =
    Pattern { allowed: "a node's name: 1 to 63 letters, digits and inner hyphens", holds: is_node };
pub(super) const STORAGE: Pattern = Pattern {
    allowed: "a storage id: a letter, then letters, digits, '-', '_' and '.', ending in a letter or digit",
    holds: is_storage,
};
pub(super) const SNAPSHOT: Pattern = Pattern {
    allowed: "a snapshot's name: a letter, then 1 to 39 letters, digits, '_' or '-'",
    holds: is_snapshot,
};
pub(super) const VOLID: Pattern = Pattern {
    allowed: "a volume id of at most 255 characters, as in local-zfs:subvol-105-disk-0",
    holds: is_volid,
};
pub(super) const VOLUME_KEY: Pattern = Pattern {
    allowed: "a volume's key: rootfs, mpN, scsiN, virtioN, sataN, ideN, unusedN, efidisk0 or tpmstate0",
    holds: is_volume_key,
};
pub(super) const CONFIG_KEY: Pattern = Pattern {
    allowed: "a key of the guest's configuration: a lower-case letter, then letters, digits, '_' or '-', and no parameter of the call",
    holds: is_config_key,
};
pub(super) const CONFIG_VALUE: Pattern = Pattern {
    allowed: "1 to 1024 printable ASCII characters, no space at either end",
    holds: is_config_value,
};
pub(super) const LOCK: Pattern =
    Pattern { allowed: "a lock that Proxmox knows, as in backup", holds: is_lock };
pub(super) const RESOURCE_ID: Pattern = Pattern {
    allowed: "1 to 128 letters, digits, '.', '_' or '-', beginning with a letter or digit",
    holds: is_host_id,
};
pub(super) const SHA256: Pattern =
    Pattern { allowed: "64 lower-case hex digits", holds: |text| is_hex(text, 64) };
pub(super) const IDENT: Pattern =
    Pattern { allowed: "32 lower-case hex digits", holds: |text| is_hex(text, 32) };
pub(super) const KEYID: Pattern = IDENT;
pub(super) const NONCE: Pattern = Pattern {
    allowed: "32 lower-case hex digits, not all of them 0",
    holds: |text| is_hex(text, 32) && text.bytes().any(|byte| byte != b'0'),
};
pub(super) const NOTE: Pattern =
    Pattern { allowed: "at most 256 printable ASCII characters", holds: |text| is_printable(text, 0, 256) };
pub(super) const KEY_NAME: Pattern =
    Pattern { allowed: "1 to 64 printable ASCII characters", holds: |text| is_printable(text, 1, 64) };

/// What Proxmox locks a guest with.
pub const LOCKS: [&str; 14] = [
    "backup",
    "clone",
    "create",
    "destroyed",
    "disk",
    "fstrim",
    "migrate",
    "mounted",
    "rollback",
    "snapshot",
    "snapshot-delete",
    "suspended",
    "suspending",
    "template",
];

/// Parameters of the call that writes a configuration: in place of a key they would change what the call does.
const PARAMETERS: [&str; 12] = [
    "background_delay",
    "delete",
    "digest",
    "force",
    "import-working-storage",
    "lock",
    "node",
    "parent",
    "revert",
    "skiplock",
    "snapstate",
    "vmid",
];

fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn is_printable(text: &str, shortest: usize, longest: usize) -> bool {
    (shortest..=longest).contains(&text.len()) && text.bytes().all(|byte| matches!(byte, b' '..=b'~'))
}

fn begins(text: &str, with: fn(&u8) -> bool) -> bool {
    text.as_bytes().first().is_some_and(with)
}

fn ends(text: &str, with: fn(&u8) -> bool) -> bool {
    text.as_bytes().last().is_some_and(with)
}

fn is_host_id(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    text.len() <= 128 && begins(text, u8::is_ascii_alphanumeric) && text.bytes().all(allowed)
}

fn is_node(text: &str) -> bool {
    text.len() <= 63
        && begins(text, u8::is_ascii_alphanumeric)
        && ends(text, u8::is_ascii_alphanumeric)
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

fn is_storage(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    (2..=100).contains(&text.len())
        && begins(text, u8::is_ascii_alphabetic)
        && ends(text, u8::is_ascii_alphanumeric)
        && text.bytes().all(allowed)
}

fn is_snapshot(text: &str) -> bool {
    (2..=40).contains(&text.len())
        && begins(text, u8::is_ascii_alphabetic)
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
}

/// A storage, a colon, and a path of which no segment is empty, hidden, a way up or an option.
fn is_volid(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-+@:=".contains(&byte);
    let segment = |segment: &str| {
        begins(segment, |byte| byte.is_ascii_alphanumeric() || *byte == b'_') && segment.bytes().all(allowed)
    };
    let Some((storage, path)) = text.split_once(':') else { return false };
    text.len() <= 255 && is_storage(storage) && path.split('/').all(segment)
}

fn is_volume_key(text: &str) -> bool {
    let name = text.trim_end_matches(|letter: char| letter.is_ascii_digit());
    let number = text.trim_start_matches(|letter: char| !letter.is_ascii_digit());
    match name {
        "rootfs" => text == name,
        "efidisk" | "tpmstate" => number == "0",
        "mp" | "scsi" | "virtio" | "sata" | "ide" | "unused" => is_number(number),
        _ => false,
    }
}

/// 0 to 255, written in one way.
fn is_number(text: &str) -> bool {
    text.parse::<u8>().is_ok_and(|number| number.to_string() == text)
}

fn is_config_key(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte);
    text.len() <= 40
        && begins(text, u8::is_ascii_lowercase)
        && text.bytes().all(allowed)
        && !PARAMETERS.contains(&text)
}

fn is_config_value(text: &str) -> bool {
    is_printable(text, 1, 1_024) && !text.starts_with(' ') && !text.ends_with(' ')
}

fn is_lock(text: &str) -> bool {
    LOCKS.contains(&text)
}
