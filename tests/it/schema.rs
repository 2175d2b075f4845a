//! Code and schema say the same: full and empty documents fit their schema, and a schema has no field the code lacks.

mod plan;

use std::collections::BTreeSet;

use felhom_agent::config::setting::{Kind, SETTINGS, Setting, keys_of, sections};
use felhom_agent::hub::wire::{ControlEnvelope, HostReport, OpOutcome};
use felhom_agent::local_api::facts::{Local, OpFacts};
use felhom_agent::model::op::{OpKind, OpResult};
use felhom_agent::status::AgentStatus;
use serde_json::{Map, Value, json};

const HOST_REPORT: &str = include_str!("../../etc/schema/host-report.json");
const CONTROL_ENVELOPE: &str = include_str!("../../etc/schema/control-envelope.json");
const AGENT_STATUS: &str = include_str!("../../etc/schema/agent-status.json");
const OP_OUTCOME: &str = include_str!("../../etc/schema/op-outcome.json");
const LOCAL: &str = include_str!("../../etc/schema/local.json");
const EXPLAIN: &str = include_str!("../../etc/schema/explain.json");
const PLAN: &str = include_str!("../../etc/schema/plan.json");
const CONFIGURATION: &str = include_str!("../../etc/schema/configuration.json");
const EXAMPLE: &str = include_str!("../../etc/agent.example.json");

/// The part of JSON Schema that our schemas use; a keyword it does not know is a fault of the test.
pub(crate) struct Schema {
    root: Value,
}

impl Schema {
    fn new(text: &str) -> Self {
        Self { root: serde_json::from_str(text).expect("a schema is JSON") }
    }

    pub(crate) fn host_report() -> Self {
        Self::new(HOST_REPORT)
    }

    pub(crate) fn op_outcome() -> Self {
        Self::new(OP_OUTCOME)
    }

    pub(crate) fn agent_status() -> Self {
        Self::new(AGENT_STATUS)
    }

    /// What the local socket says beside the agent's status.
    pub(crate) fn local() -> Self {
        Self::new(LOCAL)
    }

    /// What `plan --json` prints.
    pub(crate) fn plan() -> Self {
        Self::new(PLAN)
    }

    /// What is told of a resource or a field.
    pub(crate) fn explanation() -> Self {
        Self::new(EXPLAIN)
    }

    /// What it says of an operation.
    pub(crate) fn op() -> Self {
        Self { root: Self::local().root["$defs"]["op"].clone() }
    }

    /// Every way in which a document does not fit, each with its path.
    pub(crate) fn faults(&self, document: &Value) -> Vec<String> {
        let mut faults = Vec::new();
        self.check(&self.root, document, "$", &mut faults);
        faults
    }

    fn check(&self, schema: &Value, value: &Value, at: &str, faults: &mut Vec<String>) {
        let mut wrong = |what: String| faults.push(format!("{at}: {what}"));
        let schema = schema.as_object().expect("a schema is an object");
        if let Some(name) = schema.get("$ref").and_then(Value::as_str) {
            let pointer = name.trim_start_matches('#');
            return self.check(
                self.root.pointer(pointer).expect("a $ref leads somewhere"),
                value,
                at,
                faults,
            );
        }
        for (keyword, wanted) in schema {
            match keyword.as_str() {
                "type" => {
                    let types =
                        wanted.as_array().map_or_else(|| vec![wanted], |types| types.iter().collect());
                    let fits = types.iter().any(|one| match one.as_str().expect("a type is a word") {
                        "null" => value.is_null(),
                        "object" => value.is_object(),
                        "array" => value.is_array(),
                        "string" => value.is_string(),
                        "boolean" => value.is_boolean(),
                        "number" => value.is_number(),
                        "integer" => value.is_u64() || value.is_i64(),
                        other => panic!("type {other}"),
                    });
                    if !fits {
                        wrong(format!("{value} is no {wanted}"));
                    }
                }
                "const" if wanted != value => wrong(format!("{value} is not {wanted}")),
                "enum" if !wanted.as_array().expect("a list").contains(value) => {
                    wrong(format!("{value} is none of {wanted}"));
                }
                "minimum" if value.as_f64() < wanted.as_f64() => wrong(format!("{value} is below {wanted}")),
                "maximum" if value.as_f64() > wanted.as_f64() => wrong(format!("{value} is above {wanted}")),
                "minItems" | "maxItems" => {
                    let length = value.as_array().map_or(0, Vec::len) as u64;
                    let wanted = wanted.as_u64().expect("a number");
                    if (keyword == "minItems" && length < wanted)
                        || (keyword == "maxItems" && length > wanted)
                    {
                        wrong(format!("{length} items against {keyword} {wanted}"));
                    }
                }
                "required" if value.is_null() => {}
                "required" => {
                    for name in wanted.as_array().expect("a list").iter().filter_map(Value::as_str) {
                        if value.get(name).is_none() {
                            wrong(format!("{name} is missing"));
                        }
                    }
                }
                "pattern" if wanted.as_str().is_some_and(|pattern| pattern.contains('T')) => {
                    let time = value.as_str().unwrap_or_default();
                    let digits = |c: char| if c.is_ascii_digit() { '0' } else { c };
                    if time.chars().map(digits).collect::<String>() != "0000-00-00T00:00:00Z" {
                        wrong(format!("{value} is no time"));
                    }
                }
                "properties"
                | "items"
                | "additionalProperties"
                | "const"
                | "enum"
                | "minimum"
                | "maximum"
                | "pattern"
                | "format"
                | "title"
                | "description"
                | "default"
                | "$schema"
                | "$defs"
                | "not" => {}
                other => panic!("{at}: this test knows no keyword {other}"),
            }
        }
        for (index, item) in value.as_array().into_iter().flatten().enumerate() {
            if let Some(items) = schema.get("items") {
                self.check(items, item, &format!("{at}[{index}]"), faults);
            }
        }
        for (name, member) in value.as_object().into_iter().flatten() {
            let at = format!("{at}.{name}");
            match (
                schema.get("properties").and_then(|known| known.get(name)),
                schema.get("additionalProperties"),
            ) {
                (Some(known), _) => self.check(known, member, &at, faults),
                (None, Some(Value::Bool(false))) => faults.push(format!("{at}: not in the schema")),
                (None, Some(other @ Value::Object(_))) => self.check(other, member, &at, faults),
                (None, _) => {}
            }
        }
    }

