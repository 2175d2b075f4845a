//! What can be typed, what is said when something else was, and that help, README and man page tell the same.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use super::adopt::AdoptArguments;
use super::apply::ApplyArguments;
use super::backup::ProveArguments;
use super::backups::BackupsArguments;
use super::config::ConfigCommand;
use super::help::PAGES;
use super::journal::{JournalCommand, ShowArguments};
use super::line::Stop;
use super::page::{GLOBAL, Page, named};
use super::pin::PinArguments;
use super::plan::PlanArguments;
use super::report::ReportArguments;
use super::selftest::{SelftestArguments, SelftestCommand};
use super::status::StatusArguments;
use super::{Command, Global, parsed};
use crate::control::What;
use crate::model::guest::Vmid;
use crate::model::op::OpId;

fn prove(what: What, storage: Option<&str>) -> Command {
    let storage = storage.map(str::to_owned);
    let vmid = Vmid::new(101).unwrap();
    Command::Prove(what, ProveArguments { vmid, storage, json: false, socket: None })
}

fn adopt(all: bool, vmids: &[u64]) -> Command {
    let vmids = vmids.iter().map(|vmid| Vmid::new(*vmid).unwrap()).collect();
    Command::Adopt(AdoptArguments { all, vmids })
}

fn read(line: &str) -> Result<(Global, Command), Stop> {
    parsed(line.split_whitespace().map(OsString::from).collect())
}

fn command(line: &str) -> Command {
    read(line).unwrap_or_else(|stop| panic!("{line}: {stop:?}")).1
}

/// What is said about a line that cannot be understood.
fn refusal(line: &str) -> String {
    match read(line) {
        Err(Stop::Usage(message)) => message,
        other => panic!("{line}: {other:?}"),
    }
}

fn selftest(json: bool, command: Option<SelftestCommand>) -> Command {
    Command::Selftest(SelftestArguments { json, command })
}

#[test]
fn each_command_is_read_with_its_arguments() {
    let task = || Some(SelftestCommand::Task { vmid: Vmid::new(101).unwrap() });
    let plan = |json, exit_code| Command::Plan(PlanArguments { json, exit_code });
    for (line, expected) in [
        ("daemon", Command::Daemon),
        ("plan", plan(false, false)),
        ("plan --exit-code --json", plan(true, true)),
        ("apply", Command::Apply(ApplyArguments::default())),
        (
            "apply web --json db",
            Command::Apply(ApplyArguments {
                json: true,
                resources: vec!["web".to_owned(), "db".to_owned()],
                ..ApplyArguments::default()
            }),
        ),
        ("report", Command::Report(ReportArguments { send: false })),
        ("report --send", Command::Report(ReportArguments { send: true })),
        ("status", Command::Status(StatusArguments::default())),
        (
            "status --watch --json --socket /x",
            Command::Status(StatusArguments { json: true, watch: true, socket: Some("/x".into()) }),
        ),
        ("selftest", selftest(false, None)),
        ("selftest --json task --vmid 101", selftest(true, task())),
        ("selftest task --vmid=101 --json", selftest(true, task())),
        ("selftest hub", selftest(false, Some(SelftestCommand::Hub))),
        ("--selftest --json", selftest(true, None)),
        ("--selftest task --vmid 101", selftest(false, task())),
        ("--config /x --selftest=task --vmid 101", selftest(false, task())),
        ("--selftest=hub --config /x", selftest(false, Some(SelftestCommand::Hub))),
        ("config check", Command::Config(ConfigCommand::Check)),
        ("config show --json", Command::Config(ConfigCommand::Show { json: true })),
        ("journal verify", Command::Journal(JournalCommand::Verify { state_dir: None, json: false })),
        (
            "journal verify --json --state-dir /s",
            Command::Journal(JournalCommand::Verify { state_dir: Some("/s".into()), json: true }),
        ),
        ("journal show", Command::Journal(JournalCommand::Show(ShowArguments::default()))),
        (
            "journal show --guest 101 --op 01890000-0000-7000-8000-000000000000 --follow --json",
            Command::Journal(JournalCommand::Show(ShowArguments {
                guest: Some(Vmid::new(101).unwrap()),
                op: Some(OpId::parse("01890000-0000-7000-8000-000000000000").unwrap()),
                follow: true,
                json: true,
                ..ShowArguments::default()
            })),
        ),
        (
            "journal salvage --state-dir=/s",
            Command::Journal(JournalCommand::Salvage { state_dir: Some("/s".into()) }),
        ),
        ("pin", Command::Pin(PinArguments { place: None })),
        ("pin -- -x", Command::Pin(PinArguments { place: Some("-x".to_owned()) })),
        ("version", Command::Version),
        ("backup 101 --storage pbs", prove(What::Backup, Some("pbs"))),
        ("restore-test 101", prove(What::RestoreTest, None)),
        ("adopt 101 102 --json 101", adopt(false, &[101, 102])),
        ("adopt --all", adopt(true, &[])),
        ("backups --json", Command::Backups(BackupsArguments { json: true })),
    ] {
        assert_eq!(command(line), expected, "{line}");
    }
}

