//! Tags: a set. Proxmox takes them apart at `;`, `,` and blanks, sorts them, and lowers them unless told not to.

use super::Context;
use crate::model::desired::Value;
use crate::model::sorted::Set;

/// What this datacenter's `tag-style` does to capitals (`GET /cluster/options`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TagCase {
    /// The default: every tag is stored in lower case.
    Lowered,
    /// `case-sensitive=1`.
    Kept,
}

/// `" "`, which is how a set that was written empty comes back, is the empty set.
pub(super) fn parse(text: &str, context: Context) -> Value {
    let tags = text.split([';', ',', ' ', '\t', '\n', '\r']).filter(|tag| !tag.is_empty());
    Value::Tags(canonical(&tags.map(str::to_owned).collect(), context.tag_case))
}

pub(super) fn canonical(tags: &Set<String>, case: TagCase) -> Set<String> {
    match case {
        TagCase::Lowered => tags.iter().map(|tag| tag.to_ascii_lowercase()).collect(),
        TagCase::Kept => tags.clone(),
    }
}

pub(super) fn print(tags: &Set<String>) -> String {
    let tags: Vec<&str> = tags.iter().map(String::as_str).collect();
    tags.join(";")
}

/// Whether Proxmox takes this as a tag: `[a-z0-9_]` and then also `-`, `+`, `.`, capitals included.
pub fn is_tag(tag: &str) -> bool {
    let first = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let rest = |byte: u8| first(byte) || matches!(byte, b'-' | b'+' | b'.');
    tag.bytes().next().is_some_and(first) && tag.bytes().all(rest)
}
