//! `make demo`: a simulated node and hub, the real daemon between them, and what can be seen of it, in plain words.
//! Exits 0 only if every line that starts with "seen" was really seen. Everything talks to loopback and ends by itself.

use std::process::ExitCode;

mod consent;
mod crash;
mod daemon;
mod explain;
mod keys;
mod limit;
mod provision;
mod reports;
mod restore;
mod stage;
mod wanted;
mod work;

use self::daemon::Daemon;
use self::keys::Keys;
use self::stage::Stage;

fn main() -> ExitCode {
    match run() {
        Ok(()) => {
            println!("\nAll of it was seen.");
            ExitCode::SUCCESS
        }
        Err(what) => {
            println!("\nNOT SEEN: {what}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), String> {
    let stage = Stage::set()?;
    stage.introduce();
    stage.show_the_plan()?;
    let mut daemon = Daemon::start(&stage)?;
    work::play(&stage, &daemon)?;
    provision::play(&stage, &daemon)?;
    restore::play(&stage)?;
    explain::play(&stage, &daemon)?;
    consent::held(&stage, &daemon)?;
    let keys = Keys::new(&stage)?;
    consent::play(&stage, &keys)?;
    limit::play(&stage, &daemon, &keys)?;
    reports::play(&stage)?;
    crash::play(&stage, &mut daemon)?;
    daemon.end()
}