#[test]
fn what_every_command_takes_may_stand_anywhere() {
    for line in [
        "--config /x --set a.b=1 --set c.d=2=3 selftest hub",
        "selftest --config=/x --set=a.b=1 hub --set c.d=2=3",
        "--set a.b=1 selftest hub --set c.d=2=3 --config /x",
    ] {
        let (global, command) = read(line).unwrap();
        assert_eq!(global.config.as_deref(), Some("/x".as_ref()), "{line}");
        assert_eq!(global.settings, ["a.b=1", "c.d=2=3"], "{line}");
        assert_eq!(command, selftest(false, Some(SelftestCommand::Hub)), "{line}");
    }
}

#[test]
fn what_is_wrong_is_named_with_what_is_right_and_where_to_read() {
    for (line, parts) in [
        ("plann", &["\"plann\", did you mean plan?", "daemon, plan,", "see felhom-agent --help"][..]),
        ("nonsense", &["unknown command \"nonsense\"\nthere are daemon"]),
        ("--verison", &["did you mean --version?"]),
        ("plan --jsn", &["\"--jsn\", did you mean --json?", "--exit-code", "see felhom-agent plan --help"]),
        ("plan --confg /x", &["did you mean --config?"]),
        ("plan -j", &["unknown option \"-j\""]),
        ("plan --version", &["unknown option \"--version\""]),
        ("plan --json=yes", &["--json takes no value"]),
        ("plan extra", &["unexpected argument \"extra\"", "see felhom-agent plan --help"]),
        ("daemon extra", &["\"extra\"", "see felhom-agent daemon --help"]),
        ("adopt", &["numbers of guests, or --all", "see felhom-agent adopt --help"]),
        ("adopt --all 101", &["and not both"]),
        ("adopt web", &["\"web\" is no number of a guest"]),
        ("pin one two", &["\"two\""]),
        ("journal", &["verify, show or salvage", "see felhom-agent journal --help"]),
        ("journal salvage --json", &["\"--json\"", "see felhom-agent journal salvage --help"]),
        ("journal show --guest 99", &["--guest \"99\"", "100 to 999999999"]),
        ("journal show --op x", &["--op \"x\"", "a UUID, version 7"]),
        ("journal verify --state-dir", &["a value is missing: --state-dir DIR"]),
        ("config", &["check or show", "see felhom-agent config --help"]),
        ("config chekc", &["did you mean check?"]),
        ("config check --json", &["\"--json\"", "see felhom-agent config check --help"]),
        ("selftest --vmid 101", &["\"--vmid\"", "see felhom-agent selftest --help"]),
        ("selftest task", &["--vmid N is missing", "see felhom-agent selftest task --help"]),
        ("selftest task --vmid", &["a value is missing: --vmid N"]),
        ("selftest task --vmid --json", &["a value is missing: --vmid N"]),
        ("selftest task --vmid 99", &["--vmid \"99\"", "100 to 999999999"]),
        ("selftest task --vmid 101 --vmid 102", &["--vmid"]),
        ("--selftest=all", &["--selftest=task or --selftest=hub"]),
        ("plan --config", &["a value is missing: --config FILE"]),
        ("plan --config=", &["a value is missing: --config FILE"]),
        ("plan --config --json", &["a value is missing: --config FILE"]),
        ("--config /x plan --config /y", &["--config is given twice"]),
        ("--set", &["a value is missing: --set SECTION.KEY=VALUE"]),
        ("help plann", &["no help on \"plann\"", "daemon, plan,"]),
        ("help plan --json", &["\"--json\""]),
    ] {
        let message = refusal(line);
        for part in parts {
            assert!(message.contains(part), "{line}: {part} is not in {message}");
        }
    }
    assert!(matches!(read(""), Err(Stop::NoCommand)));
    assert!(matches!(read("--config /x"), Err(Stop::NoCommand)));
    assert!(matches!(read("-V"), Err(Stop::Version)));
}

