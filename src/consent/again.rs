//! The line that drafts an operation anew, with a backup made first where none that is there will do.

use crate::model::image::GuestImage;
use crate::model::op::{Action, Operation};

/// As it is typed on the node; `None` where a backup made now would not hold what is at stake, as of a volume that is not in use.
pub(super) fn draft_with_backup(op: &Operation, image: &GuestImage) -> Option<String> {
    let flag = |set: bool, name: &'static str| if set { name } else { "" };
    let (what, rest) = match &op.action {
        Action::GuestDestroy { purge } => ("destroy", flag(*purge, " --purge").to_owned()),
        Action::GuestRollback { snapshot, start } => {
            ("rollback", format!(" --snapshot {snapshot}{}", flag(*start, " --start")))
        }
        Action::GuestRestoreOver { volid, storage } => {
            ("restore-over", format!(" --volid {volid} --storage {storage}"))
        }
        Action::ConfigDestructive { set, delete } => {
            let set = set.iter().map(|(key, value)| format!(" --put {}", quoted(&format!("{key}={value}"))));
            ("config", set.chain(delete.iter().map(|key| format!(" --delete {key}"))).collect())
        }
        _ => return None,
    };
    Some(format!("felhom-agent op draft {what} --vmid {}{rest} --backup", image.guest.vmid))
}

/// As a shell takes it for one word.
pub fn quoted(word: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"=,.:/@%+_-".contains(&byte);
    if word.bytes().all(plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', "'\\''")) }
}
