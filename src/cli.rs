//! The command line: argv in, exit code out. One file a command; nothing is decided here.

mod adopt;
mod apply;
mod backup;
mod backups;
mod config;
mod daemon;
mod document;
mod exit;
mod explain;
mod help;
mod in_hand;
mod indent;
mod journal;
mod key_file;
mod keygen;
mod keyring;
mod line;
mod log_queue;
mod logging;
mod manifest;
mod op;
mod page;
mod passphrase;
mod pin;
mod plan;
mod print;
mod private_file;
mod proving;
mod report;
mod restore_test;
mod selftest;
mod socket;
mod status;
#[cfg(test)]
mod tests;
mod version;

use std::error::Error;
use std::ffi::OsString;
use std::path::PathBuf;

use crate::config::fault::ConfigError;
use crate::config::{Config, Sources};
use crate::control::What;
use crate::http::{HttpError, UnsentFault};
use crate::hub::HubError;
use crate::paths::StateError;
use crate::pve::PveError;

use self::adopt::AdoptArguments;
use self::apply::ApplyArguments;
use self::backup::ProveArguments;
use self::backups::BackupsArguments;
use self::config::ConfigCommand;
pub use self::exit::Exit;
use self::explain::ExplainArguments;
use self::journal::JournalCommand;
use self::keygen::KeygenArguments;
use self::keyring::KeyringCommand;
use self::line::{Given, Line, Stop};
use self::manifest::ManifestCommand;
use self::op::OpCommand;
use self::pin::PinArguments;
use self::plan::PlanArguments;
use self::print::Output;
use self::report::ReportArguments;
use self::selftest::SelftestArguments;
use self::status::StatusArguments;

/// What every command takes.
#[derive(Debug, Default)]
pub struct Global {
    /// The configuration file; the usual one if absent.
    config: Option<PathBuf>,
    /// Overrides, as in `agent.log=debug`.
    settings: Vec<String>,
}

