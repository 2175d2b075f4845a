//! The local socket of the real daemon: every call, who may make it, and clients that misbehave.

use std::fs;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::daemon::{running, until_memory};
use crate::schema::Schema;
use crate::stage::{Daemon, Ended, HUB_KEY, Stage, lxc, program};

mod metrics;
mod operations;

/// One answer, as it stood on the wire.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    fn header(&self, name: &str) -> Option<&str> {
        let line = self.head.lines().find(|line| line.to_lowercase().starts_with(&format!("{name}:")));
        line.and_then(|line| line.split_once(": ")).map(|(_, value)| value)
    }

    fn error(&self) -> &str {
        let code = self.body.split("\"code\":\"").nth(1).and_then(|rest| rest.split('"').next());
        code.unwrap_or_else(|| panic!("no error: {self:?}"))
    }
}

fn connect(path: &Path) -> UnixStream {
    let stream = UnixStream::connect(path).expect("the daemon listens");
    stream.set_read_timeout(Some(Duration::from_secs(60))).expect("it is a socket");
    stream
}

/// Reads one answer, and not a byte more.
fn answer(stream: &mut UnixStream) -> Answer {
    let mut bytes = Vec::new();
    let mut byte = [0];
    while !bytes.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).unwrap_or_else(|error| panic!("{error} after {bytes:?}"));
        bytes.push(byte[0]);
    }
    let head = String::from_utf8(bytes).expect("a head is text");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    let mut answer = Answer { status, head, body: String::new() };
    let length = answer.header("content-length").map_or(0, |length| length.parse().expect("a length"));
    let mut body = vec![0; length];
    stream.read_exact(&mut body).expect("the body is as long as it says");
    answer.body = String::from_utf8(body).expect("a body is text");
    answer
}

fn raw(path: &Path, request: &[u8]) -> Answer {
    let mut stream = connect(path);
    // Who has heard enough has answered, and reads no more.
    stream.write_all(request).ok();
    answer(&mut stream)
}

/// Asked again where control was too busy to answer: its answer is waited for 2 s, which a slow disk can take for one record.
pub(crate) fn get(stage: &Stage, target: &str) -> Answer {
    let request = format!("GET {target} HTTP/1.1\r\nHost: x\r\nUser-Agent: curl/8\r\nAccept: */*\r\n\r\n");
    let deadline = Instant::now() + Duration::from_secs(120);
    loop {
        let answer = raw(&stage.socket(), request.as_bytes());
        if !answer.body.contains("\"control_silent\"") || Instant::now() > deadline {
            return answer;
        }
    }
}

pub(crate) fn post(stage: &Stage, target: &str, body: &[u8]) -> Answer {
    post_to(&stage.socket(), target, body)
}

pub(crate) fn post_to(socket: &Path, target: &str, body: &[u8]) -> Answer {
    let head = format!("POST {target} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n", body.len());
    raw(socket, &[head.as_bytes(), body].concat())
}

/// How often the daemon has looked at the node; none while it does not listen yet.
fn looks(stage: &Stage) -> u64 {
    if UnixStream::connect(stage.socket()).is_err() {
        return 0;
    }
    get(stage, "/v1/status").json()["local"]["looks"].as_u64().expect("a count")
}

/// A daemon that has looked at a node with one guest in order, one held, and one that is refused.
fn settled() -> (Stage, Daemon) {
    let stage = Stage::new(|_| {});
    let refused = json!({"id": "odd", "kind": "lxc_guest", "spec": {"vmid": 102, "nonsense": 1}});
    stage.desire(
        3,
        &json!([lxc(101, json!({"memory_mb": 256})), lxc(107, json!({"memory_mb": 256})), refused]),
    );
    let daemon = stage.daemon();
    until_memory(&stage, &daemon, "256");
    daemon.says("guest-101 (lxc/101) is in order");
    daemon.says("guest-107 (lxc/107) is held");
    (stage, daemon)
}