    /// Every property path the schema names: `.guests[].spec.cores`.
    fn paths(&self) -> BTreeSet<String> {
        let mut paths = BTreeSet::new();
        self.collect(&self.root, "", &mut paths);
        paths
    }

    fn collect(&self, schema: &Value, at: &str, paths: &mut BTreeSet<String>) {
        if let Some(name) = schema.get("$ref").and_then(Value::as_str) {
            let pointer = name.trim_start_matches('#');
            return self.collect(self.root.pointer(pointer).expect("a $ref leads somewhere"), at, paths);
        }
        for (name, member) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
            let at = format!("{at}.{name}");
            self.collect(member, &at, paths);
            paths.insert(at);
        }
        if let Some(items) = schema.get("items") {
            self.collect(items, &format!("{at}[]"), paths);
        }
        if let Some(any @ Value::Object(_)) = schema.get("additionalProperties") {
            self.collect(any, &format!("{at}.*"), paths);
        }
    }
}

/// Every property path of a document, in the schema's notation; `maps` are the paths whose member names are data.
fn paths_of(value: &Value, at: &str, maps: &[&str], paths: &mut BTreeSet<String>) {
    for item in value.as_array().into_iter().flatten() {
        paths_of(item, &format!("{at}[]"), maps, paths);
    }
    for (name, member) in value.as_object().into_iter().flatten() {
        let below = if maps.contains(&at) { format!("{at}.*") } else { format!("{at}.{name}") };
        paths_of(member, &below, maps, paths);
        if !maps.contains(&at) {
            paths.insert(below);
        }
    }
}

const TIME: &str = "2026-11-21T06:26:55Z";

fn condition() -> Value {
    json!({"type": "Ready", "status": "unknown", "reason": "NotYetObserved", "message": "", "since": TIME})
}

fn full_report() -> Value {
    json!({
        "schema": 1, "host_id": "h", "node": "pve", "agent_version": "0.1.0", "controller_version": "",
        "collected_at": TIME, "boot_id": "b", "seq": 1, "complete": false,
        "problems": [{"part": "storage:nas", "message": "offline"}],
        "host": {"pve_version": "9.2.11", "kernel": "k", "uptime_seconds": 1, "cpu_count": 8,
            "cpu_used_fraction": 0.5, "load": [0.1, 0.2, 0.3], "memory_total": 1, "memory_used": 1, "swap_total": 1,
            "swap_used": 1, "rootfs_total": 1, "rootfs_used": 1,
            "sensors": [{"chip": "c", "label": "l", "celsius": 41.0}],
            "disks": [{"device": "d", "model": "m", "smart": "asleep", "percent_used": 3}]},
        "guests": [{"vmid": 101, "type": "lxc", "name": "web", "status": "running", "managed": true, "template": false,
            "lock": "backup", "lock_age_seconds": 12, "ha": "started", "uptime_seconds": 1, "tags": ["a"],
            "spec": {"cores": 2, "memory_mb": 1024, "swap_mb": 512, "disk_gb": 8}}],
        "cloudflared": {"status": "active", "ready_connections": 4},
        "storage_targets": [{"id": "local", "type": "dir", "content": ["images"], "active": true, "total": 1, "used": 1,
            "shared": false}],
        "backups": [{"vmid": 101, "type": "lxc", "volid": "v", "storage": "s", "ctime_unix": 1, "size": 1,
            "protected": false, "verified": "none", "incarnation": "i"}],
        "restore_tests": [{"vmid": 101, "volid": "v", "started_at": TIME, "finished_at": TIME, "result": "passed",
            "checks": [{"name": "boots", "ok": true, "detail": ""}, {"name": "file", "ok": false, "detail": "", "skipped": true}],
            "seconds": 61, "code": "", "message": "", "guest": "lxc/101", "scratch": 990_000, "size": 1, "ctime_unix": 1,
            "covers": ["rootfs"], "config_sha256": "x"}],
        "pbs_snapshots": [{"vmid": 101, "storage": "pbs1", "time_unix": 1, "size": 1, "verification": "ok",
            "encrypted": true, "protected": false}],
        "audit_tail": [{"seq": 910, "at": TIME, "what": "w", "subject": "lxc/101", "result": "r", "by": "b", "hash": "h"}],
        "conditions": [condition()],
        "privileges": {"api": ["VM.Audit"], "root_cli": false},
        "clock": {"trusted": true},
    })
}

