//! The built binary under `strace`: faults at its system calls, and a trace of them to hold claims against.
//!
//! `strace` counts calls by thread. Whoever wants the Nth call of the whole process uses [`Trap`]: it reads the trace while it is
//! written, each watched call waits a moment before it is carried out, and the Nth never is.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::stage::{Daemon, Stage, program};

/// What a durable record and a call to the node are made of.
pub(crate) const WATCHED: &str = "openat,write,writev,pwrite64,sendto,sendmsg,fsync,fdatasync,rename,renameat,renameat2,unlink,unlinkat,ftruncate";

/// Whether a process can be traced here. Says so where it cannot.
pub(crate) fn is_possible() -> bool {
    let traced =
        program("/usr/bin/strace").args(["-o", "/dev/null", "/bin/true"]).stderr(Stdio::null()).status();
    let possible = traced.is_ok_and(|status| status.success());
    if !possible {
        println!("SKIPPED: no strace here that may trace; `make crash` installs it");
    }
    possible
}

/// Options for [`Stage::traced`]: all threads, their names, what descriptors stand for; the trace goes to this file.
pub(crate) fn options(out: &Path, calls: &str, injections: &[String]) -> Vec<String> {
    let mut options: Vec<String> =
        ["-f", "--seccomp-bpf", "-Y", "-yy", "-s", "8192", "-o"].map(str::to_owned).into();
    options.push(out.display().to_string());
    options.push("-e".to_owned());
    options.push(format!("trace={calls}"));
    for injection in injections {
        options.push("-e".to_owned());
        options.push(format!("inject={injection}"));
    }
    options
}

/// One call of a trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Done {
    pub(crate) thread: u32,
    /// The thread's name.
    pub(crate) name: String,
    pub(crate) call: String,
    /// Its arguments as `strace` writes them.
    pub(crate) said: String,
    /// What it returned; `?` or nothing if it never did.
    pub(crate) returned: String,
    /// Positions in the trace. What left before another entered happened before it.
    pub(crate) entered: usize,
    pub(crate) left: usize,
}

impl Done {
    /// Whether it is one of these calls on something whose name holds this.
    pub(crate) fn is(&self, calls: &[&str], about: &str) -> bool {
        calls.contains(&self.call.as_str()) && self.said.contains(about)
    }

    pub(crate) fn is_sync(&self, about: &str) -> bool {
        self.is(&["fsync", "fdatasync"], about)
    }

    pub(crate) fn succeeded(&self) -> bool {
        self.returned.starts_with(|first: char| first.is_ascii_digit())
    }
}

/// The calls of a trace in the order they were entered.
pub(crate) fn parse(text: &str) -> Vec<Done> {
    let mut all: Vec<Done> = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let Some((thread, rest)) = line.split_once('<') else { continue };
        let Ok(thread) = thread.parse::<u32>() else { continue };
        let Some((name, rest)) = rest.split_once('>') else { continue };
        let rest = rest.trim_start();
        if let Some(resumed) = rest.strip_prefix("<... ") {
            let open = all.iter_mut().rev().find(|done| done.thread == thread && done.left == usize::MAX);
            if let (Some(open), Some((_, tail))) = (open, resumed.split_once(" resumed>")) {
                finish(open, tail, at);
            }
            continue;
        }
        let Some((call, tail)) = rest.split_once('(') else { continue };
        if !call.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            continue;
        }
        all.push(Done {
            thread,
            name: name.to_owned(),
            call: call.to_owned(),
            said: String::new(),
            returned: String::new(),
            entered: at,
            left: usize::MAX,
        });
        if let Some(done) = all.last_mut() {
            match tail.strip_suffix(" <unfinished ...>") {
                Some(tail) => tail.clone_into(&mut done.said),
                None => finish(done, tail, at),
            }
        }
    }
    all
}

fn finish(done: &mut Done, tail: &str, at: usize) {
    let (said, returned) = tail.rsplit_once(") = ").unwrap_or((tail, ""));
    done.said.push_str(said);
    returned.clone_into(&mut done.returned);
    done.left = at;
}

