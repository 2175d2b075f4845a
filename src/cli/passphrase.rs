//! Where a passphrase comes from: a terminal that does not show it, a file or pipe that nobody else can read, or standard
//! input. Never an argument and never the environment, which others can see.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::path::PathBuf;

use rustix::termios::{self, LocalModes, OptionalActions, SpecialCodeIndex, Termios};
use zeroize::Zeroizing;

use super::exit::Exit;
use super::{Failure, private_file};
use crate::secret::Secret;

/// In bytes.
const MAX: usize = 1024;
/// In bytes, for a new key; an old one may have what it has.
const MIN: usize = 8;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Source {
    /// The terminal, whatever standard input is.
    #[default]
    Prompt,
    File(PathBuf),
    StandardInput,
}

impl Source {
    /// What `--passphrase-file FILE` means; `-` is standard input.
    pub(super) fn of_option(value: std::ffi::OsString) -> Self {
        if value == "-" { Self::StandardInput } else { Self::File(PathBuf::from(value)) }
    }

    /// The passphrase of a key that exists.
    pub(super) fn read(&self, prompt: &str) -> Result<Secret, Failure> {
        match self {
            Self::Prompt => asked(prompt),
            Self::File(path) => {
                let bytes = private_file::read("the passphrase file", path, MAX)?;
                checked(bytes, &format!("the passphrase file {}", path.display()))
            }
            Self::StandardInput => {
                let what = "the passphrase on standard input";
                let failed =
                    |found: String| Failure::text(Exit::InputOutput, format!("cannot read {what}: {found}"));
                let bytes = private_file::bounded(io::stdin().lock(), MAX);
                let bytes = bytes.map_err(|error| failed(error.to_string()))?;
                checked(bytes.ok_or_else(|| failed(format!("it is longer than {MAX} bytes")))?, what)
            }
        }
    }

    /// A passphrase for a new key: at a terminal it is asked for twice.
    pub(super) fn choose(&self) -> Result<Secret, Failure> {
        let chosen = self.read("Passphrase for the new key: ")?;
        if chosen.expose().len() < MIN {
            return Err(Failure::text(
                Exit::Failed,
                format!("the passphrase is too short; {MIN} bytes are the least"),
            ));
        }
        if *self == Self::Prompt && asked("The same again: ")? != chosen {
            return Err(Failure::text(Exit::Failed, "the two passphrases differ; nothing was made"));
        }
        Ok(chosen)
    }
}

/// One line without its end.
fn checked(mut bytes: Zeroizing<Vec<u8>>, what: &str) -> Result<Secret, Failure> {
    for end in [b'\n', b'\r'] {
        if bytes.last() == Some(&end) {
            bytes.pop();
        }
    }
    let failed =
        |found: &str| Failure::text(Exit::Failed, format!("{what} {found}; expected the passphrase alone"));
    if bytes.is_empty() {
        return Err(failed("is empty"));
    }
    if bytes.iter().any(u8::is_ascii_control) {
        return Err(failed("holds further lines or control characters"));
    }
    match std::str::from_utf8(&bytes) {
        Ok(text) => Ok(Secret::new(text.to_owned())),
        Err(_bytes) => Err(failed("is not UTF-8")),
    }
}

fn asked(prompt: &str) -> Result<Secret, Failure> {
    let terminal = OpenOptions::new().read(true).write(true).open("/dev/tty").map_err(|_none| {
        let what = "there is no terminal to ask for the passphrase; give --passphrase-file FILE (mode 0600), or \
                    --passphrase-file - for standard input";
        Failure::text(Exit::Failed, what)
    })?;
    let typed = typed_at(&terminal, prompt).map_err(|error| {
        Failure::text(Exit::InputOutput, format!("cannot read the passphrase at the terminal: {error}"))
    })?;
    checked(typed, "the passphrase")
}

/// Puts the terminal back as it was.
struct Restored<'a> {
    terminal: &'a File,
    before: Termios,
}

impl Drop for Restored<'_> {
    fn drop(&mut self) {
        // Nobody is left to be told.
        termios::tcsetattr(self.terminal, OptionalActions::Flush, &self.before).ok();
    }
}

/// What was typed up to the end of the line, not shown. The keys that would end this process while the terminal is silent
/// are read as letters, so that it is always put back.
fn typed_at(terminal: &File, prompt: &str) -> io::Result<Zeroizing<Vec<u8>>> {
    let before = termios::tcgetattr(terminal.as_fd())?;
    let mut silent = before.clone();
    silent.local_modes.remove(LocalModes::ECHO | LocalModes::ECHONL | LocalModes::ICANON | LocalModes::ISIG);
    silent.special_codes[SpecialCodeIndex::VMIN] = 1;
    silent.special_codes[SpecialCodeIndex::VTIME] = 0;
    let restored = Restored { terminal, before };
    termios::tcsetattr(terminal, OptionalActions::Flush, &silent)?;
    let mut screen = terminal;
    screen.write_all(prompt.as_bytes())?;
    let line = letters(terminal);
    drop(restored);
    screen.write_all(b"\n")?;
    line
}

