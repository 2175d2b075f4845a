//! The suite's data: files of scenes, each an arranged node and the steps played on it. `conformance/README.md` describes them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// One arranged node and what is said to it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scene {
    pub scene: String,
    /// Numbers of the measured points this scene shows.
    pub points: BTreeSet<u32>,
    #[serde(default)]
    pub world: Vec<Tweak>,
    pub steps: Vec<Step>,
    /// The file it came from.
    #[serde(skip)]
    pub file: String,
}

/// What is different from the recorded node, or becomes different between two steps.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Tweak {
    /// Only these guests exist.
    Keep(Vec<u32>),
    /// These do not.
    Drop(Vec<u32>),
    /// A guest with this configuration file, stopped.
    File {
        vmid: u32,
        kind: String,
        text: String,
    },
    Set {
        vmid: u32,
        lock: String,
    },
    Runs(Vec<u32>),
    Stopped(Vec<u32>),
    /// Guests that fail to start.
    Broken(Vec<u32>),
    /// An operator holds the file lock of these guests' configurations.
    Flock(Vec<u32>),
    Bridges(Vec<String>),
    /// Whether the tool that makes cloud-init images is there.
    IsoTool(bool),
    /// Path, user or token, role.
    Grant(String, String, String),
    /// Id and secret; its user is made with it.
    Token(String, String),
    Role(String, Vec<String>),
    /// Another member of the cluster, out of reach.
    DeadNode(String),
    /// Workers of these types are killed in mid-work.
    Kill(Vec<String>),
    /// Errors as nodes worded them before `message` was in the body.
    OldErrors(bool),
    Pvedaemon(Up),
    Pmxcfs(Up),
    Pvestatd(Pvestatd),
    /// Protected calls take longer than pveproxy waits.
    SlowCalls(bool),
    /// Real seconds a second of the node takes; before the first step only.
    Scale(f64),
    /// Real time an idle connection is kept; before the first step only.
    IdleMs(u64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Up {
    Up,
    Down,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pvestatd {
    Alive,
    /// What it said last stays as it is.
    Dead,
    /// It has said nothing since pmxcfs came back.
    #[serde(rename = "nothing yet")]
    NothingYet,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum Step {
    World { world: Vec<Tweak> },
    Call(Box<Call>),
}

/// One request and what it must be answered.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Call {
    /// The recorded answer's number; a step of our own has none and names the point it follows from, or prepares the next.
    pub rec: Option<u32>,
    #[serde(rename = "point")]
    pub _point: Option<u32>,
    /// `GET /nodes/pve/lxc` below `/api2/json`; or `wait` (for a task), `idle` (until the server closes), `pause`.
    pub call: String,
    /// A caller of `callers.json`; `root` if absent.
    #[serde(rename = "as")]
    pub caller: Option<String>,
    #[serde(default)]
    pub query: BTreeMap<String, String>,
    pub form: Option<BTreeMap<String, Value>>,
    pub json: Option<String>,
    #[serde(default)]
    pub head: BTreeMap<String, Value>,
    /// Without TLS.
    #[serde(default)]
    pub plain: bool,
    /// A POST without `Content-Length`.
    #[serde(default)]
    pub no_length: bool,

    /// Status and reason; `200 OK` if absent; a trailing blank leaves the reason open; `dropped` is no answer at all.
    pub gets: Option<String>,
    pub from: Option<Source>,
    #[serde(default, deserialize_with = "present")]
    pub data: Option<Value>,
    pub total: Option<Value>,
    pub errors: Option<Value>,
    /// If it is not the reason with a line feed.
    pub message: Option<String>,
    /// No body, no length, no type, and the connection ends.
    #[serde(default)]
    pub empty: bool,
    /// The whole body, as text without a type.
    pub text: Option<String>,
    /// Keys of the body, where it is not the usual envelope.
    pub bodyhas: Option<BTreeMap<String, Value>>,
    /// The body is not looked at.
    #[serde(default)]
    pub loose_body: bool,
    /// How the `Location` begins.
    pub location: Option<String>,
    /// Name to JSON pointer into the body: kept for later steps as `${name}`.
    #[serde(default)]
    pub keep: BTreeMap<String, String>,
    /// The same call again until the answer is this.
    #[serde(default)]
    pub until: bool,
    pub task: Option<Task>,
    /// Which kept UPID is waited for; `task`, the last one, if absent.
    pub of: Option<String>,
}

/// Who answers: pveproxy itself, or pvedaemon through it; seen in the `Connection` headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    Pveproxy,
    Pvedaemon,
}

/// What becomes of a task.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Task {
    #[serde(rename = "as")]
    pub caller: Option<String>,
    /// Number of the recorded answer to the status call.
    pub status: Option<u32>,
    pub exit: Value,
    /// Number of the recorded answer to the log call.
    pub log: Option<u32>,
    pub lines: Option<Value>,
}

impl Scene {
    /// Numbers of the recorded answers it holds the node to.
    pub fn recorded(&self) -> impl Iterator<Item = u32> {
        self.steps.iter().flat_map(|step| match step {
            Step::World { .. } => Vec::new(),
            Step::Call(call) => {
                let task = call.task.as_ref();
                let of_task = task.into_iter().flat_map(|task| task.status.into_iter().chain(task.log));
                call.rec.into_iter().chain(of_task).collect()
            }
        })
    }
}

/// A text, or `{"repeat": "x", "times": 8192, "then": "\n"}`.
pub fn text(value: &Value) -> String {
    match (value, value.get("repeat").and_then(Value::as_str)) {
        (_, Some(piece)) => {
            let times = value["times"].as_u64().unwrap_or(0);
            let times = usize::try_from(times).expect("a reasonable number");
            piece.repeat(times) + value["then"].as_str().unwrap_or("")
        }
        (Value::String(text), _) => text.clone(),
        (other, _) => other.to_string(),
    }
}

/// `null` is an expectation, absence is none.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance")
}

fn read<T: serde::de::DeserializeOwned>(path: &Path) -> T {
    let bytes = std::fs::read(path).unwrap_or_else(|err| panic!("{}: {err}", path.display()));
    serde_json::from_slice(&bytes).unwrap_or_else(|err| panic!("{}: {err}", path.display()))
}

/// All scenes, by file.
pub fn scenes() -> Vec<Scene> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(directory().join("scenes"))
        .expect("the suite is beside the manifest")
        .map(|entry| entry.expect("a readable directory").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .collect();
    paths.sort();
    let mut all = Vec::new();
    for path in paths {
        let mut scenes: Vec<Scene> = read(&path);
        for scene in &mut scenes {
            scene.file = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        }
        all.append(&mut scenes);
    }
    all
}

/// Name to `Authorization` header; `null` is none.
pub fn callers() -> BTreeMap<String, Option<String>> {
    read(&directory().join("callers.json"))
}

/// What was measured, one line a point, and the points no scene can show.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Points {
    pub points: BTreeMap<u32, String>,
    /// Point to why.
    pub not_applicable: BTreeMap<u32, String>,
}

pub fn points() -> Points {
    read(&directory().join("points.json"))
}