fn full_status() -> Value {
    json!({
        "schema": 1, "host_id": "h", "instance": "i", "agent_version": "0.1.0", "manifest_generation": 7, "observed_generation": 7,
        "manifest_sha256": "aa", "at": TIME, "paused": false,
        "resources": {"web": {"state": "held", "since": TIME, "generation": 7,
            "details": {"run_state": "running", "vmid": 101, "pending_reboot": ["features"], "warnings": ["w"]},
            "hold": {"reason": "lock", "detail": "d", "remedy": "r"}, "error": {"code": "c", "message": "m"},
            "retry_after": TIME, "last_action": {"what": "w", "upid": "u", "result": "done", "at": TIME},
            "drift": [{"field": "cores", "desired": 2, "actual": 4}]}},
        "conditions": [condition()],
        "history": [{"generation": 7, "manifest_sha256": "aa", "at": TIME, "result": "accepted"}],
    })
}

fn check_full<T: serde::Serialize + serde::de::DeserializeOwned>(
    schema: &Schema,
    full: &Value,
    maps: &[&str],
) {
    assert_eq!(schema.faults(full), Vec::<String>::new());
    let typed: T = serde_json::from_value(full.clone()).expect("the code reads the full document");
    assert_eq!(serde_json::to_value(&typed).expect("and writes it"), *full, "and loses nothing of it");
    let mut paths = BTreeSet::new();
    paths_of(full, "", maps, &mut paths);
    let missing: Vec<String> = schema.paths().difference(&paths).cloned().collect();
    assert_eq!(missing, Vec::<String>::new(), "named by the schema, absent in the full document");
}

#[test]
fn the_host_report_fits_its_schema_in_both_directions() {
    check_full::<HostReport>(&Schema::host_report(), &full_report(), &[]);
}

#[test]
fn the_agent_status_fits_its_schema_in_both_directions() {
    let maps = [".resources"];
    check_full::<AgentStatus>(&Schema::new(AGENT_STATUS), &full_status(), &maps);
}

fn full_op() -> Value {
    json!({
        "op_id": "01930000-0000-7000-8000-000000000001", "kind": "guest.destroy", "guest": "lxc/101", "state": "ended",
        "upid": "u", "payload_sha256": "aa", "keyids": ["k"], "accepted_at": TIME, "exp": TIME, "via": "socket",
        "end": {"result": "partial_cleanup", "code": "c", "message": "m", "upid": "u", "volumes_left": ["v"], "at": TIME},
        "acknowledged": false,
    })
}

#[test]
fn the_local_facts_fit_their_schema_in_both_directions() {
    let standing = |state: &str| json!({"state": state, "message": "m"});
    let full = json!({
        "pid": 1, "started_at": TIME, "halt": {"by": "kill_switch", "message": "m", "remedy": "r"}, "proxmox": standing("unreachable"), "looks": 1, "looked_at": TIME, "looking": true, "reads": 1, "busy": ["lxc/101"],
        "tasks": [{"guest": "lxc/101", "what": "start lxc/101", "since": TIME, "upid": "u", "percent": 12}],
        "jobs": [{"job": 1, "what": "backup", "vmid": 101, "guest": "lxc/101", "phase": "backing up", "since": TIME}],
        "reports": {"arrived": 1, "failed": 1, "last_arrived_at": TIME}, "journal": standing("no_destructive"),
        "clock": standing("untrusted"), "doubts": [{"guest": "lxc/101", "at": TIME, "what": "w", "message": "m"}],
        "ops": {"floor": TIME, "open": [full_op()]},
    });
    check_full::<Local>(&Schema::local(), &full, &[]);
    check_full::<OpFacts>(&Schema::op(), &full_op(), &[]);
}

