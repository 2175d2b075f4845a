//! Every row of the two tables, in both directions: what Proxmox returns, and what is written for what is wanted.

use proptest::prelude::{BoxedStrategy, Strategy, any, prop, prop_assert, prop_assert_eq, proptest};
use proptest::strategy::{Just, Union};

use super::form::Form;
use super::map::Part;
use super::sort::fraction;
use super::tags::TagCase;
use super::{Context, Sort, TakesEffect, Written, field_of, row, rows};
use crate::gate;
use crate::model::desired::{Field, Startup, Value};
use crate::model::guest::{GuestId, GuestKind, Vmid};
use crate::model::sorted::Set;

fn context(kind: GuestKind) -> Context {
    Context { guest: GuestId::new(kind, Vmid::new(103).unwrap()), tag_case: TagCase::Lowered }
}

fn read(kind: GuestKind, field: Field, text: Option<&str>) -> Value {
    row(field, kind).unwrap().read(text, context(kind))
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

fn raw(text: &str) -> Value {
    Value::Raw(text.to_owned())
}

fn tags(tags: &[&str]) -> Value {
    Value::Tags(tags.iter().map(|tag| (*tag).to_owned()).collect())
}

fn startup(order: Option<u32>, up_s: Option<u32>, down_s: Option<u32>) -> Value {
    Value::Startup(Startup { order, up_s, down_s })
}

use GuestKind::{Lxc, Qemu};

#[test]
fn an_absent_key_is_what_proxmox_then_uses() {
    for (kind, field, value) in [
        (Lxc, Field::Name, text("CT103")),
        (Qemu, Field::Name, Value::Absent),
        (Lxc, Field::Description, Value::Absent),
        (Qemu, Field::Description, Value::Absent),
        (Lxc, Field::Tags, tags(&[])),
        (Qemu, Field::Tags, tags(&[])),
        // All cores of the node against one.
        (Lxc, Field::Cores, Value::Absent),
        (Qemu, Field::Cores, Value::Number(1)),
        (Lxc, Field::MemoryMb, Value::Number(512)),
        (Qemu, Field::MemoryMb, Value::Number(512)),
        // Not 512, whatever the schema says.
        (Lxc, Field::SwapMb, Value::Number(0)),
        (Lxc, Field::OnBoot, Value::Flag(false)),
        (Qemu, Field::OnBoot, Value::Flag(false)),
        (Lxc, Field::Startup, Value::Absent),
        (Qemu, Field::Startup, Value::Absent),
        (Lxc, Field::Protection, Value::Flag(false)),
        (Qemu, Field::Protection, Value::Flag(false)),
    ] {
        assert_eq!(read(kind, field, None), value, "{field} of {kind}");
    }
}

#[test]
fn what_proxmox_returns_is_read_as_what_it_means() {
    for (kind, field, returned, value) in [
        (Lxc, Field::Name, "Prov-Test", text("Prov-Test")),
        (Qemu, Field::Name, "Prov-VM", text("Prov-VM")),
        // A container's description ends in exactly one newline, a VM's has lost all whitespace at its end.
        (Lxc, Field::Description, "hello\n", text("hello")),
        (Lxc, Field::Description, "\nline1\n\nline4  \n", text("\nline1\n\nline4  ")),
        (Lxc, Field::Description, "a\r\nb\t%:#\n", text("a\r\nb\t%:#")),
        (Qemu, Field::Description, "\nhello", text("\nhello")),
        (Qemu, Field::Description, "  lead and trail", text("  lead and trail")),
        (Lxc, Field::Tags, "a;b;c", tags(&["a", "b", "c"])),
        (Lxc, Field::Tags, "b;A;b,c  d", tags(&["a", "b", "c", "d"])),
        (Lxc, Field::Tags, " ", tags(&[])),
        (Qemu, Field::Tags, "", tags(&[])),
        (Lxc, Field::Cores, "4", Value::Number(4)),
        (Qemu, Field::Cores, "8192", Value::Number(8_192)),
        (Lxc, Field::MemoryMb, "128", Value::Number(128)),
        (Qemu, Field::MemoryMb, "4096", Value::Number(4_096)),
        (Qemu, Field::MemoryMb, "current=96", Value::Number(96)),
        (Lxc, Field::SwapMb, "0", Value::Number(0)),
        (Lxc, Field::OnBoot, "1", Value::Flag(true)),
        (Lxc, Field::OnBoot, "0", Value::Flag(false)),
        (Qemu, Field::OnBoot, "yes", Value::Flag(true)),
        (Qemu, Field::Protection, "1", Value::Flag(true)),
        (Lxc, Field::Protection, "off", Value::Flag(false)),
        (Lxc, Field::Startup, "3", startup(Some(3), None, None)),
        (Lxc, Field::Startup, "up=10,order=1", startup(Some(1), Some(10), None)),
        (Qemu, Field::Startup, "order=1,up=30,down=60", startup(Some(1), Some(30), Some(60))),
        (Qemu, Field::Startup, "down=5, ,order=0", startup(Some(0), None, Some(5))),
    ] {
        assert_eq!(read(kind, field, Some(returned)), value, "{field} of {kind}: {returned:?}");
    }
}

#[test]
fn what_does_not_parse_is_kept_as_it_was_read_and_is_nothing_that_can_be_wanted() {
    for (kind, field, returned) in [
        (Lxc, Field::SwapMb, "abc"),
        (Lxc, Field::Cores, "2.5"),
        (Lxc, Field::Cores, "-1"),
        (Lxc, Field::Cores, "+1"),
        (Lxc, Field::MemoryMb, ""),
        (Lxc, Field::MemoryMb, "99999999999999999999"),
        (Lxc, Field::MemoryMb, "current=96"),
        (Qemu, Field::MemoryMb, "current=96,max=128"),
        (Qemu, Field::MemoryMb, "current=96,current=97"),
        (Qemu, Field::MemoryMb, "max=96"),
        (Qemu, Field::OnBoot, "maybe"),
        (Lxc, Field::Protection, "2"),
        (Lxc, Field::Startup, "0"),
        (Lxc, Field::Startup, ""),
        (Lxc, Field::Startup, ","),
        (Lxc, Field::Startup, "order=x"),
        (Qemu, Field::Startup, "order=1,sideways=2"),
        (Qemu, Field::Startup, "4294967296"),
    ] {
        assert_eq!(read(kind, field, Some(returned)), raw(returned), "{field} of {kind}");
        let row = row(field, kind).unwrap();
        assert_ne!(row.canonical(&Value::Absent, context(kind)), raw(returned));
    }
}

#[test]
fn what_is_wanted_is_written_in_proxmox_s_form() {
    let set = |text: &str| Written::Set(text.to_owned());
    for (kind, field, wanted, written) in [
        (Lxc, Field::Name, text("web"), set("web")),
        (Lxc, Field::Description, text("two\nlines\n\n"), set("two\nlines")),
        (Qemu, Field::Description, text("a  \n "), set("a")),
        (Lxc, Field::Description, text("a  "), set("a  ")),
        (Lxc, Field::Description, text("\n"), Written::Delete),
        (Lxc, Field::Tags, tags(&["b", "A", "a"]), set("a;b")),
        // An empty text would be read back as one blank.
        (Lxc, Field::Tags, tags(&[]), Written::Delete),
        (Lxc, Field::Cores, Value::Number(2), set("2")),
        (Qemu, Field::MemoryMb, Value::Number(2_048), set("2048")),
        (Lxc, Field::OnBoot, Value::Flag(true), set("1")),
        (Lxc, Field::OnBoot, Value::Flag(false), set("0")),
        (Lxc, Field::Startup, startup(Some(1), Some(30), Some(60)), set("order=1,up=30,down=60")),
        (Lxc, Field::Startup, startup(None, None, Some(60)), set("down=60")),
    ] {
        let row = row(field, kind).unwrap();
        assert_eq!(row.write(row.field, &wanted, None, context(kind)), written, "{field} of {kind}");
    }
}

#[test]
fn absent_deletes_the_key_where_proxmox_lets_it() {
    for kind in GuestKind::ALL {
        for row in rows(kind) {
            let expected = match (kind, row.field) {
                // `unable to delete required option 'memory'`
                (Lxc, Field::MemoryMb) => Written::Set("512".to_owned()),
                (Lxc, Field::SwapMb) => Written::Set("0".to_owned()),
                _ => Written::Delete,
            };
            assert_eq!(
                row.write(row.field, &Value::Absent, None, context(kind)),
                expected,
                "{} of {kind}",
                row.field
            );
        }
    }
}

#[test]
fn capitals_in_tags_count_only_where_the_datacenter_says_so() {
    let kept = Context { tag_case: TagCase::Kept, ..context(Lxc) };
    let row = row(Field::Tags, Lxc).unwrap();
    assert_eq!(row.read(Some("A;a"), kept), tags(&["A", "a"]));
    assert_eq!(row.read(Some("A;a"), context(Lxc)), tags(&["a"]));
    assert_eq!(row.write(row.field, &tags(&["B", "a"]), None, kept), Written::Set("B;a".to_owned()));
}

#[test]
fn every_field_has_one_row_a_kind_and_a_vm_has_no_swap() {
    for kind in GuestKind::ALL {
        let fields: Set<Field> = rows(kind).iter().map(|row| row.field).collect();
        let keys: Set<&str> = rows(kind).iter().map(|row| row.key(row.field)).collect();
        assert_eq!((fields.len(), keys.len()), (rows(kind).len(), rows(kind).len()));
        for row in rows(kind) {
            assert_eq!(field_of(row.key(row.field), kind), Some(row.field));
        }
    }
    let somewhere = |field: &Field| row(*field, Lxc).or_else(|| row(*field, Qemu)).is_some();
    assert!(Field::ALL.iter().all(somewhere));
    assert!(row(Field::SwapMb, Qemu).is_none() && row(Field::Bios, Lxc).is_none());
    assert_eq!((field_of("net31", Qemu), field_of("net32", Qemu)), (Some(Field::Net(31)), None));
    assert_eq!((field_of("net", Qemu), field_of("ipconfig0", Lxc)), (None, None));
}

#[test]
fn the_gate_lets_every_key_through_that_is_written() {
    for kind in GuestKind::ALL {
        for row in rows(kind) {
            let key = row.key(row.field);
            let written = row.takes_effect != TakesEffect::Never;
            assert_eq!(gate::is_reversible_key(kind, key), written, "{key} of {kind}");
        }
    }
}

/// Texts of every form; each form takes its own.
const SAMPLES: &[&str] = &[
    "web",
    "a-b.c",
    "vmbr0",
    "dhcp",
    "auto",
    "manual",
    "10.0.0.2/24",
    "192.168.1.0/0",
    "10.0.0.1",
    "1.1.1.1",
    "fd00::1",
    "FD00:0:0::2",
    "fd00::2/64",
    "fe80::1%eth0",
    "bc:24:11:00:00:01",
    "BC:24:11:0A:0b:02",
    "30",
    "4094",
    "+aes",
    "-pcid",
    "scsi0",
    "net0",
    "ide2",
    "nfs",
    "cifs",
    "disk",
    "network",
    "usb",
    "Europe/Budapest",
    "pc",
    "q35",
    "virt",
    "pc-q35-9.0",
    "pc-i440fx-8.1+pve0",
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFl7 me@home; \u{e4}=%",
    "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABgQ you",
    "/sbin/init --x",
];

fn one_of(form: &'static Form) -> BoxedStrategy<String> {
    let taken: Vec<String> = SAMPLES.iter().filter_map(|sample| (form.take)(sample)).collect();
    prop::sample::select(taken).boxed()
}

/// Any value the manifest lets through for this sort.
fn of_sort(sort: &'static Sort) -> BoxedStrategy<Value> {
    let number = |from: u64, to: u64| (from..=to).prop_map(Value::Number).boxed();
    match sort {
        Sort::Text(form) | Sort::Machine(form) => one_of(form).prop_map(Value::Text).boxed(),
        Sort::OneOf(names) => prop::sample::select(*names).prop_map(text).boxed(),
        Sort::Description => description().prop_map(Value::Text).boxed(),
        Sort::Number(from, to) | Sort::Memory(from, to) => number(*from, *to),
        Sort::Units(to) => number(1, *to),
        Sort::Decimal(to) => (0..*to, 0..100_u64)
            .prop_map(|(whole, part)| fraction(&format!("{whole}.{part:02}")).unwrap())
            .boxed(),
        Sort::Flag => any::<bool>().prop_map(Value::Flag).boxed(),
        Sort::Tags => prop::collection::btree_set("[a-zA-Z0-9_][a-zA-Z0-9_+.-]{0,3}", 0..4)
            .prop_map(|tags| Value::Tags(tags.into_iter().collect()))
            .boxed(),
        Sort::Startup => any::<(Option<u32>, Option<u32>, Option<u32>)>()
            .prop_filter("one part at least", |parts| *parts != (None, None, None))
            .prop_map(|(order, up_s, down_s)| startup(order, up_s, down_s))
            .boxed(),
        Sort::List(series) => prop::collection::vec(one_of(series.item), 1..4)
            .prop_map(|items| Value::List(series.in_order(items)))
            .boxed(),
        Sort::Map(map) => {
            let part = |part: &'static Part| {
                let absent = if part.removable { Just(Value::Absent).boxed() } else { of_sort(&part.sort) };
                let value = Union::new([of_sort(&part.sort), of_sort(&part.sort), absent]);
                prop::option::of(value.prop_map(move |value| (part.name, value))).boxed()
            };
            let parts: Vec<_> = map.parts.iter().map(part).collect();
            parts
                .prop_map(|parts| parts.into_iter().flatten().collect::<Vec<_>>())
                .prop_filter("one part at least", |parts| !parts.is_empty())
                .prop_map(Value::Map)
                .boxed()
        }
    }
}

