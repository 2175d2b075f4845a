//! What a command takes and how its help reads; and what is said when something else was typed.
//!
//! What was typed may be a secret in the wrong place, so only what looks like a word of the command line is repeated.

use std::ffi::OsStr;

use super::line::{Given, Stop};
use crate::model::spelling::distance;

/// What every command takes; handled where words are read, in `line.rs`.
pub(super) const GLOBAL: &[&str] = &["--config FILE", "--set SECTION.KEY=VALUE", "--help"];

/// Stands below every page.
const GLOBAL_TEXT: &str = "\
Options of every command:
  --config FILE            configuration file [/etc/felhom-agent/agent.json]
  --set SECTION.KEY=VALUE  overrides one setting, as in --set agent.log=debug;
                           not for secrets; may be given several times
  -h, --help               prints this
";

/// More than this, or anything but a word, is not repeated.
const REPEATED: usize = 24;

#[derive(Debug)]
pub(super) struct Page {
    /// As typed after the program's name: `selftest task`; empty for the program itself.
    pub(super) name: &'static str,
    /// The commands below it.
    pub(super) commands: &'static [&'static str],
    /// With their value's name: `--vmid N`.
    pub(super) options: &'static [&'static str],
    /// What it does, its usage, its options, how it ends, an example.
    pub(super) text: &'static str,
}

impl Page {
    pub(super) fn help(&self) -> String {
        format!("{}\n{GLOBAL_TEXT}", self.text)
    }

    /// The option of that name, if this page has it: `--vmid` of `--vmid N`.
    pub(super) fn option(&self, name: &str) -> Result<&'static str, Stop> {
        let known = || self.options.iter().map(|option| named(option));
        known().find(|option| *option == name).ok_or_else(|| {
            let hint = hint(name, known().chain(GLOBAL.iter().map(|option| named(option))));
            self.usage(&format!("unknown option {}{hint}\n{}", repeated(name), self.allowed()))
        })
    }

    /// The command below this page that the word names.
    pub(super) fn command(&self, word: &OsStr) -> Result<&'static str, Stop> {
        let word = word.to_string_lossy();
        self.commands.iter().copied().find(|command| *command == word).ok_or_else(|| {
            let hint = hint(&word, self.commands.iter().copied());
            let commands = self.commands.join(", ");
            self.usage(&format!("unknown command {}{hint}\nthere are {commands}", repeated(&word)))
        })
    }

    /// A word where none belongs.
    pub(super) fn unexpected(&self, given: &Given) -> Stop {
        let what = match given {
            Given::Option(option) => format!("option {option}"),
            Given::Word(word) => format!("argument {}", repeated(&word.to_string_lossy())),
        };
        self.usage(&format!("unexpected {what}\n{}", self.allowed()))
    }

    pub(super) fn usage(&self, what: &str) -> Stop {
        let title = ["felhom-agent", self.name].join(" ");
        Stop::Usage(format!("{what}\nsee {} --help", title.trim_end()))
    }

    fn allowed(&self) -> String {
        let allowed: Vec<&str> = self.options.iter().chain(GLOBAL).copied().collect();
        format!("allowed are {}", allowed.join(", "))
    }
}

/// `--vmid` of `--vmid N`, `--selftest` of `--selftest[=task]`.
pub(super) fn named(option: &'static str) -> &'static str {
    option.split([' ', '[']).next().unwrap_or(option)
}

/// What was typed if it is plainly no secret, else only how long it is.
pub(super) fn repeated(typed: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || letter == '-' || letter == '_';
    if typed.len() <= REPEATED && typed.chars().all(plain) {
        format!("\"{typed}\"")
    } else {
        format!("of {} characters (not repeated here)", typed.chars().count())
    }
}

/// `, did you mean --json?`, if it is near enough.
fn hint(typed: &str, known: impl Iterator<Item = &'static str>) -> String {
    let near = known
        .map(|word| (distance(typed, word), word))
        .filter(|(far, _)| typed.len() <= REPEATED && *far <= 2 && far * 2 < typed.len())
        .min();
    near.map(|(_, word)| format!(", did you mean {word}?")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::repeated;

    #[test]
    fn what_may_be_a_secret_is_not_repeated() {
        assert_eq!(repeated("plann"), "\"plann\"");
        for secret in [
            "33333333-3333-4333-8333-333333333333",
            "hub.api_key=x",
            "root@pam!agent",
            "\u{1b}[2J",
            "pass word",
        ] {
            assert!(!repeated(secret).contains(secret), "{secret}");
        }
    }
}