fn letters(mut terminal: &File) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut line = Zeroizing::new(Vec::with_capacity(MAX));
    loop {
        let mut letter = Zeroizing::new([0_u8; 1]);
        let [byte] = match terminal.read(&mut *letter) {
            Ok(0) => return Err(io::Error::from(io::ErrorKind::UnexpectedEof)),
            Ok(_) => *letter,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        match byte {
            b'\r' | b'\n' => return Ok(line),
            // Ctrl-C, Ctrl-D, Ctrl-\ and Ctrl-Z.
            0x03 | 0x04 | 0x1c | 0x1a => return Err(io::Error::other("given up")),
            // Backspace takes a whole letter; Ctrl-U takes all.
            0x08 | 0x7f => while line.pop().is_some_and(|byte| byte & 0xc0 == 0x80) {},
            0x15 => line.clear(),
            _ if line.len() == MAX => {
                return Err(io::Error::other(format!("it is longer than {MAX} bytes")));
            }
            _ => line.push(byte),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{File, OpenOptions};
    use std::io::{Read, Write};
    use std::os::unix::ffi::OsStrExt;
    use std::thread;

    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    use rustix::termios::{self, LocalModes};
    use zeroize::Zeroizing;

    use super::{checked, typed_at};

    fn terminal() -> (File, File) {
        let screen = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&screen).unwrap();
        unlockpt(&screen).unwrap();
        let name = ptsname(&screen, Vec::new()).unwrap();
        let name = std::ffi::OsStr::from_bytes(name.to_bytes());
        let terminal = OpenOptions::new().read(true).write(true).open(name).unwrap();
        (File::from(screen), terminal)
    }

    /// What the program got, and what stood on the screen.
    fn typed(keys: &[u8]) -> (Result<Vec<u8>, String>, String) {
        let (mut screen, terminal) = terminal();
        let mut shown = Vec::new();
        #[expect(clippy::disallowed_methods, reason = "a test's own thread, joined below")]
        let asking = thread::spawn(move || {
            let typed = typed_at(&terminal, "Passphrase: ");
            let echoes = termios::tcgetattr(&terminal).unwrap().local_modes.contains(LocalModes::ECHO);
            assert!(echoes, "the terminal is put back");
            typed.map(|line| line.to_vec()).map_err(|error| error.to_string())
        });
        // Only once the prompt stands is the terminal silent.
        let mut byte = [0];
        while !shown.ends_with(b"Passphrase: ") {
            screen.read_exact(&mut byte).unwrap();
            shown.push(byte[0]);
        }
        screen.write_all(keys).unwrap();
        while !shown.ends_with(b"\n") {
            screen.read_exact(&mut byte).unwrap();
            shown.push(byte[0]);
        }
        (asking.join().unwrap(), String::from_utf8(shown).unwrap())
    }

    #[test]
    fn what_is_typed_is_read_and_not_shown() {
        let deleted: &[u8] = "falsch\u{15}canar\u{e4}\u{7f}y\r".as_bytes();
        for keys in [b"canary\n".as_slice(), b"canary\r", deleted] {
            let (line, shown) = typed(keys);
            assert_eq!(line.unwrap(), b"canary");
            assert_eq!(shown, "Passphrase: \r\n");
        }
    }

    #[test]
    fn giving_up_puts_the_terminal_back() {
        for key in [b"can\x03", b"can\x04", b"can\x1a"] {
            let (line, shown) = typed(key);
            assert_eq!(line.unwrap_err(), "given up");
            assert_eq!(shown, "Passphrase: \r\n");
        }
    }

    #[test]
    fn a_passphrase_is_one_line_and_is_never_repeated() {
        let read = |text: &[u8]| checked(Zeroizing::new(text.to_vec()), "the passphrase file /x");
        for text in ["correct horse", "correct horse\n", "correct horse\r\n"] {
            assert_eq!(read(text.as_bytes()).unwrap().expose(), "correct horse");
        }
        for (text, part) in [
            (b"".as_slice(), "is empty"),
            (b"\n", "is empty"),
            (b"canary\ncanary\n", "further lines"),
            (b"canary\xff", "not UTF-8"),
        ] {
            let message = read(text).unwrap_err().message;
            assert!(message.contains(part) && message.contains("/x"), "{message}");
            assert!(!message.contains("canary"), "{message}");
        }
    }
}