impl Global {
    fn sources(&self) -> Sources {
        Sources::of_process(self.config.clone(), self.settings.clone())
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Command {
    Daemon,
    Plan(PlanArguments),
    Adopt(AdoptArguments),
    Apply(ApplyArguments),
    Report(ReportArguments),
    Status(StatusArguments),
    Explain(ExplainArguments),
    Selftest(SelftestArguments),
    Config(ConfigCommand),
    Journal(JournalCommand),
    Manifest(ManifestCommand),
    Pin(PinArguments),
    Keygen(KeygenArguments),
    Keyring(KeyringCommand),
    Op(OpCommand),
    Prove(What, ProveArguments),
    Backups(BackupsArguments),
    Version,
}

impl Command {
    fn parse(line: &mut Line) -> Result<Self, Stop> {
        let program = &help::PROGRAM;
        let name = match line.next(program)? {
            None => return Err(Stop::NoCommand),
            Some(Given::Option("--version")) => return Err(Stop::Version),
            Some(Given::Option("--selftest")) => {
                return SelftestArguments::parse_earlier(line).map(Self::Selftest);
            }
            Some(Given::Word(word)) => program.command(&word)?,
            Some(other) => return Err(program.unexpected(&other)),
        };
        match name {
            "daemon" => line.end(&daemon::PAGE).map(|()| Self::Daemon),
            "plan" => PlanArguments::parse(line).map(Self::Plan),
            "adopt" => AdoptArguments::parse(line).map(Self::Adopt),
            "apply" => ApplyArguments::parse(line).map(Self::Apply),
            "status" => StatusArguments::parse(line).map(Self::Status),
            "explain" => ExplainArguments::parse(line).map(Self::Explain),
            "report" => ReportArguments::parse(line).map(Self::Report),
            "backup" => {
                ProveArguments::parse(line, &backup::PAGE).map(|asked| Self::Prove(What::Backup, asked))
            }
            "restore-test" => ProveArguments::parse(line, &restore_test::PAGE)
                .map(|asked| Self::Prove(What::RestoreTest, asked)),
            "backups" => BackupsArguments::parse(line).map(Self::Backups),
            "selftest" => SelftestArguments::parse(line).map(Self::Selftest),
            "journal" => JournalCommand::parse(line).map(Self::Journal),
            "manifest" => ManifestCommand::parse(line).map(Self::Manifest),
            "config" => ConfigCommand::parse(line).map(Self::Config),
            "pin" => PinArguments::parse(line).map(Self::Pin),
            "keygen" => KeygenArguments::parse(line).map(Self::Keygen),
            "keyring" => KeyringCommand::parse(line).map(Self::Keyring),
            "op" => OpCommand::parse(line).map(Self::Op),
            "version" => line.end(&version::PAGE).map(|()| Self::Version),
            _ => Err(Stop::Help(help::page(line)?)),
        }
    }
}

/// What the words after the program's name ask for.
fn parsed(words: Vec<OsString>) -> Result<(Global, Command), Stop> {
    let mut line = Line::new(words);
    let command = Command::parse(&mut line)?;
    Ok((line.global(), command))
}

/// Why a command did not do what it was asked.
#[derive(Debug)]
pub struct Failure {
    exit: Exit,
    message: String,
}

impl Failure {
    /// A failure with the whole chain of its causes, printed once.
    fn new(exit: Exit, error: &dyn Error) -> Self {
        Self { exit, message: chain(error) }
    }

    fn text(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into() }
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::text(Exit::Configuration, format!("the configuration is not in order\n{error}"))
    }
}

impl From<StateError> for Failure {
    fn from(error: StateError) -> Self {
        let exit = match &error {
            StateError::Directory { source, .. }
            | StateError::Read { source, .. }
            | StateError::Write { source, .. }
                if source.kind() == std::io::ErrorKind::PermissionDenied =>
            {
                Exit::Permission
            }
            StateError::Open { .. } | StateError::Directory { .. } | StateError::HostId { .. } => {
                Exit::Configuration
            }
            StateError::Locked { .. } => Exit::Locked,
            StateError::Read { .. } | StateError::Write { .. } | StateError::Random => Exit::InputOutput,
        };
        Self::new(exit, &error)
    }
}

/// What every command that reads the configuration does first: the log for what goes wrong, and the warnings.
fn begin(config: &Config, output: &mut Output) {
    let quiet = config.agent.log == "info";
    logging::start(if quiet { "warn" } else { &config.agent.log });
    for warning in &config.warnings {
        output.complain(&format!("warning: {warning}"));
    }
}

/// A refusal of Proxmox, with what to do about it.
fn pve_failure(error: &PveError) -> Failure {
    let exit = match error {
        PveError::Setup(_) => Exit::Configuration,
        PveError::Unauthorized { .. } | PveError::Forbidden(_) => Exit::Permission,
        PveError::Unsent { fault, .. } | PveError::Unknown { fault, .. } => http_exit(fault),
        PveError::Proxy { .. } | PveError::ClusterFs { .. } => Exit::TryAgain,
        _ => Exit::Failed,
    };
    Failure::text(exit, format!("{}\n{}", chain(error), error.advice()))
}

fn hub_failure(error: &HubError) -> Failure {
    let exit = match error {
        HubError::Transport(fault) => http_exit(fault),
        HubError::Http { status: 401 | 403, .. } => Exit::Permission,
        HubError::Http { status: 429 | 500..=599, .. } => Exit::TryAgain,
        HubError::Http { .. } | HubError::Redirect { .. } | HubError::Body { .. } => Exit::Failed,
    };
    Failure::new(exit, error)
}

/// Nobody there is worth another try; the rest is not.
fn http_exit(error: &HttpError) -> Exit {
    match error {
        HttpError::Setup { .. } => Exit::Configuration,
        HttpError::Unsent { fault: UnsentFault::Pin(_) | UnsentFault::Certificate(_), .. } => Exit::Failed,
        HttpError::Unsent { .. } | HttpError::Unknown { .. } => Exit::TryAgain,
        HttpError::Body { .. } => Exit::Failed,
    }
}

/// An error and its causes in one line: `cannot read x: permission denied`.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// Runs the command that the arguments name and says how it ended. Never ends the process itself.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> Exit {
    let mut output = Output::default();
    let exit = match parsed(arguments.into_iter().skip(1).collect()) {
        Ok((global, command)) => run_command(&global, &command, &mut output).unwrap_or_else(|failure| {
            output.complain(&failure.message);
            failure.exit
        }),
        Err(stop) => stopped(&stop, &mut output),
    };
    output.finish(exit)
}

fn stopped(stop: &Stop, output: &mut Output) -> Exit {
    match stop {
        Stop::Help(page) => output.text(&page.help()),
        Stop::Version => return version::run(output),
        Stop::NoCommand => {
            output.complain(&format!("a command is missing\n\n{}", help::PROGRAM.help()));
            return Exit::Usage;
        }
        Stop::Usage(message) => {
            output.complain(message);
            return Exit::Usage;
        }
    }
    Exit::InOrder
}

fn run_command(global: &Global, command: &Command, output: &mut Output) -> Result<Exit, Failure> {
    match command {
        Command::Daemon => daemon::run(global),
        Command::Plan(arguments) => plan::run(global, arguments, output),
        Command::Adopt(arguments) => adopt::run(global, arguments, output),
        Command::Apply(arguments) => apply::run(global, arguments, output),
        Command::Status(arguments) => status::run(global, arguments, output),
        Command::Explain(arguments) => explain::run(global, arguments, output),
        Command::Report(arguments) => report::run(global, arguments, output),
        Command::Prove(what, arguments) => backup::run(global, *what, arguments, output),
        Command::Backups(arguments) => backups::run(global, arguments, output),
        Command::Selftest(arguments) => selftest::run(global, arguments, output),
        Command::Journal(command) => journal::run(global, command, output),
        Command::Manifest(command) => manifest::run(command, output),
        Command::Config(command) => config::run(global, command, output),
        Command::Pin(arguments) => pin::run(arguments, output),
        Command::Keygen(arguments) => keygen::run(arguments, output),
        Command::Keyring(command) => keyring::run(command, output),
        Command::Op(command) => op::run(global, command, output),
        Command::Version => Ok(version::run(output)),
    }
}