#[test]
fn the_status_says_what_the_hub_is_told_and_what_only_this_machine_is() {
    let (stage, daemon) = settled();
    daemon.until("a report", || get(&stage, "/v1/status").json()["local"]["reports"]["arrived"] != json!(0));
    let got = get(&stage, "/v1/status");
    assert_eq!((got.status, got.header("content-type")), (200, Some("application/json")));
    let mut status = got.json();
    let local = status.as_object_mut().and_then(|status| status.remove("local")).expect("it is there");
    assert_eq!(Schema::agent_status().faults(&status), Vec::<String>::new());
    assert_eq!(Schema::local().faults(&local), Vec::<String>::new());
    assert_eq!(status["resources"]["guest-101"]["state"], json!("ready"));
    assert_eq!(status["resources"]["guest-107"]["state"], json!("held"));
    assert_eq!(local["pid"], json!(daemon.id()));
    assert_eq!(local["proxmox"]["state"], json!("reachable"));
    assert_eq!(local.get("halt"), None);
    daemon.stop();
}

#[test]
fn a_kill_switch_is_told_with_how_to_lift_it() {
    let stage = Stage::new(|_| {});
    let switch = stage.write("stop", "");
    stage.configure(|config| config["ops"]["kill_switch"] = json!(switch));
    let daemon = stage.daemon();
    daemon.until("it has looked", || looks(&stage) > 0);
    let halt = get(&stage, "/v1/status").json()["local"]["halt"].clone();
    assert_eq!(halt["by"], json!("kill_switch"));
    assert!(halt["remedy"].as_str().is_some_and(|text| text.contains(switch.to_str().unwrap())), "{halt}");
    stage.run(&["status"]).expect(0, &["changes   stopped: the kill switch", "to go on: remove"]);
    daemon.stop();
}

#[test]
fn the_command_shows_the_status_and_says_the_same_in_json() {
    let (stage, daemon) = settled();
    let screen = stage.run(&["status"]);
    screen.expect(
        0,
        &["felhom-agent 0.1.0 on host-1", "changes   allowed", "reachable", "lock: ", "to go on: "],
    );
    assert!(!screen.stdout.contains('\u{1b}'), "no terminal, no colour: {}", screen.stdout);
    let printed = stage.run(&["status", "--json"]).json(0);
    assert_eq!(printed["resources"], get(&stage, "/v1/status").json()["resources"]);
    assert_eq!(printed["local"]["pid"], json!(daemon.id()));
    // The socket is enough: neither the configuration nor its secrets.
    let at = stage.socket();
    let asked = Ended::of(stage.bare().args(["status", "--socket"]).arg(&at));
    asked.expect(0, &["changes   allowed"]);
    daemon.stop();
    let alone = stage.run(&["status"]);
    alone.expect(75, &["no daemon answers at", at.to_str().unwrap(), "systemctl status felhom-agent"]);
    stage.run(&["status", "--set", "agent.socket=none"]).expect(78, &["agent.socket is none"]);
}

#[test]
fn the_status_is_watched_through_a_restart_of_the_daemon_until_nobody_reads() {
    let (stage, daemon) = settled();
    let mut command = stage.command(&["status", "--watch"]);
    let mut watching = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(watching.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.any(|line| line.contains(&format!("process {}", daemon.id()))));
    daemon.stop();
    assert!(lines.any(|line| line.contains("no daemon answers at")));
    let daemon = stage.daemon();
    assert!(lines.any(|line| line.contains(&format!("process {}", daemon.id()))));
    drop(lines);
    assert_eq!(watching.wait().unwrap().code(), Some(0));
    daemon.stop();
}

#[test]
fn the_plan_is_the_one_that_the_command_prints() {
    let (stage, daemon) = settled();
    let printed = stage.run(&["plan", "--json"]).json(0);
    // The last look may be from before the last change, and says how old it is.
    daemon.until("the same plan", || get(&stage, "/v1/plan").json() == printed);
    let got = get(&stage, "/v1/plan");
    assert!(got.header("age").is_some_and(|age| age.parse::<u64>().is_ok()), "{got:?}");
    daemon.stop();
}

