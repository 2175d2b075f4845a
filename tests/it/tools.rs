//! The tools of whoever signs operations, as processes: from the key over the draft at the node to the verdict; and that
//! passphrase and private key appear nowhere on the way.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Stdio;

use felhom_sim::sign::{self, Key, Order};
use serde_json::{Value, json};

use crate::cli::words;
use crate::stage::{Daemon, Ended, HOST_ID, Stage, lxc, program, write};

mod evidence;

const PASSPHRASE: &str = "c4n4ry-0f-the-passphrase-77aa";

/// A stage on which somebody has a key, and the host a keyring that knows it.
struct Desk {
    stage: Stage,
}

impl Desk {
    fn new() -> Self {
        let desk = Self { stage: Stage::new(|_| {}) };
        desk.stage.secret("passphrase", PASSPHRASE);
        desk.key("anna", "custodian");
        desk.keep("keyring", &["keyring", "draft", "--add", "anna.json"]);
        desk
    }

    fn key(&self, name: &str, roles: &str) {
        let out = format!("{name}.pem");
        let line =
            ["keygen", "--out", &out, "--name", name, "--roles", roles, "--passphrase-file", "passphrase"];
        self.keep(&format!("{name}.json"), &line);
    }

    /// Runs what must succeed and keeps what it prints in a file, as `>` does.
    fn keep(&self, name: &str, arguments: &[&str]) -> Ended {
        let ended = self.stage.run(arguments);
        ended.expect(0, &[]);
        write(&self.stage.path(name), &ended.stdout);
        ended
    }

    fn draft(&self, line: &str) -> Ended {
        let mut arguments = vec!["op", "draft"];
        arguments.extend(words(line));
        self.keep("op.json", &arguments)
    }

    fn sign(&self, key: &str, from: &str, to: &str) -> Ended {
        let key = format!("{key}.pem");
        self.keep(to, &["op", "sign", "--key", &key, "--passphrase-file", "passphrase", from])
    }

    fn verify(&self, file: &str) -> Ended {
        let line = ["op", "verify", "--keyring", "keyring", "--host-id", HOST_ID, "--node", "pve", file];
        // Without any configuration: nothing but the files decides.
        Ended::of(self.stage.bare().args(line))
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.stage.path(name)).unwrap()
    }

    /// Brings `signed.json` to the daemon; gives its end.
    fn submitted(&self, daemon: &Daemon, op_id: &str) -> Value {
        // Within the second in which its journal was begun a host takes nothing yet.
        let mut submitted = self.stage.run(&["op", "submit", "signed.json"]);
        daemon.until("its acceptance", || {
            if submitted.stderr.contains("NotYetValid") {
                submitted = self.stage.run(&["op", "submit", "signed.json"]);
            }
            !submitted.stderr.contains("NotYetValid")
        });
        submitted.expect(0, &[op_id, "follow it with"]);
        let status = || self.stage.run(&["op", "status", "--json", op_id]);
        daemon.until("its end", || status().stdout.contains("\"ended\""));
        let status: Value = serde_json::from_str(&status().stdout).expect("JSON");
        status["end"].clone()
    }

    fn code(&self, file: &str) -> String {
        let verdict = self.verify(file).json(1);
        assert_eq!(verdict["result"], "rejected");
        verdict["code"].as_str().unwrap().to_owned()
    }
}

