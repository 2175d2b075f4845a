//! The simulated node as a program. Prints one line of JSON when it is ready; ends on SIGTERM, when its standard input is a
//! pipe and is closed, or by itself after `--max-seconds`.
//!
//! ```text
//! pve-sim [--listen 127.0.0.1:0] [--time-scale 0.01] [--seed-guests facts|demo|N] [--cost [FACTOR]]
//!                [--directory DIR] [--max-seconds 600]
//! ```
//!
//! `--cost` charges each call what it costs on a real node. The certificate and its authority are written to DIR (a new
//! directory below the temporary one, removed at the end, if not given).

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use felhom_sim::lifetime;
use felhom_sim::node::World;
use felhom_sim::pve::{Options, PveSim};
use felhom_sim::server::loopback;
use serde_json::json;

fn main() -> ExitCode {
    match run(std::env::args().skip(1)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("pve-sim: {message}");
            ExitCode::from(2)
        }
    }
}

fn run(args: impl Iterator<Item = String>) -> Result<(), String> {
    let mut args = args.peekable();
    let mut options = Options::default();
    let mut directory = None;
    let mut longest = 600;
    while let Some(flag) = args.next() {
        if flag == "--cost" {
            let factor = args.peek().and_then(|text| text.parse().ok());
            options.cost = factor.unwrap_or(1.0);
            if factor.is_some() {
                args.next();
            }
            continue;
        }
        let value = args.next().ok_or_else(|| format!("{flag} needs a value, or is unknown"))?;
        match flag.as_str() {
            "--listen" => options.listen = loopback(&value)?,
            "--time-scale" => options.time_scale = number(&flag, &value)?,
            "--seed-guests" => options.world = world(&value)?,
            "--directory" => directory = Some(PathBuf::from(value)),
            "--max-seconds" => longest = number(&flag, &value)?,
            _ => return Err(format!("unknown option {flag}; see the head of tests/sim/src/bin/pve_sim.rs")),
        }
    }
    serve(options, directory, Duration::from_secs(longest))
}

fn serve(options: Options, directory: Option<PathBuf>, longest: Duration) -> Result<(), String> {
    let sim = PveSim::try_start(options).map_err(|err| format!("cannot listen: {err}"))?;
    let own = std::env::temp_dir().join(format!("pve-sim-{}", std::process::id()));
    let place = directory.as_deref().unwrap_or(&own);
    announce(&sim, place).map_err(|err| format!("{}: {err}", place.display()))?;
    let waited = lifetime::wait(longest).map_err(|err| err.to_string());
    if directory.is_none() {
        fs::remove_dir_all(&own).ok();
    }
    waited
}

fn number<T: std::str::FromStr>(flag: &str, text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("{flag} {text}: expected a number"))
}

fn world(seed: &str) -> Result<World, String> {
    match seed {
        "facts" => Ok(World::facts_world()),
        "demo" => Ok(World::demo()),
        count => Ok(World::with_guests(number("--seed-guests", count)?)),
    }
}

fn announce(sim: &PveSim, place: &Path) -> std::io::Result<()> {
    fs::create_dir_all(place)?;
    let (cert, ca) = (place.join("pve-ssl.pem"), place.join("pve-root-ca.pem"));
    fs::write(&cert, sim.cert_pem())?;
    fs::write(&ca, sim.ca_pem())?;
    let (token_id, token_secret) = sim.token();
    let line = json!({
        "url": sim.url(), "admin_url": sim.admin_url(), "node": sim.world(|world| world.name.clone()),
        "pin_sha256": sim.pin_hex(), "cert": cert, "ca": ca, "token_id": token_id, "token_secret": token_secret,
    });
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}