#[test]
fn a_resource_is_explained_by_its_id_and_by_its_number() {
    let (stage, daemon) = settled();
    for name in ["guest-107", "107", "%67uest-107"] {
        let told = get(&stage, &format!("/v1/explain/{name}")).json();
        assert_eq!(told["resource"], json!("guest-107"), "{name}");
        assert_eq!(told["status"]["hold"]["reason"], json!("lock"));
        assert_eq!(told["plan"]["guest"], json!("lxc/107"));
        assert!(told["text"].as_str().is_some_and(|text| text.contains("held (lock)")), "{told}");
    }
    let refused = get(&stage, "/v1/explain/odd").json();
    assert_eq!(refused["status"]["state"], json!("invalid_spec"));
    assert_eq!(refused.get("plan"), None);
    let unknown = get(&stage, "/v1/explain/nobody");
    assert_eq!((unknown.status, unknown.error()), (404, "unknown_resource"));
    assert!(unknown.body.contains("guest-101, guest-107, odd"), "{unknown:?}");
    daemon.stop();
}

#[test]
fn a_report_is_collected_for_whoever_asks_and_the_hub_s_are_counted_apart() {
    let (stage, daemon) = settled();
    daemon.until("the hub has its first report", || stage.reports().len() == 1);
    for seq in 1..=2 {
        let report = get(&stage, "/v1/report").json();
        assert_eq!(Schema::host_report().faults(&report), Vec::<String>::new());
        assert_eq!(
            (&report["seq"], &report["complete"]),
            (&json!(seq), &json!(true)),
            "{}",
            report["problems"]
        );
        assert_eq!(report["guests"].as_array().map(Vec::len), Some(10));
        assert_eq!(report["guests"][0]["managed"], json!(false), "{report}");
    }
    assert_eq!(stage.reports().len(), 1, "nothing was sent");
    daemon.stop();
}

#[test]
fn whoever_asks_to_reconcile_does_not_wait_for_the_next_look() {
    let stage = Stage::new(|_| {});
    stage.configure(|config| {
        config["agent"]["reconcile_seconds"] = json!(3600);
        config["desired"]["poll_seconds"] = json!(3600);
    });
    let daemon = stage.daemon();
    daemon.until("a first look", || looks(&stage) > 0);
    stage.desire(1, &running(100));
    let answer = post(&stage, "/v1/reconcile", b"");
    assert_eq!((answer.status, answer.json()["looking"].clone()), (202, json!(true)));
    let due = answer.json()["until"].clone();
    assert!(due["looks"].as_u64() > Some(1) && due["reads"].as_u64() > Some(0), "{due}");
    daemon.until("100 runs", || stage.runs(100));
    daemon.stop();
}

#[test]
fn an_operation_that_nobody_brought_is_unknown_and_one_that_is_none_is_refused() {
    let (stage, daemon) = settled();
    let unknown = get(&stage, "/v1/ops/01930000-0000-7000-8000-000000000001");
    assert_eq!((unknown.status, unknown.error()), (404, "unknown_op"));
    assert_eq!(get(&stage, "/v1/ops/nonsense").status, 400);
    daemon.stop();
}

#[test]
fn no_answer_holds_a_secret() {
    let (stage, daemon) = settled();
    for target in
        ["/v1/status", "/v1/plan", "/v1/explain/odd", "/v1/explain/107", "/v1/report", "/metrics", "/nothing"]
    {
        let answer = get(&stage, target);
        for secret in [HUB_KEY, stage.node.token().1] {
            assert!(!answer.body.contains(secret) && !answer.head.contains(secret), "{target}");
        }
    }
    daemon.stop();
}