#[test]
fn an_operation_that_was_drafted_and_signed_is_accepted_and_not_once_it_was_touched() {
    let desk = Desk::new();
    let drafted = desk.draft("destroy --vmid 101 --purge --note ticket-4711");
    drafted.expect(0, &["drafted, not signed", "guest.destroy of lxc/101", "all its volumes"]);
    let payload: Value = serde_json::from_str(&drafted.stdout).unwrap();
    assert_eq!(payload["aud"], json!({"host_id": HOST_ID, "node": "pve"}));
    assert_eq!(payload["params"], json!({"purge": true}));
    assert_eq!(payload["guest"]["vmid"], 101);
    assert!(desk.stage.mutations().is_empty(), "a draft only reads");

    let signed = desk.sign("anna", "op.json", "signed.json");
    signed.expect(0, &["to be signed", "guest.destroy of lxc/101", "signed with the key"]);
    let accepted = desk.verify("signed.json").json(0);
    assert_eq!(accepted["result"], "accepted");
    assert_eq!(accepted["op_id"], payload["op_id"]);
    let shown = desk.stage.run(&["op", "show", "--keyring", "keyring", "signed.json"]);
    shown.expect(0, &["guest.destroy of lxc/101", "signed by: anna", "ticket-4711"]);

    let envelope: Value = serde_json::from_str(&desk.read("signed.json")).unwrap();
    let touched = |change: &dyn Fn(&mut Value)| {
        let mut touched = envelope.clone();
        change(&mut touched);
        write(&desk.stage.path("touched.json"), &touched.to_string());
        desk.code("touched.json")
    };
    let other = |text: &str| {
        let first = if text.starts_with('A') { "B" } else { "A" };
        format!("{first}{}", &text[1..])
    };
    let sig = envelope["signatures"][0]["sig"].as_str().unwrap().to_owned();
    assert_eq!(touched(&|it| it["signatures"][0]["sig"] = json!(other(&sig))), "BadSignature");
    assert_eq!(touched(&|it| it["signatures"][0]["keyid"] = json!("0".repeat(32))), "UnknownKey");
    assert_eq!(touched(&|it| it["more"] = json!(1)), "EnvelopeField");
    let another = desk.draft("destroy --vmid 107").stdout;
    write(&desk.stage.path("other.json"), another.trim_end());
    desk.sign("anna", "other.json", "other-signed.json");
    let other: Value = serde_json::from_str(&desk.read("other-signed.json")).unwrap();
    assert_eq!(touched(&|it| it["payload"] = other["payload"].clone()), "BadSignature");
}

