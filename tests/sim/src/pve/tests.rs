//! The habits of the HTTP layer, over real TLS sockets.

use super::{Options, PveSim};
use crate::access::ROOT_SECRET;
use crate::server::client::{Client, Seen};
use crate::server::{Action, Rule};

fn client(sim: &PveSim) -> Client {
    Client::tls(sim.address(), &sim.ca_pem())
}

fn auth() -> String {
    format!("Authorization: PVEAPIToken=root@pam!agent={ROOT_SECRET}")
}

fn ask(sim: &PveSim, line: &str) -> Seen {
    client(sim).send(&[line, &auth()], "").expect("an answer")
}

fn put(sim: &PveSim, path: &str, kind: &str, body: &str) -> Seen {
    let line = format!("PUT {path}");
    client(sim).send(&[&line, &auth(), &format!("Content-Type: {kind}")], body).expect("an answer")
}

const FORM: &str = "application/x-www-form-urlencoded";
const CONFIG: &str = "/api2/json/nodes/pve/lxc/100/config";

#[test]
fn an_unknown_caller_gets_nothing_but_a_reason() {
    let sim = PveSim::start(Options::default());
    let seen = client(&sim).send(&["GET /api2/json/version"], "").unwrap();
    assert_eq!((seen.status, seen.reason.as_str(), seen.body.as_str()), (401, "No ticket", ""));
    assert!(seen.all("Content-Length").is_empty() && seen.all("Content-Type").is_empty());
    assert_eq!(seen.all("Connection"), ["close"]);
    let wrong =
        client(&sim).send(&["GET /api2/json/version", "Authorization: PVEAPIToken=root@pam!agent=x"], "");
    assert_eq!(wrong.unwrap().reason, "Authentication failed!");
}

#[test]
fn a_proxied_answer_has_two_connection_headers_and_is_kept() {
    let sim = PveSim::start(Options::default());
    let mut client = client(&sim);
    for (path, expected) in [("lxc", vec!["close", "Keep-Alive"]), ("lxc/100/config", vec!["Keep-Alive"])] {
        let line = format!("GET /api2/json/nodes/pve/{path}");
        let seen = client.send(&[&line, &auth()], "").unwrap();
        assert_eq!((seen.status, seen.all("Connection")), (200, expected), "{path}");
        assert_eq!(seen.all("Content-Type"), ["application/json;charset=UTF-8"]);
    }
    assert_eq!(sim.connections().0, 1);
}

#[test]
fn refusals_in_the_nodes_own_words() {
    let sim = PveSim::start(Options::default());
    let table = [
        ("GET /api2/json/nosuch", 501, "Method 'GET /nosuch' not implemented"),
        (
            "GET /api2/json/nodes/pve/lxc/999/config",
            500,
            "Configuration file 'nodes/pve/lxc/999.conf' does not exist",
        ),
        ("GET /api2/json/nodes/pve/lxc/99/config", 400, "Parameter verification failed."),
        (
            "GET /api2/json/nodes/nosuch/lxc",
            500,
            "hostname lookup 'nosuch' failed - failed to get address info for: nosuch: Name or service not known",
        ),
        ("PATCH /api2/json/version", 501, "method 'PATCH' not available"),
        ("HEAD /api2/json/version", 501, "method 'HEAD' not available"),
        ("GET //api2/json//nodes/localhost/lxc/100/config/", 200, "OK"),
    ];
    for (line, status, reason) in table {
        let seen = ask(&sim, line);
        assert_eq!((seen.status, seen.reason.as_str()), (status, reason), "{line}");
        if status >= 400 {
            assert_eq!(seen.all("Connection"), ["close"], "{line}");
        }
    }
    let limited = "Authorization: PVEAPIToken=agent@pve!none=55555555-5555-4555-8555-555555555555";
    let seen = client(&sim).send(&["GET /api2/json/nodes/pve/lxc/999/config", limited], "").unwrap();
    assert_eq!((seen.status, seen.reason.as_str()), (403, "Permission check failed (/vms/999, VM.Audit)"));
    assert_eq!(seen.json()["message"], "Permission check failed (/vms/999, VM.Audit)\n");
}

