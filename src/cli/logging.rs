//! Log lines on standard error: with levels that journald understands when it is journald that reads, plain otherwise.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;

use env_logger::Target;
use log::{Level, LevelFilter, Record};

use super::log_queue::{self, Flush};
use crate::clock;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// `<6>text`: journald adds time and unit itself.
    Journal,
    /// `2026-11-21T06:26:55Z INFO felhom_agent::reporter: text`
    Plain,
}

/// They log what they send and receive, byte for byte at their loudest: the token and the key are in it.
const LIBRARIES: [&str; 3] = ["ureq", "ureq_proto", "rustls"];

/// Starts the log. `filter` is read as env_logger reads it; what it cannot read of it, it leaves out.
pub(super) fn start(filter: &str) {
    start_into(filter, Target::Stderr);
}

/// The same for a process that goes on for long: whoever reads the log, or does not, holds nothing up. What it gives is kept until the end.
pub(super) fn start_queued(filter: &str) -> Option<Flush> {
    match log_queue::start(io::stderr()) {
        Ok((queue, flush)) => {
            start_into(filter, Target::Pipe(Box::new(queue)));
            Some(flush)
        }
        Err(error) => {
            start_into(filter, Target::Stderr);
            log::warn!(
                "the log has no thread of its own, and whoever does not read it holds the agent up: {error}"
            );
            None
        }
    }
}

fn start_into(filter: &str, target: Target) {
    let form = if stderr_is_the_journal() { Form::Journal } else { Form::Plain };
    let mut builder = env_logger::Builder::new();
    builder.parse_filters(filter);
    for library in LIBRARIES {
        builder.filter_module(library, LevelFilter::Warn);
    }
    let started = builder
        .target(target)
        .format(move |line, record| match is_secretive(record) {
            true => Ok(()),
            false => line.write_all(written(form, record).as_bytes()),
        })
        .try_init();
    if started.is_err() {
        log::debug!("the log was started before");
    }
}

/// What a library says of its work. A filter that names one of its modules would let it through.
fn is_secretive(record: &Record<'_>) -> bool {
    let library = record.target().split("::").next().unwrap_or_default();
    record.level() > Level::Warn && LIBRARIES.contains(&library)
}

/// journald names in JOURNAL_STREAM the device and inode of the stream it reads; only if that is our standard error is it reading.
pub(super) fn stderr_is_the_journal() -> bool {
    let Some(stream) = std::env::var_os("JOURNAL_STREAM") else { return false };
    is_stream(&stream.to_string_lossy(), fs::metadata("/proc/self/fd/2"))
}

fn is_stream(named: &str, ours: io::Result<fs::Metadata>) -> bool {
    ours.is_ok_and(|ours| named == format!("{}:{}", ours.dev(), ours.ino()))
}

/// One record as its lines: each carries the level, so that no line of a text poses as another record.
fn written(form: Form, record: &Record<'_>) -> String {
    let text = record.args().to_string();
    let mut lines = String::with_capacity(text.len() + 64);
    let head = match form {
        Form::Journal => format!("<{}>", priority(record.level())),
        Form::Plain => format!("{} {:<5} {}: ", clock::now(), record.level(), record.target()),
    };
    for line in text.trim_end().split('\n') {
        lines.push_str(&head);
        lines.extend(line.chars().filter(|c| !c.is_control() || *c == '\t'));
        lines.push('\n');
    }
    lines
}

/// syslog's numbers.
fn priority(level: Level) -> u8 {
    match level {
        Level::Error => 3,
        Level::Warn => 4,
        Level::Info => 6,
        Level::Debug | Level::Trace => 7,
    }
}

#[cfg(test)]
mod tests {
    use log::{Level, Record};

    use super::{Form, is_secretive, is_stream, written};

    #[test]
    fn each_line_carries_its_level_as_journald_reads_it() {
        for (level, prefix) in [
            (Level::Error, "<3>"),
            (Level::Warn, "<4>"),
            (Level::Info, "<6>"),
            (Level::Debug, "<7>"),
            (Level::Trace, "<7>"),
        ] {
            let record = Record::builder().level(level).args(format_args!("one\ntwo\x1b[2J\n")).build();
            assert_eq!(written(Form::Journal, &record), format!("{prefix}one\n{prefix}two[2J\n"));
        }
    }

    #[test]
    fn a_plain_line_says_when_how_grave_and_who() {
        let record = Record::builder().level(Level::Warn).target("here").args(format_args!("text")).build();
        let line = written(Form::Plain, &record);
        assert!(line.ends_with("Z WARN  here: text\n"), "{line}");
    }

    #[test]
    fn what_a_library_says_of_its_work_is_kept_back() {
        for (target, level, kept_back) in [
            ("ureq_proto::util", Level::Trace, true),
            ("rustls::client::hs", Level::Info, true),
            ("ureq", Level::Warn, false),
            ("ureq_like", Level::Trace, false),
            ("felhom_agent::http", Level::Trace, false),
        ] {
            let record = Record::builder().level(level).target(target).build();
            assert_eq!(is_secretive(&record), kept_back, "{target} {level}");
        }
    }

    #[test]
    fn a_stream_that_is_not_ours_is_not_the_journal() {
        assert!(!is_stream("1:2", std::fs::metadata("/proc/self/fd/2")));
        assert!(!is_stream("", std::fs::metadata("/nowhere")));
    }
}