/// Any value the manifest lets through for this field.
pub(crate) fn wanted(row: &'static super::Row) -> Union<BoxedStrategy<Value>> {
    let value = of_sort(&row.sort);
    Union::new([value.clone(), value.clone(), value, Just(Value::Absent).boxed()])
}

fn description() -> impl Strategy<Value = String> {
    let plain = "[a-z0 \n\t\r:%#;ä✓]{0,12}";
    plain.prop_filter("lost by Proxmox", |text| !super::description::is_lost(text))
}

pub(crate) fn any_row() -> impl Strategy<Value = (GuestKind, &'static super::Row)> {
    let kinds = GuestKind::ALL.map(|kind| rows(kind).iter().map(move |row| (kind, row)));
    prop::sample::select(kinds.into_iter().flatten().collect::<Vec<_>>())
}

fn row_and_value() -> impl Strategy<Value = (GuestKind, &'static super::Row, Value)> {
    any_row().prop_flat_map(|(kind, row)| (Just(kind), Just(row), wanted(row)))
}

proptest! {
    #[test]
    fn what_is_written_is_read_back_as_what_was_wanted((kind, row, wanted) in row_and_value()) {
        let context = context(kind);
        let written = match row.write(row.field, &wanted, None, context) {
            Written::Set(text) => Some(text),
            Written::Delete => None,
        };
        let (wanted, read) = (row.canonical(&wanted, context), row.read(written.as_deref(), context));
        prop_assert!(!row.differs(&wanted, &read, context), "{:?} against {:?}", wanted, read);
    }

    #[test]
    fn the_normal_form_is_its_own_normal_form((kind, row, wanted) in row_and_value()) {
        let once = row.canonical(&wanted, context(kind));
        prop_assert_eq!(row.canonical(&once, context(kind)), once);
    }

    #[test]
    fn no_write_but_a_description_has_a_line_feed((kind, row, wanted) in row_and_value()) {
        if let Written::Set(text) = row.write(row.field, &wanted, None, context(kind)) {
            prop_assert!(row.field == Field::Description || !text.contains(['\n', '\r']));
            prop_assert!(!text.is_empty());
        }
    }

    #[test]
    fn no_answer_of_proxmox_brings_the_reader_down((kind, row) in any_row(), returned in ".*") {
        row.read(Some(&returned), context(kind));
    }
}
