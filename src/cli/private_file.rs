//! Private keys and passphrases: read only from what nobody else can read, and wiped afterwards.
//!
//! A link is followed and a pipe is taken, so that `--key <(age -d key.age)` works: it is what was opened that is looked at, so
//! that there is nothing to swap in between.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use rustix::process::geteuid;
use zeroize::Zeroizing;

use super::Failure;
use super::exit::Exit;

/// Reads all of it, up to `max_bytes`. `what` is for the message: `the private key`. The message never has what is inside.
pub(super) fn read(what: &str, path: &Path, max_bytes: usize) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let shown = path.display();
    let failed = |error: std::io::Error| {
        let exit = if error.kind() == std::io::ErrorKind::PermissionDenied {
            Exit::Permission
        } else {
            Exit::InputOutput
        };
        Failure::text(exit, format!("cannot read {what} {shown}: {error}"))
    };
    let file = File::open(path).map_err(failed)?;
    let opened = file.metadata().map_err(failed)?;
    let kind = opened.file_type();
    if !kind.is_file() && !kind.is_fifo() {
        let found = if kind.is_dir() { "a directory" } else { "neither a file nor a pipe" };
        return Err(Failure::text(Exit::InputOutput, format!("cannot read {what} {shown}: it is {found}")));
    }
    let mode = opened.mode() & 0o777;
    if mode & 0o077 != 0 {
        let what = format!("{what} {shown} has mode {mode:04o}, so that others can read it");
        return Err(Failure::text(Exit::Permission, format!("{what}; run: chmod 0600 {shown}")));
    }
    let me = geteuid().as_raw();
    if me != 0 && opened.uid() != me && opened.uid() != 0 {
        let found = format!("{what} {shown} belongs to user {}", opened.uid());
        return Err(Failure::text(
            Exit::Permission,
            format!("{found}; expected user {me} (who runs this) or root"),
        ));
    }
    bounded(file, max_bytes).map_err(failed)?.ok_or_else(|| {
        let limit = format!("cannot read {what} {shown}: it is longer than {max_bytes} bytes");
        Failure::text(Exit::InputOutput, limit)
    })
}

/// All of it, or `None` when there is more than `max_bytes`. The memory is taken at once, so that no copy stays behind
/// when it grows.
pub(super) fn bounded(mut from: impl Read, max_bytes: usize) -> std::io::Result<Option<Zeroizing<Vec<u8>>>> {
    let mut bytes = Zeroizing::new(vec![0_u8; max_bytes + 1]);
    let mut length = 0;
    while let Some(rest) = bytes.get_mut(length..).filter(|rest| !rest.is_empty()) {
        match from.read(rest) {
            Ok(0) => break,
            Ok(count) => length += count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(length);
    Ok((length <= max_bytes).then_some(bytes))
}