#[test]
fn health_is_control_s_answer() {
    let (stage, daemon) = settled();
    let got = get(&stage, "/healthz");
    assert_eq!((got.status, got.body.as_str()), (200, "ok\n"));
    daemon.stop();
}

#[test]
fn what_cannot_be_answered_is_said_as_json_with_a_code() {
    let (stage, daemon) = settled();
    let ask = |request: &str| raw(&stage.socket(), request.as_bytes());
    for (request, status, code) in [
        ("GET /nothing HTTP/1.1\r\n\r\n", 404, "not_found"),
        ("DELETE /v1/status HTTP/1.1\r\n\r\n", 405, "method_not_allowed"),
        ("GET /v1/ops HTTP/1.1\r\n\r\n", 405, "method_not_allowed"),
        ("nonsense\r\n\r\n", 400, "bad_request"),
        ("GET /v1/status HTTP/1.1\r\nExpect: more\r\n\r\n", 417, "expectation"),
        ("POST /v1/ops HTTP/1.1\r\nContent-Length: 65537\r\n\r\n", 413, "TooLarge"),
    ] {
        let answer = ask(request);
        assert_eq!((answer.status, answer.error()), (status, code), "{request}");
        assert_eq!(answer.header("allow").is_some(), status == 405, "{request}");
    }
    let large = format!("GET /v1/status HTTP/1.1\r\nx: {}\r\n\r\n", "y".repeat(8 * 1024));
    assert_eq!(ask(&large).status, 431);
    daemon.stop();
}

