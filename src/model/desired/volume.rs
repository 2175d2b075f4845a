//! Volumes of a guest, by Proxmox's own key.

use super::Wanted;
use crate::model::sorted::Map;

/// `rootfs`, `mp0`, `scsi0`, …; a volume that is not named is not managed.
pub type Volumes = Map<String, Wanted<Volume>>;

/// What is wanted of one volume. What is not said is not managed, and stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Volume {
    /// A folder of the node in place of a volume.
    pub bind: Option<String>,
    pub storage: Option<String>,
    pub size_gb: Option<u64>,
    /// By Proxmox's name and in its words; what should not be set has the word of its default, or none.
    pub options: Map<String, String>,
}
