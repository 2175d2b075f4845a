//! The fields of a VM. Cores never change while it runs, memory only with hotplug, which is not assumed.

use super::{Privilege, Row, TakesEffect, Unset, description, scalar, startup, tags};
use crate::model::desired::{Field, Value};
use crate::model::sorted::Set;

const OPTIONS: &[Privilege] = &[Privilege::OnGuest("VM.Config.Options")];

pub(super) const ROWS: [Row; 8] = [
    Row {
        field: Field::Name,
        key: "name",
        parse: scalar::text,
        default: |_| Value::Absent,
        unset: Unset::Delete,
        takes_effect: TakesEffect::AtOnce,
        privileges: OPTIONS,
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
        default: |_| Value::Number(1),
        unset: Unset::Delete,
        takes_effect: TakesEffect::AtNextStart,
        privileges: &[Privilege::OnGuest("VM.Config.CPU")],
    },
    Row {
        field: Field::MemoryMb,
        key: "memory",
        parse: scalar::vm_memory,
        default: |_| Value::Number(512),
        unset: Unset::Delete,
        takes_effect: TakesEffect::AtNextStart,
        privileges: &[Privilege::OnGuest("VM.Config.Memory")],
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
        privileges: &[Privilege::OnGuest("VM.Config.Options"), Privilege::OnRoot("Sys.Modify")],
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
