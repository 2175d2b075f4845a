//! Whether what a storage lists as a backup is one: of this guest, of this incarnation of it, of a sane size, and with every
//! volume in it that the guest's own configuration does not leave out. Pure.

use crate::consent;
use crate::model::image::{GuestImage, SeenBackup};

/// Nothing that a guest could be restored from is smaller, in bytes.
const LEAST: u64 = 1024;

/// A backup that shrank to less than the so manieth part of the one before it is not believed.
const SHRANK: u64 = 20;

/// `Err`: a stable code, and what is wrong with it.
pub(super) fn judge(
    seen: &SeenBackup,
    image: &GuestImage,
    excluded: &[String],
    before: Option<u64>,
) -> Result<(), (&'static str, String)> {
    let volid = &seen.volid;
    if seen.guest != Some(image.guest) {
        return Err(("backup_missing", format!("{volid} is not a backup of {}", image.guest)));
    }
    if consent::is_of_another(seen, image) {
        let what = format!("{volid} is from before {} was made, restored or moved here", image.guest);
        return Err(("backup_of_another", what));
    }
    if seen.broken {
        return Err(("backup_broken", format!("the backup server found {volid} broken")));
    }
    let size = seen.size.unwrap_or(0);
    if size < LEAST || before.is_some_and(|before| size < before / SHRANK) {
        let before = before.map(|before| format!(", the one before has {before}")).unwrap_or_default();
        return Err(("backup_small", format!("{volid} has {size} bytes{before}")));
    }
    let data = image.volumes.iter().filter(|volume| volume.bears_data());
    let left: Vec<&str> = data
        .map(|volume| volume.key.as_str())
        .filter(|key| !seen.covers.contains(*key) && !excluded.iter().any(|left_out| left_out == key))
        .collect();
    if !left.is_empty() {
        return Err(("backup_incomplete", format!("{volid} does not hold {}", left.join(", "))));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::judge;
    use crate::consent::tests::{container, seen_backup};
    use crate::model::guest::{GuestId, GuestKind, Vmid};
    use crate::model::image::SeenBackup;

    #[test]
    fn only_a_backup_that_could_be_restored_from_is_one() {
        let usual = seen_backup();
        let none = || Vec::new();
        let other = Some(GuestId::new(GuestKind::Lxc, Vmid::new(106).unwrap()));
        let without = |key: &str| {
            let mut covers = usual.covers.clone();
            covers.remove(key);
            SeenBackup { covers, ..usual.clone() }
        };
        for (what, seen, excluded, before, expected) in [
            ("as it should be", usual.clone(), none(), None, ""),
            (
                "of another guest",
                SeenBackup { guest: other, ..usual.clone() },
                none(),
                None,
                "backup_missing",
            ),
            (
                "of an older guest",
                SeenBackup { ctime: Some(1_749_999_999), ..usual.clone() },
                none(),
                None,
                "backup_of_another",
            ),
            ("found broken", SeenBackup { broken: true, ..usual.clone() }, none(), None, "backup_broken"),
            ("empty", SeenBackup { size: Some(0), ..usual.clone() }, none(), None, "backup_small"),
            ("of no size", SeenBackup { size: None, ..usual.clone() }, none(), None, "backup_small"),
            ("shrunk", usual.clone(), none(), Some(4_096 * 21), "backup_small"),
            ("a little smaller", usual.clone(), none(), Some(4_096 * 19), ""),
            ("without a mount", without("mp0"), none(), None, "backup_incomplete"),
            ("without a mount that is left out", without("mp0"), vec!["mp0".to_owned()], None, ""),
        ] {
            let code = judge(&seen, &container(), &excluded, before).err().map_or("", |(code, _)| code);
            assert_eq!(code, expected, "{what}");
        }
    }
}
