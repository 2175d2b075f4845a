//! The texts as another program would build them.

use expect_test::expect;

use super::super::tests::{container, guest};
use super::{ident, ident_text, state_sha256, state_text};
use crate::model::guest::GuestKind;
use crate::model::image::ImageVolume;
use crate::model::observed::{HaState, PendingChange};

#[test]
fn a_container_in_normal_form() {
    let mut image = container();
    image.config.pending.insert("cores".to_owned(), PendingChange::Set("2".to_owned()));
    image.config.pending.insert("swap".to_owned(), PendingChange::Delete);
    image.ha = HaState::Managed(Some("ignored".to_owned()));
    expect![[r#"
        felhom-ident-v1
        guest lxc/105
        marker a1
        root store:105/vm-105-disk-0.raw
        made -
        task UPID:old
    "#]]
    .assert_eq(&ident_text(&image));
    expect![[r#"
        felhom-state-v1
        guest lxc/105
        config description line\nfelhom-incarnation: a1\n
        config hostname db
        config mp0 store:105/vm-105-disk-1.raw,mp=/data,backup=1,size=1G
        config rootfs store:105/vm-105-disk-0.raw,size=1G
        config unused0 store:105/vm-105-disk-2.raw
        pending cores set 2
        pending swap delete -
        snapshot before parent - taken 1760000000
        volume mp0 store:105/vm-105-disk-1.raw size 1073741824
        volume rootfs store:105/vm-105-disk-0.raw size 1073741824
        volume unused0 store:105/vm-105-disk-2.raw size 1073741824
        protection 0
        template 0
        ha ignored
    "#]]
    .assert_eq(&state_text(&image));
}

#[test]
fn a_vm_in_normal_form() {
    let mut image = container();
    image.guest = guest(GuestKind::Qemu, 200);
    image.config.current = [
        ("smbios1", "manufacturer=x,uuid=01234567-89ab-cdef-0123-456789abcdef"),
        ("vmgenid", "76543210-89ab-cdef-0123-456789abcdef"),
        ("meta", "creation-qemu=10.0.2,ctime=1750000000"),
    ]
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .into();
    expect![[r#"
        felhom-ident-v1
        guest qemu/200
        uuid 01234567-89ab-cdef-0123-456789abcdef
        vmgenid 76543210-89ab-cdef-0123-456789abcdef
        made 1750000000
        task UPID:old
    "#]]
    .assert_eq(&ident_text(&image));
}

/// A value cannot pass for a line of its own.
#[test]
fn no_value_can_forge_a_line() {
    let mut image = container();
    image.config.current.insert("description".to_owned(), "x\nprotection 1".to_owned());
    let text = state_text(&image);
    assert_eq!(text.lines().filter(|line| line.starts_with("protection")).count(), 1, "{text}");
    let mut other = container();
    other.config.current.insert("description".to_owned(), "x\\nprotection 1".to_owned());
    assert_ne!(state_sha256(&image), state_sha256(&other));
}

#[test]
fn the_order_in_which_things_were_read_does_not_matter() {
    let image = container();
    let mut turned = image.clone();
    turned.volumes.reverse();
    assert_eq!((ident(&image), state_sha256(&image)), (ident(&turned), state_sha256(&turned)));
    assert_eq!((ident(&image).len(), state_sha256(&image).len()), (32, 64));
    // A volume more is another state of the same guest.
    turned.volumes.push(ImageVolume { key: "mp1".to_owned(), ..turned.volumes[0].clone() });
    assert_eq!(ident(&image), ident(&turned));
    assert_ne!(state_sha256(&image), state_sha256(&turned));
}