#[test]
fn every_bad_parameter_is_listed() {
    let sim = PveSim::start(Options::default());
    let unknown = "property is not defined in schema and the schema does not allow additional properties";
    let table: [(&str, &[(&str, &str)]); 14] = [
        (
            "nosuchoption=1&cores=x",
            &[("cores", "type check ('integer') failed - got 'x'"), ("nosuchoption", unknown)],
        ),
        ("onboot=true", &[("onboot", "type check ('boolean') failed - got 'true'")]),
        ("memory=128;memory=256", &[("memory", "type check ('integer') failed - got ARRAY")]),
        ("memory=8", &[("memory", "value must have a minimum value of 16")]),
        ("cores=99999", &[("cores", "value must have a maximum value of 8192")]),
        ("tags=a+b%21c", &[("tags", "invalid format - invalid characters in tag\n")]),
        ("startup=0", &[("startup", "invalid format - unable to parse startup options\n")]),
        (
            "hostname=bad_name",
            &[("hostname", "invalid format - value does not look like a valid DNS name\n")],
        ),
        (
            "nameserver=not-an-ip",
            &[("nameserver", "invalid format - value does not look like a valid IP address\n")],
        ),
        (
            "net0=bridge%3Dvmbr0",
            &[(
                "net0",
                "invalid format - format error\nnet0.name: property is missing and it is not optional\n",
            )],
        ),
        (
            "net0=name%3Deth0%2Cbridge%3Dvmbr0%2Cbogus%3D1",
            &[(
                "net0",
                "invalid format - format error\nnet0.bogus: property is not defined in schema and the schema does not allow additional properties\n",
            )],
        ),
        (
            "mp1=store%3A0.1%2Cmp%3D..%2Fx",
            &[(
                "mp1",
                "invalid format - format error\nmp1.mp: invalid format - ../x contains illegal character sequences\n\n",
            )],
        ),
        (
            "unused0=x",
            &[(
                "unused0",
                "invalid format - format error\nunused0.volume: invalid format - unable to parse volume ID 'x'\n\n",
            )],
        ),
        (
            "digest=0123456789012345678901234567890123456789x",
            &[("digest", "value may only be 40 characters long")],
        ),
    ];
    for (body, expected) in table {
        let seen = put(&sim, CONFIG, FORM, body);
        assert_eq!(seen.reason, "Parameter verification failed.", "{body}");
        let expected: serde_json::Map<String, serde_json::Value> =
            expected.iter().map(|&(name, text)| (name.to_owned(), text.into())).collect();
        assert_eq!(seen.json()["errors"], serde_json::Value::Object(expected), "{body}");
        assert_eq!(seen.json()["message"], "Parameter verification failed.\n");
    }
    let seen = put(&sim, "/api2/json/nodes/pve/qemu/201/config", FORM, "memory=8");
    let text = "invalid format - format error\nmemory.current: value must have a minimum value of 16\n";
    assert_eq!(seen.json()["errors"]["memory"], text);
}

