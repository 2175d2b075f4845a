//! The one place that prints. A reader that went away (`felhom-agent plan | head`) ends the printing, not the program.

use std::io::{self, ErrorKind, Write};

use super::exit::Exit;
use super::indent::indent;
use super::logging;

/// Where a command's answer goes, and its complaints.
#[derive(Debug, Default)]
pub(super) struct Output {
    /// Standard output could not take what was written, and not because its reader had enough.
    failed: bool,
    closed: bool,
    /// Nobody reads standard error.
    deaf: bool,
}

impl Output {
    /// Prints a text that ends in a line feed, or adds one.
    pub(super) fn text(&mut self, text: &str) {
        self.piece(text);
        if !text.is_empty() && !text.ends_with('\n') {
            self.piece("\n");
        }
    }

    /// Prints this and nothing more: the line may go on.
    pub(super) fn piece(&mut self, text: &str) {
        if self.closed || self.failed || text.is_empty() {
            return;
        }
        let mut stdout = io::stdout().lock();
        let mut write = || {
            stdout.write_all(text.as_bytes())?;
            stdout.flush()
        };
        match write() {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::BrokenPipe => self.closed = true,
            Err(_lost) => self.failed = true,
        }
    }

    /// Nobody reads any more, or nothing can be written.
    pub(super) fn is_over(&self) -> bool {
        self.closed || self.failed
    }

    /// Prints a document as JSON, one for reading by people and programs alike.
    pub(super) fn json<T: serde::Serialize>(&mut self, document: &T) {
        match serde_json::to_string(document) {
            Ok(compact) => self.text(&indent(&compact)),
            Err(error) => self.complain(&format!("cannot write this as JSON: {error}")),
        }
    }

    /// Whether nobody takes what is printed, so that a command that would go on need not.
    pub(super) fn is_gone(&self) -> bool {
        self.closed || self.failed
    }

    /// Says on standard error what went wrong; as an error to journald, if that is who reads. That this too may be closed
    /// cannot be said anywhere.
    pub(super) fn complain(&mut self, text: &str) {
        if self.deaf {
            return;
        }
        let mut text = format!("felhom-agent: {}", text.trim_end());
        if logging::stderr_is_the_journal() {
            text = text.split('\n').map(|line| format!("<3>{line}")).collect::<Vec<_>>().join("\n");
        }
        text.push('\n');
        if io::stderr().lock().write_all(text.as_bytes()).is_err() {
            self.deaf = true;
        }
    }

    /// Says on standard error how it goes on. Whether somebody hears it is no matter.
    pub(super) fn aside(&mut self, text: &str) {
        if !text.is_empty() && !self.deaf && io::stderr().lock().write_all(text.as_bytes()).is_err() {
            self.deaf = true;
        }
    }

    /// The exit code, unless the answer could not be delivered.
    pub(super) fn finish(self, exit: Exit) -> Exit {
        if self.failed && exit == Exit::InOrder { Exit::InputOutput } else { exit }
    }
}