#[test]
fn a_secret_in_the_wrong_place_is_not_repeated() {
    let secret = "33333333-3333-4333-8333-333333333333";
    for line in [
        "SECRET",
        "plan SECRET",
        "pin x SECRET",
        "config SECRET",
        "help SECRET",
        "plan --json=SECRET",
        "plan --SECRET",
        "plan --hub-key=SECRET",
        "--set hub.api_key = SECRET",
        "--selftest=SECRET",
        "selftest SECRET",
        "selftest task --vmid SECRET",
        "journal show --guest SECRET",
        "journal show --op SECRET",
        "journal SECRET",
        "adopt SECRET",
        "selftest task --vmid 101 SECRET",
    ] {
        let message = refusal(&line.replace("SECRET", secret));
        assert!(!message.contains(secret), "{line}: {message}");
    }
}

#[test]
fn what_is_no_text_is_refused_where_text_is_needed() {
    let bytes = || OsString::from_vec(vec![b'a', 0xff]);
    for words in [vec!["--set".into(), bytes()], vec!["pin".into(), bytes()], vec![bytes()]] {
        assert!(matches!(parsed(words.clone()), Err(Stop::Usage(_))), "{words:?}");
    }
    let (global, _) = parsed(vec!["plan".into(), "--config".into(), bytes()]).unwrap();
    assert_eq!(global.config, Some(bytes().into()), "a path is bytes");
}

#[test]
fn help_is_found_by_option_and_by_command() {
    for page in PAGES {
        for line in
            [format!("{} --help", page.name), format!("{} -h", page.name), format!("help {}", page.name)]
        {
            match read(&line) {
                Err(Stop::Help(found)) => assert_eq!(found.name, page.name, "{line}"),
                other => panic!("{line}: {other:?}"),
            }
        }
    }
}

/// The words of a text that look like options: `--exit-code`.
fn options_in(text: &str) -> Vec<&str> {
    text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '-')
        .filter(|word| word.starts_with("--") && !word.starts_with("---"))
        .collect()
}

/// Whether the text names it as a whole word, not as the beginning of another.
fn names(text: &str, word: &str) -> bool {
    let part = |letter: char| letter.is_ascii_alphanumeric() || letter == '-';
    let around: Vec<&str> = text.split(word).collect();
    around.windows(2).any(|pair| !pair[0].ends_with(part) && !pair[1].starts_with(part))
}

fn commands() -> impl Iterator<Item = &'static Page> {
    PAGES.into_iter().filter(|page| !page.name.is_empty())
}

#[test]
fn the_help_names_what_the_parser_takes_and_nothing_else() {
    for page in PAGES {
        let help = page.help();
        assert!(help.contains(format!("\nUsage: felhom-agent {}", page.name).trim_end()), "{help}");
        assert!(help.contains("\nExample: felhom-agent "), "{help}");
        assert!(help.lines().all(|line| line.len() <= 84), "{help}");
        for option in page.options.iter().chain(GLOBAL) {
            let row = help.lines().find(|line| line.starts_with(' ') && names(line, named(option)));
            assert!(row.is_some_and(|row| row.contains(option)), "{}: {option}", page.name);
        }
        for command in page.commands {
            assert!(help.contains(&format!("\n  {command} ")), "{}: {command}", page.name);
        }
        // The examples and exit codes of the program's page name the options of commands, too.
        let known: Vec<&str> = if page.name.is_empty() {
            PAGES.iter().flat_map(|page| page.options).chain(GLOBAL).map(|option| named(option)).collect()
        } else {
            page.options.iter().chain(GLOBAL).map(|option| named(option)).collect()
        };
        for option in options_in(&help) {
            assert!(known.contains(&option), "{}: {option} is in the help alone", page.name);
        }
    }
}

