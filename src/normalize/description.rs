//! Descriptions. A container's always comes back with exactly one newline at its end, a VM's without any trailing
//! whitespace; an empty one vanishes.

use crate::model::desired::Value;
use crate::model::guest::GuestKind;

pub(super) fn canonical(kind: GuestKind, text: &str) -> Value {
    let text = match kind {
        GuestKind::Lxc => text.trim_end_matches('\n'),
        GuestKind::Qemu => text.trim_end(),
    };
    if text.is_empty() { Value::Absent } else { Value::Text(text.to_owned()) }
}

/// Whether Proxmox may lose this description: it takes the text `0` for none.
pub fn is_lost(text: &str) -> bool {
    text.trim_end() == "0"
}
