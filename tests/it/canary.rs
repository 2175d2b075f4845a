//! The token's secret and the hub's key appear nowhere: in no output of any command, no log at its loudest, no error, no report,
//! no file of the state directory, no argument; and not in the environment either, unless they were given there.
//! Not whole, and no part of them long enough to guess the rest from.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;

use felhom_sim::server::{Action, Rule, TlsChoice};
use serde_json::{Value, json};

use crate::stage::{Daemon, Ended, Stage, lxc, write};

/// As Proxmox makes them: one that occurs nowhere else.
const TOKEN: &str = "c4f7a9e2-51d8-4b36-9e0f-7ab3d2c81e65";
const KEY: &str = crate::stage::HUB_KEY;

/// So many characters of a secret in a row are no accident.
const TELLING: usize = 10;

/// As loud as can be asked for, the libraries' innermost parts by name.
const LOUD: &str =
    "trace,ureq=trace,ureq::run=trace,ureq_proto::client=trace,ureq_proto::util=trace,rustls::client=trace";

fn assert_clean(what: &str, text: &str) {
    for canary in [TOKEN, KEY] {
        for start in 0..=canary.len() - TELLING {
            let part = &canary[start..start + TELLING];
            if let Some(line) = text.lines().find(|line| line.contains(part)) {
                panic!("{what} shows a part of a secret: {line}");
            }
        }
    }
}

fn assert_clean_end(what: &str, ended: &Ended) {
    assert_clean(what, &ended.stdout);
    assert_clean(what, &ended.stderr);
    assert!(!ended.stderr.contains("panicked"), "{what}: {}", ended.stderr);
}

/// Every file below; how many there were.
fn assert_clean_folder(folder: &Path) -> usize {
    let mut files = 0;
    for entry in fs::read_dir(folder).expect("it is there").flatten() {
        let path = entry.path();
        if path.is_dir() {
            files += assert_clean_folder(&path);
        } else {
            let bytes = fs::read(&path).expect("it is ours");
            assert_clean(&path.display().to_string(), &String::from_utf8_lossy(&bytes));
            files += 1;
        }
    }
    files
}

/// What a process shows to everybody on the machine, and to its own user.
fn process(daemon: &Daemon, file: &str) -> String {
    String::from_utf8_lossy(&fs::read(format!("/proc/{}/{file}", daemon.id())).expect("it runs"))
        .replace('\0', "\n")
}

/// How the secrets are given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Given {
    ByFile,
    InTheConfiguration,
    InTheEnvironment,
}

struct Watched {
    stage: Stage,
    given: Given,
}

impl Watched {
    fn new(given: Given) -> Self {
        let stage = Stage::new(|world| world.access.add_token("root@pam!agent", TOKEN, false));
        stage.secret("token", TOKEN);
        stage.desire(1, &json!([lxc(100, json!({"run_state": "running", "description": "d"}))]));
        let watched = Self { stage, given };
        watched.configure(|_| {});
        watched
    }

    fn configure(&self, change: impl FnOnce(&mut Value)) {
        self.stage.configure(|config| {
            config["agent"]["log"] = json!(LOUD);
            if self.given != Given::ByFile {
                for (section, file) in [("hub", "api_key_file"), ("proxmox", "token_secret_file")] {
                    config[section].as_object_mut().expect("an object").remove(file);
                }
            }
            if self.given == Given::InTheConfiguration {
                config["hub"]["api_key"] = json!(KEY);
                config["proxmox"]["token_secret"] = json!(TOKEN);
            }
            change(config);
        });
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.stage.command(arguments);
        if self.given == Given::InTheEnvironment {
            command.env("FELHOM_AGENT_HUB_API_KEY", KEY).env("FELHOM_AGENT_PROXMOX_TOKEN_SECRET", TOKEN);
        }
        command
    }

    fn run_all(&self, what: &str) {
        self.run(what, &COMMANDS);
    }

    fn run(&self, what: &str, lines: &[&str]) {
        for line in lines {
            let arguments: Vec<&str> = line.split_whitespace().collect();
            let ended = Ended::of(&mut self.command(&arguments));
            assert_clean_end(&format!("{what}, {:?}: {line}", self.given), &ended);
        }
    }

    /// Starts the daemon, lets it do and suffer what there is, and looks everywhere.
    fn run_daemon(&self, what: &str, until: impl FnOnce(&Daemon)) {
        let what = format!("{what}, {:?}", self.given);
        let daemon = self.stage.start(self.command(&["daemon"]));
        until(&daemon);
        assert_clean(&what, &process(&daemon, "cmdline"));
        if self.given != Given::InTheEnvironment {
            assert_clean(&what, &process(&daemon, "environ"));
        }
        assert_clean(&what, &daemon.printed());
        let said = daemon.stop();
        assert!(said.contains("DEBUG") || said.contains("TRACE"), "the log is at its loudest");
        assert_clean(&what, &said);
        if self.stage.state_dir().exists() {
            assert!(assert_clean_folder(&self.stage.state_dir()) > 0);
        }
        self.look_at_what_was_sent(&what);
    }

