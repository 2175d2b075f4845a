//! A container's features, of which an API token may change one.

use super::map::{Map, part};
use super::sort::Series;
use super::{Sort, form, property_string};

static MOUNT: Series = Series {
    item: &form::FILE_SYSTEM,
    between: &[';'],
    ordered: false,
    prefix: "",
    words: &[],
    encoded: false,
};

pub(super) static FEATURES: Map = Map {
    parts: &[
        part("nesting", "nesting", Sort::Flag, "0"),
        part("keyctl", "keyctl", Sort::Flag, "0"),
        part("fuse", "fuse", Sort::Flag, "0"),
        part("mknod", "mknod", Sort::Flag, "0"),
        part("mount", "mount", Sort::List(&MOUNT), ""),
        part("force_rw_sys", "force_rw_sys", Sort::Flag, "0"),
    ],
    bare: "",
    aliases: &[],
    needs: None,
    card: false,
};

/// Why only root@pam itself, and no token of root's either, may write this: Proxmox compares the texts of the flags, so that
/// one that is named with its default value counts as another.
pub fn need_root(old: Option<&str>, new: Option<&str>, unprivileged: bool) -> Option<String> {
    if !unprivileged {
        return Some("any feature of a privileged container".to_owned());
    }
    let old = property_string::parse(old.unwrap_or_default(), "").unwrap_or_default();
    let new = property_string::parse(new.unwrap_or_default(), "").unwrap_or_default();
    let other = |key: &&&str| **key != "nesting" && old.get(**key) != new.get(**key);
    let flag = old.keys().chain(new.keys()).find(other)?;
    Some(format!("the feature {flag}"))
}
