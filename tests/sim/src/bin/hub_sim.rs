//! The simulated hub as a program. Prints one line of JSON when it is ready; ends on SIGTERM, when its standard
//! input is a pipe and is closed, or by itself after `--max-seconds`.
//!
//! ```text
//! hub-sim [--listen 127.0.0.1:0] [--plain] [--key KEY] [--manifest FILE --host-id ID] [--max-seconds 600]
//! ```

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use felhom_sim::hub::{HubSim, Options};
use felhom_sim::lifetime;
use felhom_sim::server::loopback;
use serde_json::json;

fn main() -> ExitCode {
    match run(std::env::args().skip(1)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("hub-sim: {message}");
            ExitCode::from(2)
        }
    }
}

fn run(mut args: impl Iterator<Item = String>) -> Result<(), String> {
    let mut options = Options::default();
    let mut manifest = None;
    let mut host_id = None;
    let mut max_seconds = 600;
    while let Some(flag) = args.next() {
        let mut value = || args.next().ok_or_else(|| format!("{flag} needs a value"));
        match flag.as_str() {
            "--listen" => options.listen = loopback(&value()?)?,
            "--plain" => options.tls = None,
            "--key" => options.key = value()?,
            "--manifest" => manifest = Some(value()?),
            "--host-id" => host_id = Some(value()?),
            "--max-seconds" => {
                max_seconds = value()?.parse().map_err(|_| "--max-seconds takes a number".to_owned())?
            }
            _ => return Err(format!("unknown option {flag}; see the head of tests/sim/src/bin/hub_sim.rs")),
        }
    }
    let hub = HubSim::try_start(options).map_err(|err| format!("cannot listen: {err}"))?;
    if let Some(file) = manifest {
        let host_id = host_id.ok_or("--manifest needs --host-id")?;
        let text = std::fs::read(&file).map_err(|err| format!("{file}: {err}"))?;
        let manifest = serde_json::from_slice(&text).map_err(|err| format!("{file}: {err}"))?;
        hub.publish(&host_id, &manifest);
    }
    announce(&hub).map_err(|err| err.to_string())?;
    lifetime::wait(Duration::from_secs(max_seconds)).map_err(|err| err.to_string())
}

fn announce(hub: &HubSim) -> std::io::Result<()> {
    let pin = hub.identity().map(|identity| identity.pin_hex());
    let line = json!({"url": hub.url(), "admin_url": hub.admin_url(), "pin_sha256": pin, "key": hub.key()});
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}
