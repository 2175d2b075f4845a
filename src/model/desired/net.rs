//! Network cards of a guest, by Proxmox's own key.

use super::Wanted;
use crate::model::sorted::Map;

/// `net0` to `net31`; a card that is not named is not managed.
pub type Nets = Map<String, Wanted<Net>>;

/// What is wanted of one card. What is `None` is not managed, and stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Net {}
