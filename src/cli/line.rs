//! The words of the command line, read one by one; what every command takes is taken out here.

use std::ffi::OsString;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use lexopt::{Arg, Parser};

use super::Global;
use super::page::{Page, repeated};

/// Why there is nothing to run.
#[derive(Debug)]
pub(super) enum Stop {
    Help(&'static Page),
    Version,
    NoCommand,
    Usage(String),
}

/// One word, as the page at hand knows it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Given {
    /// One of the page's options, by its long name.
    Option(&'static str),
    Word(OsString),
}

#[derive(Debug)]
pub(super) struct Line {
    parser: Parser,
    global: Global,
}

impl Line {
    /// The words after the program's name.
    pub(super) fn new(words: Vec<OsString>) -> Self {
        Self { parser: Parser::from_args(words), global: Global::default() }
    }

    /// The next word that is the command's own. Options that the page does not have are refused.
    pub(super) fn next(&mut self, page: &'static Page) -> Result<Option<Given>, Stop> {
        loop {
            let name = match self.parser.next() {
                Ok(None) => return Ok(None),
                Ok(Some(Arg::Value(word))) => return Ok(Some(Given::Word(word))),
                Ok(Some(Arg::Short('h'))) => "--help".to_owned(),
                Ok(Some(Arg::Short('V'))) => "--version".to_owned(),
                Ok(Some(Arg::Short(letter))) => format!("-{letter}"),
                Ok(Some(Arg::Long(name))) => format!("--{name}"),
                Err(error) => return Err(refused(page, &error)),
            };
            match name.as_str() {
                "--help" => return Err(Stop::Help(page)),
                "--config" if self.global.config.is_some() => {
                    return Err(page.usage("--config is given twice"));
                }
                "--config" => self.global.config = Some(PathBuf::from(self.value(page, "--config FILE")?)),
                "--set" => {
                    let setting = self.value(page, "--set SECTION.KEY=VALUE")?;
                    let setting = setting.into_string();
                    self.global.settings.push(setting.map_err(|_secret| page.usage("--set is not UTF-8"))?);
                }
                _ => return page.option(&name).map(|option| Some(Given::Option(option))),
            }
        }
    }

    /// The value of the option that was just read. What looks like an option is none.
    pub(super) fn value(&mut self, page: &Page, option: &str) -> Result<OsString, Stop> {
        let is_word = |value: &OsString| value == "-" || !value.as_encoded_bytes().starts_with(b"-");
        self.parser
            .optional_value()
            .or_else(|| self.parser.value().ok().filter(is_word))
            .filter(|value| !value.is_empty())
            .ok_or_else(|| page.usage(&format!("a value is missing: {option}")))
    }

    /// The value of the option that was just read, as text.
    pub(super) fn text(&mut self, page: &Page, option: &str) -> Result<String, Stop> {
        let value = self.value(page, option)?;
        value.into_string().map_err(|_bytes| page.usage(&format!("the value of {option} is not UTF-8")))
    }

    /// The value of the option that was just read, as a number within bounds.
    pub(super) fn number(
        &mut self,
        page: &Page,
        option: &str,
        allowed: RangeInclusive<u64>,
    ) -> Result<u64, Stop> {
        let text = self.text(page, option)?;
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        match text.parse() {
            Ok(number) if digits && allowed.contains(&number) => Ok(number),
            _ => {
                let name = option.split(' ').next().unwrap_or(option);
                let (least, most) = allowed.into_inner();
                let found = format!("{name} {} is not in bounds", repeated(&text));
                Err(page.usage(&format!("{found}\nallowed are {least} to {most}")))
            }
        }
    }

    /// What stands behind an option's `=`, for an option that may also stand alone.
    pub(super) fn attached(&mut self) -> Option<OsString> {
        self.parser.optional_value()
    }

    /// For commands that take nothing.
    pub(super) fn end(&mut self, page: &'static Page) -> Result<(), Stop> {
        self.next(page)?.map_or(Ok(()), |given| Err(page.unexpected(&given)))
    }

    pub(super) fn global(self) -> Global {
        self.global
    }
}

/// The library's error without the value, which may be a secret.
fn refused(page: &Page, error: &lexopt::Error) -> Stop {
    match error {
        lexopt::Error::UnexpectedValue { option, .. } => page.usage(&format!("{option} takes no value")),
        _ => page.usage("the command line cannot be read"),
    }
}