/// Reads a trace whose process has ended: waits until the tracer has, too.
pub(crate) fn read(out: &Path) -> Vec<Done> {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let text = String::from_utf8_lossy(&fs::read(out).unwrap_or_default()).into_owned();
        let main = text.split('<').next().unwrap_or_default().to_owned();
        let over = text.lines().rev().take(50).any(|line| {
            line.starts_with(&format!("{main}<"))
                && (line.contains("+++ killed by") || line.contains("+++ exited with"))
        });
        if over && !main.is_empty() {
            return parse(&text);
        }
        assert!(Instant::now() < deadline, "the trace has no end: {text}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The thread of a process that has this name, if there is one.
pub(crate) fn thread_of(daemon: &Daemon, name: &str) -> Option<u32> {
    let tasks = fs::read_dir(format!("/proc/{}/task", daemon.id())).ok()?;
    tasks
        .flatten()
        .find(|task| fs::read_to_string(task.path().join("comm")).is_ok_and(|comm| comm.trim_end() == name))
        .and_then(|task| task.file_name().to_str()?.parse().ok())
}

/// A tracer of one thread of a process that runs already; ends with the process.
#[derive(Debug)]
pub(crate) struct Attached {
    child: Child,
}

impl Attached {
    /// Injects into the calls of this thread alone, counted from when this returns; the trace goes to this file.
    pub(crate) fn to(thread: u32, injection: &str, out: &Path) -> Self {
        let mut command = program("/usr/bin/strace");
        command.env_clear().stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        command.args(["-f", "-Y", "-yy", "-s", "8192", "-e", &format!("trace={WATCHED}"), "-o"]).arg(out);
        command.args(["-e", &format!("inject={injection}"), "-p", &thread.to_string()]);
        let mut child = command.spawn().expect("strace starts");
        let mut said = BufReader::new(child.stderr.take().expect("it is piped"));
        let mut first = String::new();
        said.read_line(&mut first).expect("it says that it is attached");
        assert!(first.contains("attached"), "{first}");
        // Whatever else it says must not fill the pipe.
        std::thread::spawn(move || said.read_to_string(&mut String::new()));
        Self { child }
    }

    /// Waits for the end of the traced thread, and reads the trace.
    pub(crate) fn read(mut self, out: &Path) -> Vec<Done> {
        self.child.wait().expect("it is our child");
        parse(&String::from_utf8_lossy(&fs::read(out).expect("it wrote a trace")))
    }
}

/// Kills a daemon as it enters the Nth call that matches, of whatever thread, before the kernel carries it out.
#[derive(Debug)]
pub(crate) struct Trap {
    pub(crate) daemon: Daemon,
    reader: JoinHandle<usize>,
}

/// How long each watched call waits, in microseconds: long enough to kill the process meanwhile.
const HELD_US: u32 = 60_000;

impl Trap {
    /// `calls` as `strace` wants them (`fdatasync,rename`); a line of the trace matches if it holds `about`.
    pub(crate) fn set(stage: &Stage, calls: &str, about: &str, nth: usize) -> Self {
        let pipe = fifo(stage, &format!("trace-{calls}-{nth}"));
        let held = format!("{calls}:delay_enter={HELD_US}");
        let command = stage.traced(&options(&pipe, calls, &[held]), &["daemon"]);
        let daemon = stage.start(command);
        let (about, id) = (about.to_owned(), daemon.id());
        let reader = std::thread::spawn(move || watch(&pipe, &about, nth, id));
        Self { daemon, reader }
    }

    /// Kills the daemon if the trap did not; how many matching calls were entered.
    pub(crate) fn spring(self) -> usize {
        self.daemon.crash();
        self.reader.join().expect("the reader does not stop")
    }
}

fn fifo(stage: &Stage, name: &str) -> PathBuf {
    let path = stage.path(&name.replace(',', "-"));
    fs::remove_file(&path).ok();
    assert!(program("mkfifo").arg(&path).status().expect("mkfifo is there").success());
    path
}

/// Reads the trace to its end; kills at the Nth entry. A call is written when it is entered, the line's end when it is left.
fn watch(pipe: &Path, about: &str, nth: usize, id: u32) -> usize {
    let mut trace = File::open(pipe).expect("the pipe is there");
    let mut text = Vec::new();
    let mut piece = [0; 65536];
    let mut count = 0;
    while let Ok(length) = trace.read(&mut piece) {
        if length == 0 {
            break;
        }
        text.extend_from_slice(&piece[..length]);
        let now = entries(&String::from_utf8_lossy(&text), about);
        if count < nth && now >= nth {
            program("/bin/sh").arg("-c").arg(format!("kill -KILL {id}")).status().ok();
        }
        count = now;
    }
    count
}

/// How many calls were entered so far whose line holds this.
fn entries(text: &str, about: &str) -> usize {
    text.lines()
        .filter(|line| {
            line.contains(about) && line.contains('(') && !line.contains("<... ") && !line.contains("+++")
        })
        .count()
}

#[test]
fn a_trace_is_read_call_by_call() {
    let text = "\
10<main> fdatasync(5</s/journal/1.log>) = 0
11<101> write(5</s/journal/1.log>, \"{\\\"t\\\":\\\"intent\\\"}\\n\", 16 <unfinished ...>
10<main> sendto(9<TCP:[127.0.0.1:1->127.0.0.1:2]>, \"GET / (x)\", 9, MSG_NOSIGNAL, NULL, 0) = 9
11<101> <... write resumed>) = 16
11<101> fdatasync(5</s/journal/1.log>) = -1 EIO (Input/output error) (INJECTED)
10<main> fdatasync(5</s/journal/1.log> <unfinished ...>
10<main> +++ killed by SIGKILL +++
";
    let all = parse(text);
    let shown: Vec<(&str, &str, usize, usize, bool)> = all
        .iter()
        .map(|done| (done.name.as_str(), done.call.as_str(), done.entered, done.left, done.succeeded()))
        .collect();
    assert_eq!(
        shown,
        [
            ("main", "fdatasync", 0, 0, true),
            ("101", "write", 1, 3, true),
            ("main", "sendto", 2, 2, true),
            ("101", "fdatasync", 4, 4, false),
            ("main", "fdatasync", 5, usize::MAX, false),
        ]
    );
    assert!(all[1].said.contains(r#"\"t\":\"intent\""#));
    assert_eq!(entries(text, "fdatasync"), 3);
}