#[test]
fn a_connection_is_kept_for_more_and_a_head_has_no_body() {
    let (stage, daemon) = settled();
    let mut stream = connect(&stage.socket());
    stream.write_all(b"GET /healthz HTTP/1.1\r\n\r\nGET /nothing HTTP/1.1\r\n\r\n").unwrap();
    assert_eq!((answer(&mut stream).status, answer(&mut stream).status), (200, 404));
    stream
        .write_all(b"POST /v1/reconcile HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
        .unwrap();
    assert_eq!(answer(&mut stream).status, 100);
    stream.write_all(b"{}GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n").unwrap();
    assert_eq!((answer(&mut stream).status, answer(&mut stream).status), (202, 200));
    assert_eq!(stream.read(&mut [0]).unwrap(), 0, "it was the last");

    let mut stream = connect(&stage.socket());
    stream.write_all(b"HEAD /v1/status HTTP/1.0\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    assert!(text.starts_with("HTTP/1.1 200 OK\r\n") && text.ends_with("\r\n\r\n"), "{text}");
    daemon.stop();
}

#[test]
fn a01_a_body_that_is_too_large_or_endless_is_refused_and_the_connection_dropped() {
    let (stage, daemon) = settled();
    let at = stage.socket();
    let exact = post(&stage, "/v1/ops", &vec![b'x'; 64 * 1024]);
    assert_ne!(exact.error(), "TooLarge", "that many are read: {exact:?}");
    for head in ["Content-Length: 65537", "Content-Length: 1073741824", "Transfer-Encoding: chunked"] {
        let mut stream = connect(&at);
        stream.write_all(format!("POST /v1/ops HTTP/1.1\r\n{head}\r\n\r\n").as_bytes()).unwrap();
        let mut sending = stream.try_clone().unwrap();
        let sender = std::thread::spawn(move || {
            let chunk = format!("400\r\n{}\r\n", "x".repeat(0x400));
            // Ends only because the other end is gone.
            while sending.write_all(chunk.as_bytes()).is_ok() {}
        });
        let refused = answer(&mut stream);
        assert_eq!((refused.status, refused.error()), (413, "TooLarge"), "{head}");
        assert_eq!(refused.header("connection"), Some("close"));
        sender.join().unwrap();
    }
    assert_eq!(stage.mutation_lines().iter().filter(|line| !line.contains("/101/")).count(), 0);
    daemon.stop();
}

#[test]
fn a02_an_operation_that_drips_is_slow_and_others_are_served_meanwhile() {
    let (stage, daemon) = settled();
    let mut stream = connect(&stage.socket());
    stream.write_all(b"POST /v1/ops HTTP/1.1\r\nContent-Length: 1000\r\n\r\n").unwrap();
    let mut dripping = stream.try_clone().unwrap();
    let drip = std::thread::spawn(move || {
        while dripping.write_all(b"x").is_ok() {
            std::thread::sleep(Duration::from_secs(1));
        }
    });
    assert_eq!(get(&stage, "/healthz").status, 200);
    let refused = answer(&mut stream);
    assert_eq!((refused.status, refused.error()), (408, "Slow"));
    drip.join().unwrap();
    daemon.stop();
}

#[test]
fn one_connection_too_many_is_told_so_and_a_place_becomes_free_again() {
    let (stage, daemon) = settled();
    let held: Vec<UnixStream> = (0..16)
        .map(|_| {
            let mut stream = connect(&stage.socket());
            stream.write_all(b"GET /healthz HTTP/1.1\r\n\r\n").unwrap();
            assert_eq!(answer(&mut stream).status, 200);
            stream
        })
        .collect();
    let refused = get(&stage, "/healthz");
    assert_eq!((refused.status, refused.error()), (503, "busy"));
    drop(held);
    daemon.until("there is room", || get(&stage, "/healthz").status == 200);
    daemon.stop();
}

/// Open files and threads of a process.
fn held_by(daemon: &Daemon) -> (usize, usize) {
    let count = |what: &str| fs::read_dir(format!("/proc/{}/{what}", daemon.id())).unwrap().count();
    (count("fd"), count("task"))
}

#[test]
fn a_thousand_connections_leave_nothing_behind() {
    let stage = Stage::new(|_| {});
    // Only the socket is at work.
    stage.configure(|config| {
        config["agent"]["reconcile_seconds"] = json!(3600);
        config.as_object_mut().unwrap().remove("hub");
        config["hub"] = json!({"host_id": crate::stage::HOST_ID});
    });
    let daemon = stage.daemon();
    daemon.until("it has looked", || looks(&stage) > 0);
    let mut before = (0, 0);
    daemon.until("it is calm", || std::mem::replace(&mut before, held_by(&daemon)) == before);
    for number in 0..1000 {
        let mut stream = connect(&stage.socket());
        let request: &[u8] = match number % 4 {
            0 => b"",
            1 => b"GET /heal",
            2 => b"GET /healthz HTTP/1.1\r\n\r\n",
            _ => b"POST /v1/ops HTTP/1.1\r\nContent-Length: 9\r\n\r\nx",
        };
        // Gone before it was heard, at times.
        stream.write_all(request).ok();
        if number % 8 == 2 && answer(&mut stream).status == 503 {
            continue;
        }
        if number % 3 == 0 {
            stream.shutdown(Shutdown::Write).ok();
        }
    }
    daemon.until("all of it is gone", || {
        let (files, threads) = held_by(&daemon);
        files <= before.0 + 4 && threads <= before.1 + 4
    });
    assert_eq!(get(&stage, "/healthz").status, 200);
    daemon.stop();
}

#[test]
fn a_sigterm_cuts_whoever_hangs_on_the_socket() {
    let (stage, mut daemon) = settled();
    let mut silent = connect(&stage.socket());
    let mut slow = connect(&stage.socket());
    slow.write_all(b"POST /v1/ops HTTP/1.1\r\nContent-Length: 9\r\n\r\n").unwrap();
    assert_eq!(get(&stage, "/healthz").status, 200);
    daemon.signal("TERM");
    for stream in [&mut silent, &mut slow] {
        let mut text = String::new();
        match stream.read_to_string(&mut text) {
            Ok(_) => {}
            Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
        }
        assert_eq!(text, "", "it was cut, and not waited for until it was late");
    }
    assert_eq!(daemon.end().code(), Some(0), "{}", daemon.said());
    assert!(!stage.socket().exists(), "the socket goes with the daemon");
}

#[test]
fn the_socket_of_a_daemon_that_was_killed_is_replaced() {
    let (stage, daemon) = settled();
    daemon.crash();
    assert!(fs::symlink_metadata(stage.socket()).unwrap().file_type().is_socket(), "it stays behind");
    let daemon = stage.daemon();
    daemon.until("it answers", || UnixStream::connect(stage.socket()).is_ok());
    assert_eq!(get(&stage, "/healthz").status, 200);
    daemon.stop();
}

#[test]
fn a_second_daemon_does_not_take_the_socket_of_the_first() {
    let (stage, daemon) = settled();
    stage.run(&["daemon"]).expect(73, &["another instance holds"]);
    assert_eq!(get(&stage, "/v1/status").json()["local"]["pid"], json!(daemon.id()));
    let elsewhere = format!("agent.state_dir={}", stage.path("elsewhere").display());
    let second = stage.start(stage.command(&["daemon", "--set", &elsewhere]));
    second.says("another process answers at");
    second.says("felhom-agent 0.1.0: host");
    assert_eq!(get(&stage, "/v1/status").json()["local"]["pid"], json!(daemon.id()));
    second.stop();
    assert_eq!(get(&stage, "/v1/status").json()["local"]["pid"], json!(daemon.id()));
    daemon.stop();
}

#[test]
fn the_socket_moves_with_the_configuration_and_is_not_there_when_none_is_wanted() {
    let (stage, daemon) = settled();
    let moved = stage.path("folder/moved.sock");
    stage.configure(|config| config["agent"]["socket"] = json!(moved));
    daemon.signal("HUP");
    daemon.until("it has moved", || UnixStream::connect(&moved).is_ok());
    assert_eq!(fs::metadata(&moved).unwrap().mode() & 0o777, 0o660);
    assert_eq!(fs::metadata(stage.path("folder")).unwrap().mode() & 0o027, 0);
    assert!(!stage.socket().exists());
    stage.configure(|config| config["agent"]["socket"] = json!("none"));
    daemon.signal("HUP");
    daemon.until("it is gone", || !moved.exists());
    stage.looks(&daemon, 2);
    assert!(!moved.exists() && !stage.socket().exists());
    daemon.stop();
}

/// Asks as the user `nobody`; prints the status of the answer, or `refused`.
const AS_NOBODY: &str = r#"
use Socket;
socket(my $s, PF_UNIX, SOCK_STREAM, 0) or die;
if (!connect($s, sockaddr_un($ARGV[0]))) { print "refused"; exit }
$s->autoflush(1); print $s "$ARGV[1] $ARGV[2] HTTP/1.1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
my $line = <$s>; print((split ' ', $line)[1]);
"#;

#[test]
fn another_user_reads_where_the_mode_lets_him_and_changes_nothing() {
    if fs::metadata("/proc/self").unwrap().uid() != 0 {
        println!("skipped: only root can become another user");
        return;
    }
    let (stage, daemon) = settled();
    let script = stage.write("ask.pl", &format!("use IO::Handle;{AS_NOBODY}"));
    let ask = |method: &str, target: &str| {
        let mut command = program("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "perl"]);
        Ended::of(command.arg(&script).arg(stage.socket()).args([method, target])).stdout
    };
    let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    mode(stage.folder.path(), 0o755);
    mode(&script, 0o644);
    assert_eq!(ask("GET", "/v1/status"), "refused", "the mode is 0660");
    mode(&stage.socket(), 0o666);
    assert_eq!(ask("GET", "/v1/status"), "200");
    assert_eq!(ask("GET", "/metrics"), "200");
    assert_eq!(ask("POST", "/v1/ops"), "403");
    assert_eq!(ask("POST", "/v1/reconcile"), "403");
    daemon.stop();
}