#[test]
fn the_envelope_fits_its_schema_in_both_directions() {
    let full = json!({"poll_interval_seconds": 300, "blocked": false, "desired_generation": 7, "has_signed_ops": true});
    check_full::<ControlEnvelope>(&Schema::new(CONTROL_ENVELOPE), &full, &[]);
}

#[test]
fn the_outcome_of_an_operation_fits_its_schema_in_both_directions() {
    let full = json!({"schema": 1, "op_id": "0192f7c8-5c1e-7abc-8def-0123456789ab", "payload_sha256": "aa",
        "result": "partial_cleanup", "code": "volumes_left", "message": "m", "upid": "u", "volumes_left": ["v"],
        "accepted_at": TIME, "kind": "guest.destroy", "ended_at": TIME});
    let schema = Schema::op_outcome();
    check_full::<OpOutcome>(&schema, &full, &[]);
    let mut document = full;
    for kind in OpKind::ALL {
        document["kind"] = json!(kind);
        assert_eq!(schema.faults(&document), Vec::<String>::new());
    }
    use OpResult::{Done, Failed, PartialCleanup, Rejected, Uncertain};
    for result in [Done, PartialCleanup, Failed, Rejected, Uncertain] {
        document["result"] = json!(result);
        assert_eq!(schema.faults(&document), Vec::<String>::new());
    }
}

#[test]
fn a_report_with_a_stray_or_missing_field_does_not_fit() {
    let schema = Schema::host_report();
    for (pointer, value, part) in [
        ("/guests/0/spec", Value::Null, "is no \"object\""),
        ("/guests/0/vmid", json!(99), "below"),
        ("/guests/0/status", json!("gone"), "none of"),
        ("/collected_at", json!("yesterday"), "no time"),
        ("/problems/0", json!({"part": "x"}), "message is missing"),
        ("/clock", json!({"trusted": true, "x": 1}), "not in the schema"),
    ] {
        let mut report = full_report();
        *report.pointer_mut(pointer).expect("it is there") = value;
        let faults = schema.faults(&report).join("\n");
        assert!(faults.contains(part), "{pointer}: {faults:?}");
    }
}

fn schema_of(setting: &Setting) -> Value {
    let mut schema = match setting.kind {
        Kind::Number { min, max } => json!({"type": "integer", "minimum": min, "maximum": max}),
        Kind::Flag => json!({"type": "boolean"}),
        Kind::Choice(allowed) => json!({"enum": allowed}),
        Kind::Pin => json!({"type": "string", "pattern": "^([0-9A-Fa-f]{2}:?){32}$"}),
        Kind::File => json!({"type": "string", "pattern": "^/"}),
        Kind::Vmids => json!({"type": "string", "pattern": "^[0-9]+(,[0-9]+)*$"}),
        Kind::VmidRange => json!({"type": "string", "pattern": "^[0-9]+-[0-9]+$"}),
        Kind::Url
        | Kind::Window
        | Kind::LogFilter
        | Kind::SecretFile
        | Kind::Secret
        | Kind::Identifier
        | Kind::TokenId
        | Kind::Socket => json!({"type": "string"}),
    };
    schema["description"] = json!(setting.help);
    match setting.kind {
        Kind::Number { .. } => schema["default"] = json!(setting.default.parse::<u64>().expect("a number")),
        Kind::Flag => schema["default"] = json!(setting.default == "true"),
        _ if !setting.default.is_empty() => schema["default"] = json!(setting.default),
        _ => {}
    }
    schema
}

#[test]
fn the_configuration_s_schema_is_the_table_of_settings() {
    let mut properties = Map::new();
    for section in sections() {
        let settings = SETTINGS.iter().filter(|setting| setting.section == section);
        let keys: Map<String, Value> =
            settings.map(|setting| (setting.key.to_owned(), schema_of(setting))).collect();
        assert_eq!(keys.len(), keys_of(section).len());
        properties.insert(
            section.to_owned(),
            json!({"type": "object", "properties": keys, "additionalProperties": false}),
        );
    }
    let schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Configuration of felhom-agent",
        "type": "object",
        "properties": properties,
        "additionalProperties": false,
    });
    let text = serde_json::to_string_pretty(&schema).expect("a schema is JSON") + "\n";
    expect_test::expect_file!["../../etc/schema/configuration.json"].assert_eq(&text);
}

#[test]
fn the_example_configuration_fits_its_schema() {
    let example: Value = serde_json::from_str(EXAMPLE).expect("the example is JSON");
    assert_eq!(Schema::new(CONFIGURATION).faults(&example), Vec::<String>::new());
}
