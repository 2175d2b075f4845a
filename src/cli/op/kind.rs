//! The names of kinds of operations as they are typed: `guest.destroy`, `guest-destroy` or `destroy`.

use std::ffi::OsStr;

use crate::model::op::OpKind;

use super::super::line::Stop;
use super::super::page::{Page, repeated};

/// `destroy`, `restore-over`, `snapshot-delete`, `config`, …
pub(super) fn short(kind: OpKind) -> String {
    match kind {
        OpKind::ConfigDestructive => "config".to_owned(),
        OpKind::GuestDestroy
        | OpKind::GuestRollback
        | OpKind::GuestRestoreOver
        | OpKind::GuestStopHard
        | OpKind::GuestUnlock
        | OpKind::SnapshotDelete
        | OpKind::BackupDelete
        | OpKind::VolumeDelete
        | OpKind::VolumeDetach
        | OpKind::ResourceDelete
        | OpKind::JobShell
        | OpKind::LimitRelease
        | OpKind::FloorRaise
        | OpKind::TrustUpdate => {
            let name = kind.as_str();
            dashed(name.strip_prefix("guest.").unwrap_or(name))
        }
    }
}

fn dashed(name: &str) -> String {
    name.replace(['.', '_'], "-")
}

pub(super) fn parse(page: &Page, word: &OsStr) -> Result<OpKind, Stop> {
    let typed = word.to_string_lossy();
    let is =
        |kind: &OpKind| typed == kind.as_str() || typed == short(*kind) || typed == dashed(kind.as_str());
    OpKind::ALL.into_iter().find(is).ok_or_else(|| {
        let all = OpKind::ALL.map(short).join(", ");
        page.usage(&format!("{} is no kind of operation\nthere are {all}", repeated(&typed)))
    })
}

#[cfg(test)]
mod tests {
    use super::{OpKind, parse, short};
    use crate::cli::op::draft::PAGE;

    #[test]
    fn a_kind_is_known_by_its_full_name_and_by_its_short_one() {
        for kind in OpKind::ALL {
            for name in [kind.as_str().to_owned(), short(kind), kind.as_str().replace(['.', '_'], "-")] {
                assert_eq!(parse(&PAGE, name.as_ref()).unwrap(), kind);
            }
            assert!(PAGE.text.contains(&short(kind)), "the help of op draft names {kind}");
        }
        assert_eq!(short(OpKind::GuestRestoreOver), "restore-over");
        parse(&PAGE, "destroy-all".as_ref()).unwrap_err();
    }
}
