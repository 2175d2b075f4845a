//! Files that hold a secret: read only when nobody else could have read them.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use crate::secret::Secret;

/// A token or key is well below this.
const MAX_BYTES: u64 = 4096;

/// Reads a secret: from an absolute path, or by its bare name from systemd's credentials directory.
/// The error names the path and what to do, never what is inside.
pub(super) fn read(name: &str, credentials: Option<&Path>) -> Result<Secret, String> {
    let (path, is_credential) = locate(name, credentials)?;
    let shown = path.display();
    let seen = fs::symlink_metadata(&path).map_err(|error| format!("cannot read {shown}: {error}"))?;
    let kind = seen.file_type();
    if kind.is_symlink() {
        return Err(format!("{shown} is a symbolic link, which is refused; name the file itself"));
    }
    if !kind.is_file() {
        let what = if kind.is_dir() {
            "a directory"
        } else if kind.is_fifo() {
            "a pipe"
        } else {
            "no regular file"
        };
        return Err(format!("{shown} is {what}; expected a regular file of mode 0600"));
    }
    // systemd keeps its own directory from others and shows 0440 where it uses an access list.
    let forbidden = if is_credential { 0o007 } else { 0o077 };
    let mode = seen.mode() & 0o777;
    if mode & forbidden != 0 {
        return Err(format!(
            "{shown} has mode {mode:04o}, so that others can read it; run: chmod 0600 {shown}"
        ));
    }
    if let Some(me) = effective_user() {
        if me != 0 && seen.uid() != me && seen.uid() != 0 {
            return Err(format!(
                "{shown} belongs to user {}; expected user {me} (who runs this) or root",
                seen.uid()
            ));
        }
    }
    let file = File::open(&path).map_err(|error| format!("cannot read {shown}: {error}"))?;
    let opened = file.metadata().map_err(|error| format!("cannot read {shown}: {error}"))?;
    if (opened.dev(), opened.ino()) != (seen.dev(), seen.ino()) {
        return Err(format!("{shown} was replaced while it was read; try again"));
    }
    let mut text = String::new();
    file.take(MAX_BYTES + 1)
        .read_to_string(&mut text)
        .map_err(|error| format!("cannot read {shown}: {error}"))?;
    check(&text).map_err(|what| format!("{shown} {what}"))
}

fn locate(name: &str, credentials: Option<&Path>) -> Result<(PathBuf, bool), String> {
    if name.starts_with('/') {
        let path = PathBuf::from(name);
        let is_credential = credentials.is_some_and(|directory| path.parent() == Some(directory));
        return Ok((path, is_credential));
    }
    if name.contains('/') {
        return Err("is neither an absolute path nor the name of a systemd credential".to_owned());
    }
    match credentials {
        Some(directory) => Ok((directory.join(name), true)),
        // Not repeated: it may be the secret itself, put into the wrong setting.
        None => Err(
            "is no absolute path, and there are no systemd credentials here (CREDENTIALS_DIRECTORY is not \
                     set); give an absolute path, or LoadCredential= in the unit"
                .to_owned(),
        ),
    }
}

/// Whether the text can be a secret as we send them: one word of printable ASCII. One line end after it is dropped.
pub(super) fn check(text: &str) -> Result<Secret, String> {
    let text = text.strip_suffix('\n').unwrap_or(text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    if text.is_empty() {
        return Err("is empty; expected the secret alone".to_owned());
    }
    if u64::try_from(text.len()).unwrap_or(u64::MAX) > MAX_BYTES {
        return Err(format!("is longer than {MAX_BYTES} bytes; expected the secret alone"));
    }
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(
            "holds blanks, further lines or characters outside ASCII; expected the secret alone".to_owned()
        );
    }
    Ok(Secret::new(text.to_owned()))
}

/// Who we are, asked without a system call of our own.
fn effective_user() -> Option<u32> {
    fs::metadata("/proc/self").ok().map(|own| own.uid())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::path::Path;

    use super::read;

    fn file(directory: &Path, name: &str, text: &str, mode: u32) -> String {
        let path = directory.join(name);
        #[expect(clippy::disallowed_methods, reason = "a test's own file")]
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path.to_str().unwrap().to_owned()
    }

    #[test]
    fn a_secret_only_we_can_read_is_taken() {
        let directory = tempfile::tempdir().unwrap();
        for (text, mode) in [("canary", 0o600), ("canary\n", 0o400), ("canary\r\n", 0o600)] {
            let path = file(directory.path(), "key", text, 0o600);
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(read(&path, None).unwrap().expose(), "canary");
            fs::remove_file(&path).unwrap();
        }
    }

    #[test]
    fn a_secret_that_others_could_read_or_swap_is_refused_and_its_path_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let good = file(directory.path(), "good", "canary", 0o600);
        let link = directory.path().join("link");
        symlink(&good, &link).unwrap();
        let cases = [
            (file(directory.path(), "group", "canary", 0o640), "chmod 0600"),
            (file(directory.path(), "world", "canary", 0o604), "chmod 0600"),
            (file(directory.path(), "empty", "", 0o600), "empty"),
            (file(directory.path(), "two", "canary canary", 0o600), "blanks"),
            (file(directory.path(), "lines", "canary\ncanary\n", 0o600), "further lines"),
            (file(directory.path(), "long", &"canary".repeat(1000), 0o600), "longer"),
            (link.to_str().unwrap().to_owned(), "symbolic link"),
            (directory.path().to_str().unwrap().to_owned(), "directory"),
            (directory.path().join("missing").to_str().unwrap().to_owned(), "No such file"),
        ];
        for (path, part) in cases {
            let message = read(&path, None).unwrap_err();
            assert!(message.contains(part) && message.contains(&path), "{path}: {message}");
            assert!(!message.contains("canary"), "{message}");
        }
    }

    #[test]
    fn a_secret_in_the_place_of_its_path_is_not_repeated() {
        for (name, part) in [("canary", "CREDENTIALS_DIRECTORY"), ("canary/x", "neither")] {
            let message = read(name, None).unwrap_err();
            assert!(message.contains(part) && !message.contains("canary"), "{message}");
        }
    }

    #[test]
    fn a_systemd_credential_is_found_by_its_name_and_may_be_group_readable() {
        let directory = tempfile::tempdir().unwrap();
        file(directory.path(), "token", "canary", 0o440);
        assert_eq!(read("token", Some(directory.path())).unwrap().expose(), "canary");
    }
}