#[test]
fn the_parser_takes_every_option_and_command_of_the_pages() {
    for page in PAGES {
        for option in page.options.iter().chain(GLOBAL) {
            let value = if option.contains(' ') { " 101" } else { "" };
            let line = format!("{} {}{value}", page.name, named(option));
            // What is missing besides, or stops the reading, is another matter.
            if let Err(Stop::Usage(message)) = read(&line) {
                assert!(!message.contains("unknown") && !message.contains("unexpected"), "{line}: {message}");
            }
        }
        for command in page.commands {
            let name = format!("{} {command}", page.name);
            assert!(PAGES.iter().any(|page| page.name == name.trim()), "{name} has no page");
        }
    }
    let below = PAGES.iter().map(|page| page.commands.len()).sum::<usize>();
    assert_eq!(below, commands().count(), "each page is some page's command");
}

/// `keyring show` of `keyring show FILE` and of ``keyring show` | …``.
fn command_of(text: &str) -> String {
    let text = text.split(['[', '`', '\\']).next().unwrap_or(text);
    let letter = |byte: u8| byte.is_ascii_lowercase() || byte == b'-';
    let is_command = |word: &&str| !word.starts_with('-') && word.bytes().all(letter);
    text.split_whitespace().take_while(is_command).collect::<Vec<_>>().join(" ")
}

#[test]
fn readme_and_man_page_name_every_command_and_option() {
    let readme = include_str!("../../README.md");
    let (_, section) = readme.split_once("## The command line").unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();
    let man = include_str!("../../contrib/felhom-agent.8").replace("\\-", "-").replace('"', "");
    let (_, man_options) = man.split_once(".SH OPTIONS").unwrap();
    for page in commands().filter(|page| page.commands.is_empty() || page.name == "selftest") {
        let row = section
            .lines()
            .filter_map(|line| line.strip_prefix("| `felhom-agent "))
            .find(|row| command_of(row) == page.name)
            .unwrap_or_else(|| panic!("README does not name {}", page.name));
        let paragraph = man
            .split("\n.TP\n")
            .find(|paragraph| {
                let heading = paragraph.lines().next().and_then(|line| line.split_once(' '));
                heading.is_some_and(|(_, heading)| command_of(heading) == page.name)
            })
            .unwrap_or_else(|| panic!("the man page does not name {}", page.name));
        for option in page.options {
            assert!(names(row, option), "README: {} {option}", page.name);
            assert!(names(paragraph, named(option)), "man page: {} {option}", page.name);
        }
    }
    for option in GLOBAL.iter().chain(super::help::PROGRAM.options) {
        assert!(names(section, named(option)), "README: {option}");
        assert!(names(man_options, named(option)), "man page: {option}");
    }
}

#[test]
fn readme_and_man_page_name_no_option_that_is_none() {
    let known: Vec<&str> =
        PAGES.iter().flat_map(|page| page.options).chain(GLOBAL).map(|option| named(option)).collect();
    let readme = include_str!("../../README.md");
    let (_, section) = readme.split_once("## The command line").unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();
    let man = include_str!("../../contrib/felhom-agent.8").replace("\\-", "-");
    for option in options_in(section).into_iter().chain(options_in(&man)) {
        assert!(known.contains(&option), "{option}");
    }
}

#[test]
fn every_example_of_the_help_and_of_the_readme_is_read() {
    let readme = include_str!("../../README.md");
    let blocks = readme.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
    let typed = blocks.flat_map(str::lines).map(str::to_owned);
    let helped = PAGES.into_iter().flat_map(|page| {
        let help = page.help();
        let (_, example) = help.split_once("\nExample: ").expect("each page has one");
        vec![example.lines().next().unwrap_or_default().to_owned()]
    });
    let mut count = 0;
    for line in typed.chain(helped) {
        // What the shell makes of a line is no word of ours.
        let ours =
            line.split(" # ").next().unwrap_or_default().split(['>', '|', '&']).next().unwrap_or_default();
        let Some(arguments) = ours.trim().strip_prefix("felhom-agent ") else { continue };
        count += 1;
        match read(arguments) {
            Ok(_) | Err(Stop::Help(_)) => {}
            Err(stop) => panic!("{line}: {stop:?}"),
        }
    }
    assert!(count > PAGES.into_iter().count(), "{count} examples were found");
}
