//! How long a simulator lives as a program: until it is told to end, or its parent is gone, or its time is up.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileTypeExt;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// Returns on SIGTERM or SIGINT, when standard input is a pipe and it is closed, or after `longest`.
///
/// # Errors
/// If no signal handler can be installed.
pub fn wait(longest: Duration) -> std::io::Result<()> {
    let (end, ended) = channel();
    let mut signals = Signals::new([SIGTERM, SIGINT])?;
    let told = end.clone();
    std::thread::spawn(move || {
        signals.forever().next();
        told.send(()).ok();
    });
    std::thread::spawn(move || watch_parent(&end));
    ended.recv_timeout(longest).ok();
    Ok(())
}

/// A parent that holds the other end of a pipe closes it at the latest when it dies. Any other standard input says nothing.
fn watch_parent(end: &Sender<()>) {
    let Ok(mut stdin) = File::open("/dev/stdin") else { return park() };
    if !stdin.metadata().is_ok_and(|metadata| metadata.file_type().is_fifo()) {
        return park();
    }
    let mut buffer = [0; 1024];
    while matches!(stdin.read(&mut buffer), Ok(count) if count > 0) {}
    end.send(()).ok();
}

/// The sender must live as long as the wait.
fn park() {
    loop {
        std::thread::park();
    }
}