    fn look_at_what_was_sent(&self, what: &str) {
        for call in self.stage.hub.calls().iter().chain(&self.stage.node.calls()) {
            assert_clean(&format!("{what}: {}", call.line()), &format!("{} {:?}", call.path, call.params));
        }
    }
}

const HELP: [&str; 9] = [
    "--help",
    "daemon --help",
    "plan --help",
    "report --help",
    "selftest --help",
    "selftest task --help",
    "config show --help",
    "pin --help",
    "version",
];

const COMMANDS: [&str; 17] = [
    "status",
    "status --json",
    "config check",
    "config show",
    "config show --json",
    "adopt --all",
    "plan",
    "plan --json --exit-code",
    "explain guest-101.memory_mb",
    "report",
    "report --send",
    "selftest",
    "selftest --json",
    "selftest hub",
    "selftest task --vmid 101",
    "plan --no-such-flag",
    "daemon --set agent.state_dir=/dev/null",
];

fn refused(status: u16, reason: &str) -> Action {
    Action::Status {
        status,
        reason: reason.to_owned(),
        body: Some(json!({ "data": null, "message": "no" }).to_string()),
        headers: Vec::new(),
        after: false,
    }
}

/// Does it for each failure at the same time, on a stage of its own: most of it is waiting.
fn for_each_failure(given: Given, body: impl Fn(&str, Action, &Watched) + Sync) {
    let body = &body;
    thread::scope(|scope| {
        for (what, action) in failures() {
            scope.spawn(move || body(what, action, &Watched::new(given)));
        }
    });
}

/// What can go wrong with any call of either side.
fn failures() -> Vec<(&'static str, Action)> {
    vec![
        ("401", refused(401, "Authentication failed!")),
        ("403", refused(403, "Permission check failed (/vms/100, VM.PowerMgmt)")),
        ("429", Action::too_many(1)),
        ("500", refused(500, "internal error")),
        ("596", Action::status(596, "Connection timed out")),
        ("redirect", Action::redirect("http://127.0.0.1:9/elsewhere")),
        ("garbled", Action::Garble),
        ("cut", Action::Cut { at: 3 }),
        ("dropped", Action::DropBefore),
        ("another body", Action::Body { body: "<html>what is this</html>".to_owned() }),
        ("false length", Action::FalseLength { length: 9_999_999 }),
    ]
}

#[test]
fn no_secret_is_shown_while_all_goes_well() {
    for given in [Given::ByFile, Given::InTheConfiguration, Given::InTheEnvironment] {
        let watched = Watched::new(given);
        watched.run("sound", &HELP);
        watched.run_all("sound");
        watched.run_daemon("sound", |daemon| {
            daemon.until("the guest runs", || watched.stage.runs(100));
            daemon.until("a report", || watched.stage.reports().len() >= 2);
            // A changed configuration, and one that is not in order.
            watched.configure(|config| config["limits"] = json!({"power": 2}));
            daemon.signal("HUP");
            daemon.until("one more report", || watched.stage.reports().len() >= 3);
            write(&watched.stage.config_file(), &format!("{{ \"hub\": {{ \"api_key\": \"{KEY}"));
            daemon.signal("HUP");
            daemon.says("the old one stays in force");
        });
    }
}

#[test]
fn no_secret_is_shown_by_a_daemon_whose_every_call_fails() {
    for given in [Given::ByFile, Given::InTheEnvironment] {
        for_each_failure(given, |what, action, watched| {
            let Stage { node, hub, .. } = &watched.stage;
            node.fault(Rule::new(action.clone()));
            hub.fault(Rule::new(action));
            watched.run_daemon(what, |daemon| {
                daemon.says("did not arrive");
                daemon.until("it asks the node", || node.calls().len() >= 3);
            });
        });
    }
}

#[test]
fn no_secret_is_shown_by_a_command_whose_every_call_fails() {
    for_each_failure(Given::ByFile, |what, action, watched| {
        watched.stage.node.fault(Rule::new(action.clone()));
        watched.stage.hub.fault(Rule::new(action));
        watched.run_all(what);
    });
}

#[test]
fn no_secret_is_shown_when_only_the_changes_fail() {
    for_each_failure(Given::ByFile, |what, action, watched| {
        for method in ["PUT", "POST", "DELETE"] {
            watched.stage.node.fault(Rule::new(action.clone()).method(method));
        }
        watched.run_daemon(what, |daemon| {
            daemon.until("it tried", || !watched.stage.mutations().is_empty());
            watched.stage.looks(daemon, 1);
        });
        let ended = Ended::of(&mut watched.command(&["selftest", "task", "--vmid", "101"]));
        assert_clean_end(what, &ended);
    });
}

