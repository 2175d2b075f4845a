//! `help`: what the program and each command do. The pages of the commands stand in their files.

use super::line::{Given, Line, Stop};
use super::page::{Page, repeated};
use super::{
    adopt, apply, backup, backups, config, daemon, explain, journal, keygen, keyring, manifest, op, pin,
    plan, report, restore_test, selftest, status, version,
};

pub(super) static PROGRAM: Page = Page {
    name: "",
    commands: &[
        "daemon",
        "plan",
        "apply",
        "adopt",
        "status",
        "explain",
        "report",
        "backup",
        "restore-test",
        "backups",
        "selftest",
        "journal",
        "config",
        "pin",
        "keygen",
        "keyring",
        "manifest",
        "op",
        "version",
        "help",
    ],
    options: &["--version", "--selftest[=task|=hub]"],
    text: "\
felhom-agent keeps a Proxmox VE node as it should be.

Usage: felhom-agent [--config FILE] [--set SECTION.KEY=VALUE]... COMMAND

Commands:
  daemon    runs until it is told to end: converges guests, reports to the hub
  plan      prints what the daemon would do, and why; changes nothing
  apply     carries that out now, in the foreground
  adopt     prints guests that are there as resources, to be managed as they are
  status    shows what the daemon knows: conditions, resources, work in hand
  explain   tells why a guest, or one field of it, is treated as it is
  report    collects the host report and prints it
  backup    makes a backup of a guest and looks at it
  restore-test  restores the newest backup beside its guest, and destroys it again
  backups   shows the backups of all guests, and which of them are proven
  selftest  checks reach, TLS, token, privileges, clock, storage and hub
  journal   shows what was done, and whether that can be believed
  config    checks or shows the configuration
  pin       prints the SHA-256 of a certificate, for pin_sha256
  keygen    makes a key that signs operations
  keyring   shows, makes and signs keyrings: who may sign operations
  manifest  checks and signs desired-state documents
  op        drafts, shows, signs, verifies, submits and follows operations
  version   prints the version
  help      prints the help of a command, as COMMAND --help does

Options:
  -V, --version            prints the version
  --selftest[=task|=hub]   as selftest, selftest task, selftest hub

Environment: FELHOM_AGENT_SECTION_KEY overrides a setting, as in
FELHOM_AGENT_HUB_URL; NO_COLOR=1 switches colours off, which only terminals get.

Ends with 0 in order, 1 failed, 2 wrong usage, 3 differences (plan --exit-code,
apply), 73 another instance runs, 74 input or output failed, 75 nobody answered: try
again, 77 permission missing, 78 configuration not in order.

Example: felhom-agent plan --exit-code
",
};

static PAGE: Page = Page {
    name: "help",
    commands: &[],
    options: &[],
    text: "\
Prints the help of the program or of a command.

Usage: felhom-agent help [COMMAND]

Example: felhom-agent help selftest task
",
};

pub(super) static PAGES: [&Page; 39] = [
    &PROGRAM,
    &daemon::PAGE,
    &status::PAGE,
    &explain::PAGE,
    &plan::PAGE,
    &apply::PAGE,
    &adopt::PAGE,
    &report::PAGE,
    &backup::PAGE,
    &restore_test::PAGE,
    &backups::PAGE,
    &selftest::PAGE,
    &selftest::TASK,
    &selftest::HUB,
    &journal::PAGE,
    &journal::VERIFY,
    &journal::SHOW,
    &journal::SALVAGE,
    &config::PAGE,
    &config::CHECK,
    &config::SHOW,
    &pin::PAGE,
    &keygen::PAGE,
    &keyring::PAGE,
    &keyring::show::PAGE,
    &keyring::draft::PAGE,
    &keyring::sign::PAGE,
    &manifest::PAGE,
    &manifest::check::PAGE,
    &manifest::sign::PAGE,
    &op::PAGE,
    &op::draft::PAGE,
    &op::show::PAGE,
    &op::sign::PAGE,
    &op::verify::PAGE,
    &op::submit::PAGE,
    &op::status::PAGE,
    &version::PAGE,
    &PAGE,
];

/// Reads which page is wanted.
pub(super) fn page(line: &mut Line) -> Result<&'static Page, Stop> {
    let mut words: Vec<String> = Vec::new();
    while let Some(given) = line.next(&PAGE)? {
        match given {
            Given::Word(word) => words.push(word.to_string_lossy().into_owned()),
            other @ Given::Option(_) => return Err(PAGE.unexpected(&other)),
        }
    }
    let name = words.join(" ");
    PAGES.into_iter().find(|page| page.name == name).ok_or_else(|| {
        let commands = PROGRAM.commands.join(", ");
        let typed: Vec<String> = words.iter().map(|word| repeated(word)).collect();
        PAGE.usage(&format!("no help on {}\nthere are {commands}", typed.join(" ")))
    })
}
