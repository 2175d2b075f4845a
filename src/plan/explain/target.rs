//! What can be explained of a guest, by the names that the manifest has for it: a field, a part of one, a volume, a group.

use super::Unknown;
use super::member::{self, Member};
use crate::manifest;
use crate::model::desired::Field;
use crate::model::guest::GuestKind;
use crate::model::spelling::distance;
use crate::normalize::{self, volume};

/// What a volume has beside its options.
const OF_A_VOLUME: [&str; 3] = ["storage", "size_gb", "bind"];
const GROUPS: [&str; 5] = ["nets", "mounts", "disks", "cloud_init", "cloud_init.ip"];

/// So many names are told to whoever asked for another one.
const TOLD: usize = 6;

#[derive(Clone, Debug)]
pub(super) enum Target {
    Row(Field, Option<String>),
    Volume(String, Option<String>),
    Member(&'static Member),
    Group(&'static str),
}

impl Target {
    /// `memory_mb`, `nets.net0.bridge`, `cloud_init.user`, `rootfs.size_gb`; the name of the list may be left out.
    pub(super) fn parse(name: &str, kind: GuestKind) -> Option<Self> {
        let whole = |name: &str| {
            let field = |field: &Field| field.as_str() == name;
            let listed = name.strip_prefix("nets.").or_else(|| name.strip_prefix("cloud_init.ip."));
            let field =
                Field::ALL.into_iter().find(field).or_else(|| Field::numbered(listed.unwrap_or(name)));
            if let Some(field) = field.filter(|field| normalize::row(*field, kind).is_some()) {
                return Some(Self::Row(field, None))
                    .filter(|target| listed.is_none() || target.name() == name);
            }
            let listed = name.strip_prefix("mounts.").or_else(|| name.strip_prefix("disks."));
            let volume = Some(Self::Volume(listed.unwrap_or(name).to_owned(), None));
            let is_one = |target: &Self| manifest::is_volume(kind, target.key(kind));
            volume.filter(|target| is_one(target) && (listed.is_none() || target.name() == name))
        };
        let group = || {
            let group = GROUPS.into_iter().find(|group| *group == name)?;
            let of_kind = match kind {
                GuestKind::Lxc => matches!(group, "nets" | "mounts"),
                GuestKind::Qemu => group != "mounts",
            };
            of_kind.then_some(Self::Group(group))
        };
        let part = || {
            let (name, part) = name.rsplit_once('.')?;
            let target = whole(name)?;
            target.parts(kind).contains(&part).then(|| target.with(part))
        };
        member::named(name).map(Self::Member).or_else(|| whole(name)).or_else(group).or_else(part)
    }

    /// As the manifest has it.
    pub(super) fn name(&self) -> String {
        let (name, part) = match self {
            Self::Row(field, part) => {
                let list = match field {
                    Field::Net(_) => "nets.",
                    Field::IpConfig(_) => "cloud_init.ip.",
                    _ => "",
                };
                (format!("{list}{field}"), part)
            }
            Self::Volume(key, part) => (format!("{}{key}", list_of(key)), part),
            Self::Member(member) => (member.name.to_owned(), &None),
            Self::Group(group) => ((*group).to_owned(), &None),
        };
        part.as_ref().map_or_else(|| name.clone(), |part| format!("{name}.{part}"))
    }

    /// Proxmox's key; empty where it has none.
    pub(super) fn key(&self, kind: GuestKind) -> &str {
        match self {
            Self::Row(field, _) => normalize::row(*field, kind).map_or("", |row| row.key(*field)),
            Self::Volume(key, _) => key,
            Self::Member(_) | Self::Group(_) => "",
        }
    }

    fn parts(&self, kind: GuestKind) -> Vec<&'static str> {
        match self {
            Self::Row(field, None) => {
                normalize::row(*field, kind).map(normalize::Row::parts).unwrap_or_default()
            }
            Self::Volume(key, None) => {
                OF_A_VOLUME.into_iter().chain(volume::options(key).map(|option| option.name)).collect()
            }
            _ => Vec::new(),
        }
    }

    fn with(self, part: &str) -> Self {
        match self {
            Self::Row(field, _) => Self::Row(field, Some(part.to_owned())),
            Self::Volume(key, _) => Self::Volume(key, Some(part.to_owned())),
            other => other,
        }
    }
}

fn list_of(key: &str) -> &'static str {
    if key == "rootfs" {
        ""
    } else if key.starts_with("mp") {
        "mounts."
    } else {
        "disks."
    }
}

/// Says what is allowed: the names that are nearest, or all that are not parts of another.
pub(super) fn unknown(typed: &str, kind: GuestKind) -> Unknown {
    let rows = normalize::rows(kind).iter().map(|row| Target::Row(row.field, None));
    let volumes = match kind {
        GuestKind::Lxc => ["rootfs", "mp0"],
        GuestKind::Qemu => ["scsi0", "virtio0"],
    };
    let volumes = volumes.into_iter().map(|key| Target::Volume(key.to_owned(), None));
    let mut whole: Vec<Target> = rows.chain(volumes).collect();
    // Of what begins well, the parts.
    let outer = typed.rsplit_once('.').and_then(|(outer, _)| Target::parse(outer, kind));
    let parts =
        outer.iter().flat_map(|outer| outer.parts(kind).into_iter().map(|part| outer.clone().with(part)));
    let parts: Vec<String> = parts.map(|target| target.name()).collect();
    let names = if parts.is_empty() {
        whole.extend(member::all().map(Target::Member));
        whole.iter().map(Target::name).collect()
    } else {
        parts
    };
    let mut near: Vec<(usize, &String)> = names.iter().map(|name| (distance(typed, name), name)).collect();
    near.sort_unstable();
    let near: Vec<&str> = near.into_iter().take(TOLD).map(|(_, name)| name.as_str()).collect();
    let who = match kind {
        GuestKind::Lxc => "a container",
        GuestKind::Qemu => "a VM",
    };
    let message = format!(
        "{who} has no field {:?} that can be managed; the names next to it are {} (etc/schema/manifest.json has all)",
        super::super::words::shortened(typed),
        near.join(", ")
    );
    Unknown { code: "unknown_field", message }
}
