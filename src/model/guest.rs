//! What names a guest, and what state a guest can be in.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A guest's number: 100 to 999 999 999, the range Proxmox itself allows for new guests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u32")]
pub struct Vmid(u32);

impl Vmid {
    pub const MIN: u64 = 100;
    pub const MAX: u64 = 999_999_999;

    /// The only constructor; the error says what was found and what is allowed.
    pub fn new(number: u64) -> Result<Self, String> {
        match u32::try_from(number) {
            Ok(vmid) if (Self::MIN..=Self::MAX).contains(&number) => Ok(Self(vmid)),
            _ => Err(format!("{number} is not a vmid: allowed are {} to {}", Self::MIN, Self::MAX)),
        }
    }

    pub fn number(self) -> u32 {
        self.0
    }
}

impl TryFrom<u64> for Vmid {
    type Error = String;

    fn try_from(number: u64) -> Result<Self, String> {
        Self::new(number)
    }
}

impl From<Vmid> for u32 {
    fn from(vmid: Vmid) -> Self {
        vmid.0
    }
}

impl fmt::Display for Vmid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl FromStr for Vmid {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number: u64 =
            text.parse().map_err(|_not_a_number| format!("{text:?} is not a vmid: expected a number"))?;
        Self::new(number)
    }
}

/// The two kinds of guest, in Proxmox's own words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GuestKind {
    Lxc,
    Qemu,
}

impl GuestKind {
    pub const ALL: [Self; 2] = [Self::Lxc, Self::Qemu];

    /// The segment of the API path, and the prefix of an id: `lxc` or `qemu`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Lxc => "lxc",
            Self::Qemu => "qemu",
        }
    }
}

impl fmt::Display for GuestKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One guest of this node, printed and written as Proxmox prints it: `lxc/101`, `qemu/200`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct GuestId {
    pub vmid: Vmid,
    pub kind: GuestKind,
}

impl GuestId {
    pub fn new(kind: GuestKind, vmid: Vmid) -> Self {
        Self { vmid, kind }
    }
}

impl FromStr for GuestId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let shown = || text.chars().take(40).collect::<String>();
        let (kind, vmid) =
            text.split_once('/').ok_or_else(|| format!("{:?} is not a guest: expected lxc/101", shown()))?;
        let kind = GuestKind::ALL
            .into_iter()
            .find(|known| known.as_str() == kind)
            .ok_or_else(|| format!("{:?} is not a guest: expected lxc/ or qemu/", shown()))?;
        Ok(Self { vmid: vmid.parse()?, kind })
    }
}

impl TryFrom<String> for GuestId {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<GuestId> for String {
    fn from(guest: GuestId) -> Self {
        guest.to_string()
    }
}

impl fmt::Display for GuestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind, self.vmid)
    }
}

/// Whether a guest runs, as far as the node said so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RunState {
    Running,
    Stopped,
    /// A VM that is there but does not execute: `paused`, `prelaunch`, `suspended` and their like.
    Paused,
    Unknown,
}

impl RunState {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Stopped => "stopped",
            Self::Paused => "paused",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for RunState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::{GuestId, GuestKind, Vmid};

    #[test]
    fn a_vmid_outside_proxmox_s_range_is_refused() {
        for number in [0, 99, 1_000_000_000, 4_294_967_396, u64::MAX] {
            assert!(Vmid::new(number).is_err_and(|message| message.contains("100 to 999999999")), "{number}");
        }
        for number in [100, 101, 999_999_999] {
            assert_eq!(Vmid::new(number).map(|vmid| u64::from(vmid.number())), Ok(number));
        }
    }

    #[test]
    fn a_guest_is_printed_as_proxmox_prints_it() {
        let vmid = Vmid::new(101).unwrap();
        assert_eq!(GuestId::new(GuestKind::Lxc, vmid).to_string(), "lxc/101");
        assert_eq!(GuestId::new(GuestKind::Qemu, vmid).to_string(), "qemu/101");
        assert_eq!("lxc/101".parse(), Ok(GuestId::new(GuestKind::Lxc, vmid)));
        for text in ["", "101", "lxc", "lxc/", "lxc/99", "jail/101", "lxc/101/"] {
            text.parse::<GuestId>().unwrap_err();
        }
    }
}
