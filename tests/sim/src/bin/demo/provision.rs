//! From nothing to running: a container that is nowhere is made from a template.

use serde_json::json;

use crate::daemon::Daemon;
use crate::stage::{PATIENCE, Stage, in_words, seen, title};

const VMID: u32 = 104;
const TEMPLATE: &str = "local:vztmpl/alpine-mini_3.20_amd64.tar.gz";

pub(crate) fn play(stage: &Stage, daemon: &Daemon) -> Result<(), String> {
    title("From nothing to running");
    println!("  the next generation names shop (lxc/104), which is nowhere, and says what it is made from:");
    let provision = json!({"from": "template", "source": TEMPLATE, "storage": "store"});
    println!("       \"provision\": {provision}");
    let spec = json!({"vmid": VMID, "run_state": "running", "name": "shop", "cores": 2, "memory_mb": 256,
        "nets": [{"key": "net0", "bridge": "vmbr0", "ip": "dhcp"}], "provision": provision});
    daemon.is_to_want(stage, &[("shop", spec)])?;
    stage.sees("it is there, with what was said of it, and runs", PATIENCE, |stage| {
        stage.config_shows(VMID, "cores: 2", true)
    })?;
    stage.sees("the daemon calls it in order", PATIENCE, |stage| {
        (stage.resources()["shop"]["state"] == "ready").then(|| "ready".to_owned())
    })?;
    let made = stage.changing(|call| call.param("ostemplate").is_some());
    seen(made.len() == 1, "it was made once, and marked as this agent's own:")?;
    println!("       the call: {}", made.iter().map(in_words).collect::<String>());
    let is_unprivileged = stage.config_shows(VMID, "unprivileged: 1", true).is_some();
    seen(is_unprivileged, "it is unprivileged, although nobody said so")?;
    let net = stage.config_shows(VMID, "net0: ", true).unwrap_or_default();
    seen(net.contains("hwaddr="), &format!("its network card, with an address of its own: {net}"))
}