/// A proxy in between that shows what it was sent, as debugging ones do: status line, body and `Location`.
#[test]
fn no_secret_is_repeated_after_somebody_who_repeats_it() {
    let echo = |status, secret| Action::Status {
        status,
        reason: format!("you sent {secret}"),
        body: Some(json!({ "data": null, "message": secret, "errors": { "x": secret } }).to_string()),
        headers: vec![("Location".to_owned(), format!("https://elsewhere.example/{secret}?k={secret}"))],
        after: false,
    };
    for status in [302, 400, 401, 403, 500, 595] {
        let watched = Watched::new(Given::ByFile);
        watched.stage.node.fault(Rule::new(echo(status, TOKEN)));
        watched.stage.hub.fault(Rule::new(echo(status, KEY)));
        watched.run_all(&format!("echo {status}"));
        watched.run_daemon(&format!("echo {status}"), |daemon| {
            daemon.says("did not arrive");
            daemon.until("it asks the node", || watched.stage.node.calls().len() >= 3);
        });
    }
    // Also where an answer was expected.
    let watched = Watched::new(Given::ByFile);
    watched.stage.node.fault(Rule::new(Action::Body { body: format!("{{\"data\":\"{TOKEN}\"}}") }));
    watched.stage.hub.fault(Rule::new(Action::Body { body: format!("\"{KEY}\"") }));
    watched.run_all("echo as data");
}

#[test]
fn no_secret_goes_to_somebody_with_another_certificate() {
    let watched = Watched::new(Given::ByFile);
    let zeros = "00".repeat(32);
    watched.configure(|config| config["hub"]["pin_sha256"] = json!(zeros));
    watched.stage.node.rotate_certificate(TlsChoice::SelfSigned);
    watched.run_all("wrong pins");
    watched.run_daemon("wrong pins", |daemon| daemon.says("did not arrive"));
    assert_eq!((watched.stage.node.calls().len(), watched.stage.hub.calls().len()), (0, 0));
}

#[test]
fn no_secret_is_shown_when_the_configuration_is_wrong() {
    let mistakes: Vec<(&str, &str, Value)> = vec![
        ("proxmox", "token_id", json!(format!("root@pam!agent={TOKEN}"))),
        ("proxmox", "token_id", json!(TOKEN)),
        ("proxmox", "token_secret_file", json!(TOKEN)),
        ("proxmox", "token_secret", json!([TOKEN])),
        ("proxmox", "token_secret", json!(format!("two {TOKEN}"))),
        ("proxmox", "url", json!(format!("https://root:{TOKEN}@127.0.0.1"))),
        ("hub", "api_key_file", json!(KEY)),
        ("hub", "url", json!(format!("https://user:{KEY}@hub.example"))),
        ("hub", "api_key", json!({ KEY: KEY })),
        ("hub", "key", json!(KEY)),
        ("api_key", "hub", json!(KEY)),
    ];
    for (section, key, value) in mistakes {
        let watched = Watched::new(Given::InTheConfiguration);
        watched.configure(|config| config[section][key] = value);
        watched.run_all(&format!("{section}.{key}"));
    }
}

#[test]
fn no_secret_is_shown_when_a_secret_stands_where_a_document_should() {
    let watched = Watched::new(Given::ByFile);
    let quoted = watched.stage.write("quoted", &format!("\"{KEY}\""));
    let ended = Ended::of(watched.stage.bare().args(["config", "check", "--config"]).arg(quoted));
    assert_clean_end("quoted", ended.expect(78, &["found a text"]));
    for path in [watched.stage.path("key"), watched.stage.path("token")] {
        let name = path.to_str().expect("a path of ours");
        for command in ["config check", "config show", "plan", "daemon"] {
            let arguments: Vec<&str> = command.split_whitespace().collect();
            let ended = Ended::of(watched.stage.bare().args(["--config", name]).args(arguments));
            assert_eq!(ended.code, Some(78), "{ended:?}");
            assert_clean_end(command, &ended);
        }
        watched.configure(|config| config["desired"]["file"] = json!(name));
        assert_clean_end("plan", &watched.stage.run(&["plan"]));
        assert_clean_end("selftest", &watched.stage.run(&["selftest"]));
        assert_clean_end("pin", &watched.stage.run(&["pin", name]));
        watched.configure(|config| {
            let proxmox = config["proxmox"].as_object_mut().expect("an object");
            proxmox.remove("pin_sha256");
            proxmox.insert("ca_file".to_owned(), json!(name));
        });
        assert_clean_end("plan", &watched.stage.run(&["plan"]));
    }
}

#[test]
fn no_secret_is_taken_as_an_argument() {
    let watched = Watched::new(Given::ByFile);
    for (flag, parts) in [
        (format!("hub.api_key={KEY}"), ["FELHOM_AGENT_HUB_API_KEY", "hub.api_key_file"]),
        (
            format!("proxmox.token_secret={TOKEN}"),
            ["FELHOM_AGENT_PROXMOX_TOKEN_SECRET", "proxmox.token_secret_file"],
        ),
    ] {
        let ended = watched.stage.run(&["config", "check", "--set", &flag]);
        ended.expect(78, &parts);
        assert_clean_end("--set", &ended);
    }
}
