//! `"provision":{"from":"template","source":"local:vztmpl/….tar.zst","storage":"local-zfs"}` of a guest's spec.

use super::proof::is_name;
use crate::model::desired::Provision;
use crate::model::guest::{GuestId, GuestKind};
use crate::model::step::Origin;
use crate::strict_json::object::{Fault, Object};

pub(super) fn read(spec: &mut Object<'_>, guest: GuestId) -> Result<Option<Provision>, Fault> {
    let Some(at) = spec.optional("provision") else { return Ok(None) };
    let mut members = Object::read(at.value, &at.path)?;
    let (from, source) = (members.required("from")?, members.required("source")?);
    let (origin, is_source, allowed): (_, fn(&str) -> bool, _) = match (from.text()?, guest.kind) {
        ("template", GuestKind::Lxc) => (Origin::Template, is_template, "STORAGE:vztmpl/FILE"),
        ("backup", _) => (Origin::Backup, is_backup, "STORAGE:backup/FILE"),
        ("clone", _) => (Origin::Clone, is_vmid, "the vmid of another guest, as a text"),
        (_, GuestKind::Lxc) => return Err(from.refused("\"template\", \"backup\" or \"clone\"")),
        (_, GuestKind::Qemu) => {
            return Err(from.refused("\"backup\" or \"clone\" (of a template VM, whose vmid is the source)"));
        }
    };
    let text = source.text()?;
    if !is_source(text) || text == guest.vmid.to_string() {
        return Err(source.refused(allowed));
    }
    // A clone may lie where what is cloned lies.
    let storage = match origin {
        Origin::Clone => members.optional("storage"),
        Origin::Template | Origin::Backup => Some(members.required("storage")?),
    };
    members.nothing_else()?;
    let storage = storage.map(|storage| match storage.text()? {
        name if is_name(name) => Ok(name.to_owned()),
        _ => Err(storage.refused("the name of a storage")),
    });
    Ok(Some(Provision { from: origin, source: text.to_owned(), storage: storage.transpose()? }))
}

pub(super) fn is_template(text: &str) -> bool {
    is_volume(text, "vztmpl")
}

pub(super) fn is_backup(text: &str) -> bool {
    is_volume(text, "backup")
}

fn is_volume(text: &str, content: &str) -> bool {
    let parts = text.split_once(':').and_then(|(storage, name)| Some((storage, name.split_once('/')?)));
    parts.is_some_and(|(storage, (folder, file))| {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.+:/".contains(&byte);
        is_name(storage) && folder == content && !file.is_empty() && file.bytes().all(allowed)
    })
}

pub(super) fn is_vmid(text: &str) -> bool {
    (3..=9).contains(&text.len()) && !text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit())
}
