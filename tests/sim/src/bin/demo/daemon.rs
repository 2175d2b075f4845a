//! The daemon of the demo: the real one, as a process.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::stage::{HOST, PATIENCE, Stage, title};

/// The daemon, and what it writes to standard error.
pub(crate) struct Daemon {
    child: Child,
    lines: Receiver<String>,
}

impl Daemon {
    pub(crate) fn start(stage: &Stage) -> Result<Self, String> {
        let mut child =
            stage.agent(&["daemon"]).stderr(Stdio::piped()).spawn().map_err(|err| err.to_string())?;
        let stderr = child.stderr.take().ok_or("the daemon's standard error")?;
        let (send, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                let line = brief(&line);
                println!("       agent │ {line}");
                send.send(line).ok();
            }
        });
        Ok(Self { child, lines })
    }

    /// The first line so far, or within this time, that is what we listen for.
    pub(crate) fn hears(&self, longest: Duration, what: impl Fn(&str) -> bool) -> Option<String> {
        let end = Instant::now() + longest;
        loop {
            let line = self.lines.recv_timeout(end.saturating_duration_since(Instant::now())).ok()?;
            if what(&line) {
                return Some(line);
            }
        }
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: &str) -> Result<(), String> {
        let (signal, pid) = (format!("-{signal}"), self.child.id().to_string());
        Command::new("sh")
            .args(["-c", "kill \"$0\" \"$1\"", &signal, &pid])
            .status()
            .map_err(|err| err.to_string())
            .map(drop)
    }

    /// The hub publishes the next generation, in which these members are others, and the daemon looks at once.
    pub(crate) fn is_to_want(&self, stage: &Stage, specs: &[(&str, Value)]) -> Result<(), String> {
        stage.hub.publish(HOST, &stage.wanted.change(specs));
        self.signal("HUP")
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }

    /// SIGTERM, and a clean end.
    pub(crate) fn end(&mut self) -> Result<(), String> {
        title("SIGTERM");
        self.signal("TERM")?;
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            if let Some(status) = self.child.try_wait().map_err(|err| err.to_string())? {
                std::thread::sleep(Duration::from_millis(100));
                println!("  seen: the daemon ended after {} ms with {status}", start.elapsed().as_millis());
                return if status.success() { Ok(()) } else { Err(format!("a clean end, but {status}")) };
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Err("the end of the daemon".to_owned())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// `INFO  web (lxc/100) is in order`: a line of the log without time and place.
fn brief(line: &str) -> String {
    let told = line.split_once(' ').and_then(|(_time, rest)| {
        let (level, rest) = rest.split_at_checked(5)?;
        let (_place, text) = rest.split_once(": ")?;
        Some(format!("{level} {text}"))
    });
    told.unwrap_or_else(|| line.to_owned())
}
