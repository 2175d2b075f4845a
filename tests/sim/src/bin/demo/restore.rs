//! A backup counts once it was restored: made, looked at, restored under a number of its own, started, destroyed again.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::stage::{Stage, in_words, seen, title};

/// The shop, and where its backup is restored to.
const VMID: u32 = 104;
const SCRATCH: &str = "/990000";

pub(crate) fn play(stage: &Stage) -> Result<(), String> {
    title("A backup, and whether it can be restored");
    let (before, calls) = (guests(stage), stage.changes());
    let backup = stage.shows(0, &["backup", "104", "--storage", "store"])?;
    let volid =
        backup.lines().find_map(|line| line.trim().strip_prefix("volume:")).unwrap_or_default().trim();
    seen(
        stage.has_volume(volid),
        "the volume is on the storage: what Proxmox says of a backup is not believed alone",
    )?;
    stage.shows(0, &["restore-test", "104"])?;
    let test = evidence(stage)?;
    seen(test["volid"] == volid, "the backup that was restored is this one")?;
    seen(
        guests(stage) == before,
        "the guest that was made for it is gone, and there is no other one less or more",
    )?;
    isolated(stage, calls)?;
    stage.shows(1, &["backups"])?;
    println!("  (it ends with 1: there are guests without a backup to rely on)");
    Ok(())
}

/// How it was made is told by the calls: nothing of it could reach anybody.
fn isolated(stage: &Stage, before: usize) -> Result<(), String> {
    let calls = stage.changing(|_| true).split_off(before);
    let made = calls.iter().find(|call| call.param("restore").is_some()).ok_or("the restore")?;
    println!("       the call: {}", in_words(made));
    let net = made.param("net0").unwrap_or_default();
    seen(
        net.contains("link_down=1") && !net.contains("hwaddr"),
        "its cable was out, and its address not the guest's",
    )?;
    let of_test = |call: &&felhom_sim::server::Call| call.path.contains(SCRATCH) || *call == made;
    let others = calls.iter().filter(|call| !of_test(call)).filter(|call| !call.path.ends_with("/vzdump"));
    seen(
        others.count() == 0,
        &format!("nothing but the backup touched lxc/{VMID}, and nothing at all another guest"),
    )
}

/// The result as the daemon keeps it.
fn evidence(stage: &Stage) -> Result<Value, String> {
    let rows: Value = serde_json::from_str(&stage.ends_with(1, &["backups", "--json"])?)
        .map_err(|error| error.to_string())?;
    let row = rows.as_array().into_iter().flatten().find(|row| row["vmid"] == VMID);
    let test = row.map(|row| row["restore_test"].clone()).ok_or("the shop among the backups")?;
    let passed = test["checks"].as_array().into_iter().flatten().filter(|check| check["ok"] == true).count();
    let says = test["result"] == "passed" && passed >= 5;
    seen(
        says,
        &format!(
            "the result is kept with its evidence: {passed} checks, configuration {}",
            test["config_sha256"]
        ),
    )?;
    Ok(test)
}

fn guests(stage: &Stage) -> BTreeSet<u32> {
    stage.node.world(|world| world.guests.keys().copied().collect())
}
