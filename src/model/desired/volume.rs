//! Volumes of a guest, by Proxmox's own key.

use super::Wanted;
use crate::model::sorted::Map;

/// `rootfs`, `mp0`, `scsi0`, …; a volume that is not named is not managed.
pub type Volumes = Map<String, Wanted<Volume>>;

/// What is wanted of one volume. What is `None` is not managed, and stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Volume {}
