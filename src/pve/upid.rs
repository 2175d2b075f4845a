//! The name of a task: `UPID:node:pid:pstart:starttime:type:id:user:`, the numbers in hex, the id possibly empty.
//! Pure. Printed as it was read, to the letter: Proxmox finds the log by this text.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::model::guest::Vmid;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Upid {
    text: String,
    node: String,
    pid: u32,
    pstart: u64,
    started: u64,
    kind: String,
    id: String,
    user: String,
}

impl Upid {
    pub fn as_str(&self) -> &str {
        &self.text
    }

    pub fn node(&self) -> &str {
        &self.node
    }

    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// The process's start in clock ticks since boot.
    pub fn pstart(&self) -> u64 {
        self.pstart
    }

    /// The start in seconds since 1970 by the node's wall clock, which can step.
    pub fn started(&self) -> u64 {
        self.started
    }

    /// `vzstart`, `qmshutdown`, `vzdump`, `imgdel`, …
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// What the task works on: mostly a vmid, `103@store` for a volume, empty for a backup of several guests.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The guest, if the id is one.
    pub fn vmid(&self) -> Option<Vmid> {
        let digits = self.id.split('@').next().unwrap_or_default();
        digits.parse().ok()
    }

    /// `root@pam`, or `root@pam!agent` of a token.
    pub fn user(&self) -> &str {
        &self.user
    }
}

impl FromStr for Upid {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        parse(text).ok_or_else(|| {
            let start: String = text.chars().take(80).collect();
            format!("{start:?} is not a task id (UPID:node:pid:pstart:starttime:type:id:user:)")
        })
    }
}

fn parse(text: &str) -> Option<Upid> {
    let mut parts = text.strip_prefix("UPID:")?.split(':');
    let node = parts.next().filter(|node| is_node(node))?;
    let pid = parts.next().filter(|hex| is_hex(hex, 8..=8))?;
    let pstart = parts.next().filter(|hex| is_hex(hex, 8..=9))?;
    let started = parts.next().filter(|hex| is_hex(hex, 8..=8))?;
    let kind = parts.next().filter(|word| is_word(word) && !word.is_empty())?;
    let id = parts.next().filter(|word| is_word(word))?;
    let user = parts.next().filter(|user| !user.is_empty() && is_word(user))?;
    if parts.next() != Some("") || parts.next().is_some() {
        return None;
    }
    Some(Upid {
        text: text.to_owned(),
        node: node.to_owned(),
        pid: u32::from_str_radix(pid, 16).ok()?,
        pstart: u64::from_str_radix(pstart, 16).ok()?,
        started: u64::from_str_radix(started, 16).ok()?,
        kind: kind.to_owned(),
        id: id.to_owned(),
        user: user.to_owned(),
    })
}

/// Letters, digits and inner dashes.
pub(super) fn is_node(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with('-')
        && !name.ends_with('-')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

fn is_hex(text: &str, length: std::ops::RangeInclusive<usize>) -> bool {
    length.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// No blanks and no slashes; colons are gone already.
fn is_word(text: &str) -> bool {
    !text.contains(|letter: char| letter.is_whitespace() || letter == '/')
}

impl fmt::Display for Upid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Serialize for Upid {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Upid {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Upid;

    #[test]
    fn the_parts_are_read() {
        let upid: Upid =
            "UPID:pve:00005B5F:0004C76F:6B010DEF:qmshutdown:200:root@pam!agent:".parse().unwrap();
        assert_eq!((upid.node(), upid.pid(), upid.pstart()), ("pve", 0x5b5f, 313_199));
        assert_eq!((upid.started(), upid.kind(), upid.id()), (1_795_231_215, "qmshutdown", "200"));
        assert_eq!(upid.user(), "root@pam!agent");
        assert_eq!(upid.vmid().map(|vmid| vmid.number()), Some(200));
    }

    #[test]
    fn the_rarer_forms_of_the_grammar_are_read() {
        for (text, id, vmid) in [
            ("UPID:pve:00000690:00055F30:6B010F73:vzdump::root@pam!agent:", "", None),
            ("UPID:pve:00000690:00055F30:6B010F73:imgdel:103@store:root@pam:", "103@store", Some(103)),
            ("UPID:pve-1:00000690:100055F30:6B010F73:vzstart:100:a@pve:", "100", Some(100)),
            ("UPID:p:0000069f:00055f30:6b010f73:vzstart:100:a@pve:", "100", Some(100)),
        ] {
            let upid: Upid = text.parse().unwrap();
            assert_eq!(upid.id(), id);
            assert_eq!(upid.vmid().map(|vmid| vmid.number()), vmid);
            assert_eq!(upid.to_string(), text);
        }
    }

    #[test]
    fn what_is_no_task_id_is_refused() {
        for text in [
            "",
            "OK",
            "UPID:",
            "UPID:pve:00005B5F:0004C76F:6B010DEF:qmshutdown:200:root@pam!agent",
            "UPID:pve:00005B5F:0004C76F:6B010DEF:qmshutdown:200:root@pam!agent::",
            "UPID:pve:5B5F:0004C76F:6B010DEF:qmshutdown:200:root@pam:",
            "UPID:pve:00005B5F:0004C7:6B010DEF:qmshutdown:200:root@pam:",
            "UPID:pve:00005B5F:0004C76F6F:6B010DEF:qmshutdown:200:root@pam:",
            "UPID:pve:0000+B5F:0004C76F:6B010DEF:qmshutdown:200:root@pam:",
            "UPID:-pve:00005B5F:0004C76F:6B010DEF:qmshutdown:200:root@pam:",
            "UPID:pve:00005B5F:0004C76F:6B010DEF:qm shutdown:200:root@pam:",
            "UPID:pve:00005B5F:0004C76F:6B010DEF:qmshutdown:../200:root@pam:",
            "UPID:pve:00005B5F:0004C76F:6B010DEF::200:root@pam:",
            "UPID:pve:00005B5F:0004C76F:6B010DEF:qmshutdown:200::",
            "UPID:pve:00005B5F:0004C76F:6B010DEF:qmshutdown:200:root@pam:\n",
        ] {
            assert!(text.parse::<Upid>().is_err_and(|error| error.contains("is not a task id")), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_read_prints_the_same(
            text in "UPID:[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?:[0-9A-F]{8}:[0-9A-Fa-f]{8,9}:[0-9A-F]{8}:[a-z]{1,12}:[a-z0-9@.-]{0,12}:[a-z]{1,8}@(pam|pve)(![a-z]{1,8})?:"
        ) {
            let upid: Upid = text.parse().unwrap();
            prop_assert_eq!(upid.to_string(), text);
            let json = serde_json::to_string(&upid).unwrap();
            prop_assert_eq!(serde_json::from_str::<Upid>(&json).unwrap(), upid);
        }

        #[test]
        fn no_text_breaks_the_parser(text in ".{0,80}") {
            drop(text.parse::<Upid>());
        }
    }
}