#[test]
fn bodies_as_the_server_takes_them() {
    let sim = PveSim::start(Options::default());
    assert_eq!(put(&sim, CONFIG, "application/json", r#"{"onboot":true,"memory":192}"#).status, 200);
    let config = ask(&sim, &format!("GET {CONFIG}")).json();
    assert_eq!((&config["data"]["onboot"], &config["data"]["memory"]), (&1.into(), &192.into()));
    assert_eq!(ask(&sim, &format!("PUT {CONFIG}?memory=256")).status, 200);
    assert_eq!(put(&sim, CONFIG, "text/plain", "x").status, 506);
    let broken = put(&sim, CONFIG, "application/json", r#"{"memory":"#);
    assert!(broken.status == 500 && broken.reason.starts_with("malformed JSON string"), "{broken:?}");
    let line = format!("DELETE {CONFIG}");
    let seen = client(&sim).send(&[&line, &auth()], "memory=1").unwrap();
    assert_eq!(seen.reason, "Unexpected content for method 'DELETE'");
    let large = "x".repeat(512 * 1024 + 1);
    assert_eq!(put(&sim, CONFIG, FORM, &large).reason, "for data too large");
    let line = format!("PUT {CONFIG}");
    let chunked = client(&sim).send(&[&line, &auth(), "Transfer-Encoding: chunked"], "").unwrap();
    assert_eq!(chunked.reason, "chunked transfer encoding not supported");
    assert!(
        client(&sim).send(&["GET /api2/json/version", &format!("X: {}", "y".repeat(9000))], "").is_none()
    );
    let moved = Client::plain(sim.address()).send(&["GET /api2/json/version"], "").unwrap();
    assert_eq!((moved.status, moved.all("Location")), (301, vec!["https://sim/api2/json/version"]));
}

#[test]
fn what_is_down_answers_as_it_does() {
    let sim = PveSim::start(Options::default());
    sim.conditions(|conditions| conditions.pvedaemon_down = true);
    for (path, status) in [("version", 200), ("nodes/pve/lxc", 595), ("nodes/pve/lxc/100/config", 200)] {
        assert_eq!(ask(&sim, &format!("GET /api2/json/{path}")).status, status, "{path}");
    }
    sim.conditions(|conditions| {
        conditions.pvedaemon_down = false;
        conditions.pmxcfs_down = true;
    });
    let seen = client(&sim).send(&["GET /api2/json/version"], "").unwrap();
    assert!(seen.status == 500 && seen.body.is_empty() && seen.reason.starts_with("RPCEnvironment init"));
    sim.conditions(|conditions| conditions.pmxcfs_down = false);
    sim.go_down();
    assert!(std::net::TcpStream::connect(sim.address()).is_err());
    sim.come_back();
    assert_eq!(ask(&sim, "GET /api2/json/version").status, 200);
}

#[test]
fn faults_strike_before_or_after_the_work() {
    let sim = PveSim::start(Options::default());
    let memory = |sim: &PveSim| ask(sim, &format!("GET {CONFIG}")).json()["data"]["memory"].clone();
    sim.fault(Rule::new(Action::DropBefore).method("PUT").once());
    let line = format!("PUT {CONFIG}");
    let form = format!("Content-Type: {FORM}");
    assert!(client(&sim).send(&[&line, &auth(), &form], "memory=300").is_none());
    assert_eq!(memory(&sim), 128);
    sim.fault(Rule::new(Action::DropAfter).method("PUT").once());
    assert!(client(&sim).send(&[&line, &auth(), &form], "memory=301").is_none());
    assert_eq!(memory(&sim), 301);
    sim.fault(Rule::new(Action::refusal(500, "bridge 'vmbr7' does not exist", true)).method("PUT").once());
    assert_eq!(put(&sim, CONFIG, FORM, "memory=302").reason, "bridge 'vmbr7' does not exist");
    assert_eq!(memory(&sim), 302);
    sim.fault(Rule::new(Action::status(596, "Connection timed out")).path("/version").once());
    let seen = ask(&sim, "GET /api2/json/version");
    assert!(seen.status == 596 && seen.all("Content-Length").is_empty());
    for action in [Action::Cut { at: 5 }, Action::FalseLength { length: 9999 }] {
        sim.fault(Rule::new(action).path("/version").once());
        assert!(client(&sim).send(&["GET /api2/json/version", &auth()], "").is_none());
    }
    let lines: Vec<(String, bool, Option<u16>)> =
        sim.calls().iter().take(3).map(|call| (call.line(), call.worked, call.status)).collect();
    let config = "/nodes/pve/lxc/100/config";
    assert_eq!(lines[0], (format!("PUT {config}"), false, Some(0)));
    assert_eq!(lines[2], (format!("PUT {config}"), true, Some(0)));
}

#[test]
fn the_admin_address_does_the_same_from_outside() {
    let sim = PveSim::start(Options::default());
    let address = sim.admin_url()["http://".len()..].parse().unwrap();
    let mut admin = Client::plain(address);
    let rule =
        r#"{"path":"/version","count":1,"action":"status","status":595,"reason":"Connection refused"}"#;
    assert_eq!(admin.send(&["POST /faults"], rule).unwrap().json()["id"], 1);
    assert_eq!(ask(&sim, "GET /api2/json/version").status, 595);
    let calls = admin.send(&["GET /calls"], "").unwrap().json();
    assert_eq!((&calls[0]["path"], &calls[0]["status"]), (&"/version".into(), &595.into()));
    assert!(!calls.to_string().contains(ROOT_SECRET));
    let edit = r#"{"set":{"cores":"7"},"running":true}"#;
    assert_eq!(admin.send(&["POST /guests/100"], edit).unwrap().status, 200);
    assert_eq!(ask(&sim, &format!("GET {CONFIG}")).json()["data"]["cores"], 7);
    assert_eq!(admin.send(&["POST /conditions"], r#"{"pvedaemon_down":true}"#).unwrap().status, 200);
    assert_eq!(ask(&sim, "GET /api2/json/nodes/pve/lxc").status, 595);
    assert_eq!(admin.send(&["POST /world"], r#"{"nonsense":1}"#).unwrap().status, 400);
    let old = sim.pin();
    assert_eq!(admin.send(&["POST /certificate"], "{}").unwrap().status, 200);
    assert_ne!(sim.pin(), old);
}
