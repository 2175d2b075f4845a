//! The fields of a container. All of them take effect at once, also while it runs.

use super::{Privilege, Row, TakesEffect, Unset, description, scalar, startup, tags};
use crate::model::desired::{Field, Value};
use crate::model::sorted::Set;

const OPTIONS: &[Privilege] = &[Privilege::OnGuest("VM.Config.Options")];
const MEMORY: &[Privilege] = &[Privilege::OnGuest("VM.Config.Memory")];

pub(super) const ROWS: [Row; 9] = [
    Row {
        field: Field::Name,
        key: "hostname",
        parse: scalar::text,
        // Proxmox names a container that has no name.
        default: |guest| Value::Text(format!("CT{}", guest.vmid)),
        unset: Unset::Delete,
        takes_effect: TakesEffect::AtOnce,
        privileges: &[Privilege::OnGuest("VM.Config.Network")],
    },
    Row {
        field: Field::Description,
        key: "description",
        parse: description::parse,
        default: |_| Value::Absent,
        unset: Unset::Delete,
        takes_effect: TakesEffect::AtOnce,
        privileges: OPTIONS,
    },
    Row {
        field: Field::Tags,
        key: "tags",
        parse: tags::parse,
        default: |_| Value::Tags(Set::new()),
        unset: Unset::Delete,
        takes_effect: TakesEffect::AtOnce,
        privileges: OPTIONS,
    },
    Row {
        field: Field::Cores,
        key: "cores",
        parse: scalar::number,
        // All cores of the node: no number says that.
        default: |_| Value::Absent,
        unset: Unset::Delete,
        takes_effect: TakesEffect::AtOnce,
        privileges: &[Privilege::OnGuest("VM.Config.CPU")],
    },
    Row {
        field: Field::MemoryMb,
        key: "memory",
        parse: scalar::number,
        default: |_| Value::Number(512),
        // Proxmox refuses to delete it.
        unset: Unset::Write("512"),
        takes_effect: TakesEffect::AtOnce,
        privileges: MEMORY,
    },
    Row {
        field: Field::SwapMb,
        key: "swap",
        parse: scalar::number,
        // The schema says 512; at run time an absent swap is none.
        default: |_| Value::Number(0),
        unset: Unset::Write("0"),
        takes_effect: TakesEffect::AtOnce,
        privileges: MEMORY,
    },
    Row {
        field: Field::OnBoot,
        key: "onboot",
        parse: scalar::flag,
        default: |_| Value::Flag(false),
        unset: Unset::Delete,
        takes_effect: TakesEffect::AtOnce,
        privileges: OPTIONS,
    },
    Row {
        field: Field::Startup,
        key: "startup",
        parse: startup::parse,
        default: |_| Value::Absent,
        unset: Unset::Delete,
        takes_effect: TakesEffect::AtOnce,
        privileges: OPTIONS,
    },
    Row {
        field: Field::Protection,
        key: "protection",
        parse: scalar::flag,
        default: |_| Value::Flag(false),
        unset: Unset::Delete,
        takes_effect: TakesEffect::AtOnce,
        privileges: OPTIONS,
    },
];