#[test]
fn a_verdict_is_by_host_time_floor_and_role_policy() {
    let desk = Desk::new();
    desk.draft("destroy --vmid 101");
    desk.sign("anna", "op.json", "signed.json");
    write(&desk.stage.path("policy"), r#"{"v":1,"roles":{"custodian":["guest.stop_hard"]}}"#);
    let exp = serde_json::from_str::<Value>(&desk.read("op.json")).unwrap()["exp"].as_u64().unwrap();
    for (arguments, code) in [
        (format!("--host-id other --node pve --at {}", exp - 1), Some("WrongHost")),
        (format!("--host-id {HOST_ID} --node pve2"), Some("WrongHost")),
        (format!("--host-id {HOST_ID} --node pve --at {}", exp - 1), None),
        (format!("--host-id {HOST_ID} --node pve --at {exp}"), Some("Expired")),
        (format!("--host-id {HOST_ID} --node pve --floor {exp}"), Some("BelowFloor")),
        (format!("--host-id {HOST_ID} --node pve --role-policy policy"), Some("RoleNotAllowed")),
    ] {
        let line = format!("op verify --keyring keyring {arguments} signed.json");
        let ended = Ended::of(desk.stage.bare().args(words(&line)));
        let verdict = ended.json(if code.is_some() { 1 } else { 0 });
        assert_eq!(verdict["code"].as_str(), code, "{line}");
    }
    for (line, exit, part) in [
        ("op verify --keyring keyring --host-id h --node n missing", 74, "cannot read missing"),
        ("op verify --keyring missing --host-id h --node n signed.json", 74, "cannot read missing"),
        ("op verify --keyring op.json --host-id h --node n signed.json", 78, "op.json is no good keyring"),
        ("op verify --keyring keyring --host-id h signed.json", 2, "--node NAME is missing"),
    ] {
        Ended::of(desk.stage.bare().args(words(line))).expect(exit, &[part]);
    }
}

#[test]
fn what_an_independent_signer_writes_is_read_and_shown_alike() {
    let desk = Desk::new();
    let key = Key::named("ines", &["custodian"]);
    write(&desk.stage.path("keyring"), &sign::keyring(1, 1, &[&key]).to_string());
    let order = Order::new("floor.raise", "root", HOST_ID, "pve").params(json!({"iat": 1_795_000_000}));
    let envelope = order.signed(&[&key]);
    write(&desk.stage.path("theirs.json"), &envelope.text());
    assert_eq!(desk.code("theirs.json"), "RoleNotHeld");
    desk.stage.run(&["op", "show", "theirs.json"]).expect(0, &["floor.raise", "NOT CHECKED"]);
    desk.stage.run(&["op", "show", "--keyring", "keyring", "theirs.json"]).expect(1, &["RoleNotHeld"]);
}

#[test]
fn a_second_signature_is_added_and_the_same_key_signs_once() {
    let desk = Desk::new();
    desk.key("bela", "operator,root");
    desk.keep("keyring", &["keyring", "draft", "--add", "anna.json", "--add", "bela.json"]);
    desk.draft("stop-hard --vmid 101");
    desk.sign("anna", "op.json", "one.json");
    desk.sign("bela", "one.json", "two.json");
    let accepted = desk.verify("two.json").json(0);
    let names: Vec<&str> = accepted["signers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|signer| signer["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["anna", "bela"]);
    let again =
        desk.stage.run(&["op", "sign", "--key", "anna.pem", "--passphrase-file", "passphrase", "two.json"]);
    again.expect(1, &["has signed two.json already"]);
    assert_eq!(again.stdout, "");
}

#[test]
fn a_new_keyring_is_drafted_signed_and_verified_by_the_old_one() {
    let desk = Desk::new();
    desk.key("ruth", "root");
    desk.keep("keyring", &["keyring", "draft", "--add", "anna.json", "--add", "ruth.json"]);
    let anna: Value = serde_json::from_str(&desk.read("anna.json")).unwrap();
    let anna = anna["keyid"].as_str().unwrap();
    desk.keep("next", &["keyring", "draft", "--from", "keyring", "--revoke", anna])
        .expect(0, &["version 2", "REVOKED"]);
    let sign = |key: &str| {
        let line = format!(
            "keyring sign --key {key}.pem --host-id {HOST_ID} --node pve --passphrase-file passphrase next"
        );
        desk.keep("update.json", &words(&line))
    };
    sign("ruth").expect(0, &["trust.update", "REVOKED"]);
    assert_eq!(desk.verify("update.json").json(0)["kind"], "trust.update");
    sign("anna");
    assert_eq!(desk.code("update.json"), "RoleNotHeld");
    let line = ["keyring", "draft", "--from", "keyring", "--revoke", "0123456789abcdef0123456789abcdef"];
    desk.stage.run(&line).expect(1, &["there is no key 0123456789abcdef0123456789abcdef"]);
    desk.keep("lame", &["keyring", "draft", "--add", "anna.json"]).expect(0, &["0 root key(s)"]);
    desk.stage.run(&["keyring", "show", "anna.json"]).expect(78, &["anna.json is no good keyring"]);
}

#[test]
fn a_signed_operation_is_submitted_carried_out_and_followed_to_its_end() {
    let desk = Desk::new();
    desk.stage.secret("keyring.json", &desk.read("keyring"));
    desk.stage.configure(|config| desk.stage.with_ops(config));
    desk.stage.desire(1, &json!([lxc(100, json!({"run_state": "stopped"}))]));
    desk.stage.node.world(|world| world.add_backup("store", 100, 3_600));
    desk.stage.run(&words("op submit op.json")).expect(74, &["cannot read op.json"]);
    let daemon = desk.stage.daemon();
    desk.stage.listens(&daemon);
    desk.stage.looks(&daemon, 1);
    let drafted = desk.draft("destroy --vmid 100");
    let payload: Value = serde_json::from_str(&drafted.stdout).unwrap();
    let op_id = payload["op_id"].as_str().unwrap();
    desk.stage.run(&["op", "submit", "op.json"]).expect(1, &["not accepted", "EnvelopeField"]);
    desk.stage.run(&["op", "status", op_id]).expect(1, &["no operation"]);

    desk.sign("anna", "op.json", "signed.json");
    assert_eq!(desk.submitted(&daemon, op_id)["result"], "done");
    desk.stage.run(&["op", "status", op_id]).expect(0, &["ended", "guest.destroy", "lxc/100", "done"]);
    desk.stage.run(&["op", "submit", "--json", "signed.json"]).expect(0, &["done"]);
    let deletions = desk.stage.count("DELETE /nodes/pve/lxc/100");
    assert_eq!(deletions, 1, "{:?}", desk.stage.mutation_lines());
    daemon.stop();
    desk.stage.run(&["op", "status", op_id]).expect(75, &["no daemon answers"]);
}

#[test]
fn a_draft_says_what_is_missing_and_fails_where_nothing_can_be_bound() {
    let desk = Desk::new();
    desk.stage.desire(1, &json!([lxc(101, json!({"run_state": "stopped"}))]));
    desk.draft("destroy --vmid 101").expect(0, &["as things are now it would be rejected"]);
    desk.draft("unlock --vmid 101 --lock backup").expect(0, &["it will not be carried out", "pct unlock"]);
    desk.draft("limit-release --generation 3").expect(0, &["generation 3"]);
    desk.stage.run(&words("op draft destroy --vmid 9999")).expect(1, &["there is no guest 9999"]);
    desk.stage
        .run(&words("op draft rollback --vmid 101 --snapshot ../x"))
        .expect(1, &["would be refused", "PayloadValue"]);
    assert!(desk.stage.mutations().is_empty());
}

#[test]
fn a_draft_names_the_newest_backup_and_warns_of_one_that_is_too_old() {
    let desk = Desk::new();
    desk.stage.desire(1, &json!([lxc(100, json!({"run_state": "stopped"}))]));
    let add = |age_s| desk.stage.node.world(|world| world.add_backup("store", 100, age_s));
    let old = add(30 * 86_400);
    desk.draft("destroy --vmid 100").expect(0, &["EvidenceStale", "op draft destroy --vmid 100 --backup"]);
    let newest = add(3_600);
    let drafted = desk.draft("destroy --vmid 100");
    let payload: Value = serde_json::from_str(&drafted.stdout).unwrap();
    assert_eq!(payload["evidence"]["backup"]["volid"], json!(newest), "not {old}");
    assert_eq!(payload["evidence"]["backup"]["covers"], json!(["rootfs"]));
    assert!(!drafted.stderr.contains("would be rejected"), "{}", drafted.stderr);
    desk.draft("stop-hard --vmid 200").expect(0, &["NotManaged", "none is needed"]);
}

#[test]
fn what_cannot_be_read_to_the_letter_is_not_signed() {
    let desk = Desk::new();
    desk.draft("destroy --vmid 101");
    let draft = desk.read("op.json");
    for (change, part) in [
        (draft.replace("\"vmid\": 101", "\"vmid\": 101.0"), "PayloadValue"),
        (draft.replace("\"vmid\": 101", "\"vmid\": 101, \"vmid\": 107"), "PayloadDup"),
        (draft.replace("\"purge\": false", "\"purge\": false, \"force\": true"), "PayloadField"),
        (draft[..draft.len() / 2].to_owned(), "PayloadSyntax"),
        (String::new(), "PayloadSyntax"),
        (format!("{draft}{}", " ".repeat(70_000)), "TooLarge"),
    ] {
        write(&desk.stage.path("bad.json"), &change);
        // The passphrase is never asked for: the file that is named does not exist.
        let ended =
            desk.stage.run(&["op", "sign", "--key", "anna.pem", "--passphrase-file", "missing", "bad.json"]);
        ended.expect(1, &[part, "bad.json"]);
        assert_eq!(ended.stdout, "");
        desk.stage.run(&["op", "show", "bad.json"]).expect(1, &[part]);
    }
}

#[test]
fn what_is_wrong_with_a_key_or_a_passphrase_is_said() {
    let desk = Desk::new();
    desk.draft("destroy --vmid 101");
    let text = desk.read("anna.pem");
    desk.stage.secret("wrong", "another passphrase");
    desk.stage.secret("two-lines", "one\ntwo\n");
    desk.stage.secret("half.pem", &text[..text.len() / 2]);
    write(&desk.stage.path("open"), PASSPHRASE);
    write(&desk.stage.path("open.pem"), &text);
    for name in ["open", "open.pem"] {
        fs::set_permissions(desk.stage.path(name), fs::Permissions::from_mode(0o644)).unwrap();
    }
    for (key, passphrase, exit, part) in [
        ("anna.pem", "wrong", 1, "the passphrase is wrong, or the file is damaged"),
        ("anna.pem", "two-lines", 1, "expected the passphrase alone"),
        ("anna.pem", "open", 77, "chmod 0600 open"),
        ("anna.pem", "missing", 74, "cannot read the passphrase file missing"),
        ("open.pem", "passphrase", 77, "has mode 0644, so that others can read it; run: chmod 0600 open.pem"),
        ("half.pem", "passphrase", 1, "truncated"),
        ("missing.pem", "passphrase", 74, "cannot read the private key missing.pem"),
        ("op.json", "passphrase", 77, "the private key op.json has mode"),
    ] {
        fs::set_permissions(desk.stage.path("op.json"), fs::Permissions::from_mode(0o644)).unwrap();
        let line = ["op", "sign", "--key", key, "--passphrase-file", passphrase, "op.json"];
        let ended = desk.stage.run(&line);
        ended.expect(exit, &[part]);
        assert_eq!(ended.stdout, "");
    }
    let again = words("keygen --out anna.pem --name anna --passphrase-file passphrase");
    desk.stage.run(&again).expect(74, &["anna.pem exists already"]);
    assert_eq!(desk.read("anna.pem"), text);
    desk.stage.secret("short", "1234567");
    desk.stage.run(&words("keygen --out b.pem --name b --passphrase-file short")).expect(1, &["too short"]);
    assert!(!desk.stage.path("b.pem").exists());
}

#[test]
fn openssl_reads_our_keys_and_we_read_its_own() {
    let desk = Desk::new();
    let openssl = |line: &str| {
        let mut command = program("openssl");
        command.current_dir(desk.stage.folder.path()).args(words(line)).stdin(Stdio::null());
        let output = command.output().ok()?;
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
        Some(output.stdout)
    };
    let Some(public) = openssl("pkey -in anna.pem -passin file:passphrase -pubout -outform DER") else {
        return println!("skipped: there is no openssl here");
    };
    let anna: Value = serde_json::from_str(&desk.read("anna.json")).unwrap();
    assert_eq!(anna["public_key"], sign::base64(&public[public.len() - 32..]));

    openssl("genpkey -algorithm ed25519 -out plain.pem");
    desk.draft("destroy --vmid 101");
    let entry = {
        let public = openssl("pkey -in plain.pem -pubout -outform DER").unwrap();
        let public = &public[public.len() - 32..];
        json!({"keyid": sign::key_id(public), "public_key": sign::base64(public), "name": "theirs", "roles": ["custodian"],
               "not_before": 1, "not_after": 4_000_000_000_u64, "revoked": false})
    };
    write(&desk.stage.path("theirs.json"), &entry.to_string());
    desk.keep("keyring", &["keyring", "draft", "--add", "theirs.json"]);
    for form in ["-scrypt", "-v2 aes-256-cbc", "-v2 aes-256-cbc -v2prf hmacWithSHA512"] {
        openssl(&format!("pkcs8 -topk8 -in plain.pem -out theirs.pem -passout file:passphrase {form}"));
        desk.sign("theirs", "op.json", "signed.json");
        assert_eq!(desk.verify("signed.json").json(0)["signers"][0]["name"], "theirs", "{form}");
    }
    let line = "op sign --key plain.pem --passphrase-file missing op.json";
    desk.stage.run(&words(line)).expect(1, &["not encrypted"]);
}

/// What the private key is, by openssl; `None` where there is none.
fn private_key(desk: &Desk) -> Option<Vec<u8>> {
    let line = ["pkey", "-in", "anna.pem", "-passin", "file:passphrase", "-outform", "DER"];
    let output = program("openssl").current_dir(desk.stage.folder.path()).args(line).output().ok()?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(output.stdout[output.stdout.len() - 32..].to_vec())
}

#[test]
fn passphrase_and_private_key_appear_in_no_output_no_argument_and_no_environment() {
    let desk = Desk::new();
    let mut canaries = vec![PASSPHRASE.to_owned(), PASSPHRASE[5..20].to_owned()];
    match private_key(&desk) {
        Some(seed) => {
            let hex: String = seed.iter().map(|byte| format!("{byte:02x}")).collect();
            canaries.extend([hex[..16].to_owned(), hex[16..32].to_owned()]);
            canaries.push(format!("{:?}", &seed[..8]).trim_matches(['[', ']']).to_owned());
            // In each of the three places that it can have in base64.
            canaries.extend((0..3).map(|at| sign::base64(&seed[at..at + 18])));
        }
        None => println!("there is no openssl here: only the passphrase is looked for"),
    }
    let clean = |what: &str, text: &str| {
        for canary in &canaries {
            assert!(!text.contains(canary.as_str()), "{what} shows a secret: {text}");
        }
    };
    let drafted = desk.draft("destroy --vmid 101");
    desk.stage.secret("wrong", &PASSPHRASE.to_uppercase());
    let mut ends = vec![drafted, desk.sign("anna", "op.json", "signed.json"), desk.verify("signed.json")];
    for line in [
        "op show --json signed.json",
        "op sign --key anna.pem --passphrase-file wrong op.json",
        "op sign --key passphrase --passphrase-file passphrase op.json",
        "op sign --key anna.pem --passphrase-file anna.pem op.json",
        "op sign --key anna.pem --passphrase-file passphrase passphrase",
        "op show passphrase",
        "keyring show passphrase",
        "keyring draft --add passphrase",
        "op verify --keyring passphrase --host-id h --node n passphrase",
        "keygen --out anna.pem --name anna --passphrase-file passphrase",
        "keygen --out c.pem --name c --passphrase-file passphrase --roles c4n4ry-0f-the-passphrase-77aa",
    ] {
        ends.push(desk.stage.run(&words(line)));
    }
    for ended in &ends {
        clean("standard output", &ended.stdout);
        clean("standard error", &ended.stderr);
        assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
    }

    // While it waits for the passphrase on standard input, everybody can look at it.
    let mut command =
        desk.stage.command(&["op", "sign", "--key", "anna.pem", "--passphrase-file", "-", "op.json"]);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(PASSPHRASE.as_bytes()).unwrap();
    for file in ["cmdline", "environ"] {
        let shown = fs::read(format!("/proc/{}/{file}", child.id())).unwrap();
        clean(file, &String::from_utf8_lossy(&shown));
    }
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    clean("standard error", &String::from_utf8_lossy(&output.stderr));
    write(&desk.stage.path("piped.json"), &String::from_utf8(output.stdout).unwrap());
    assert_eq!(desk.verify("piped.json").json(0)["result"], "accepted");
    for file in ["signed.json", "piped.json", "anna.json", "keyring", "anna.pem", "op.json"] {
        clean(file, &desk.read(file));
    }
}

#[test]
fn a_key_comes_through_a_pipe_too_and_a_draft_through_standard_input() {
    let desk = Desk::new();
    desk.draft("destroy --vmid 101");
    let binary: PathBuf = env!("CARGO_BIN_EXE_felhom-agent").into();
    let script = "\"$0\" op sign --key <(cat anna.pem) --passphrase-file <(cat passphrase) - < op.json > signed.json \
                  && \"$0\" op verify --keyring keyring --host-id host-1 --node pve - < signed.json";
    let mut bash = program("bash");
    bash.arg("-c").arg(script).arg(binary).current_dir(desk.stage.folder.path());
    let output = match bash.output() {
        Ok(output) => output,
        Err(_none) => return println!("skipped: there is no bash here"),
    };
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(String::from_utf8_lossy(&output.stdout).contains("\"result\":\"accepted\""), "{said}");
}
