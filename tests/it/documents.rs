//! What the documents promise is what the code does: the README's table of settings is the code's, its role is enough.

use std::fs;
use std::path::Path;

use felhom_agent::config::setting::SETTINGS;
use serde_json::{Value, json};

use crate::stage::{Stage, lxc, vm};

#[test]
fn the_readme_names_every_setting_with_its_default() {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    for setting in SETTINGS {
        let default =
            if setting.default.is_empty() { String::new() } else { format!("`{}`", setting.default) };
        let row = format!("| `{}` | {default} | {} |", setting.name(), setting.help);
        assert!(readme.contains(&row), "the README lacks this row:\n{row}");
    }
}

#[test]
fn the_readme_s_role_is_enough_to_converge_every_managed_field() {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let role = readme.split("--privs \"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
    let privileges: Vec<&str> = role.split(' ').collect();
    let secret = "77777777-7777-4777-8777-777777777777";
    let stage = Stage::new(|world| {
        world.access.add_role("Felhom", &privileges);
        world.access.add_user("felhom@pve");
        world.access.add_token("felhom@pve!agent", secret, false);
        world.access.grant("/", "felhom@pve", "Felhom");
    });
    let file = stage.secret("narrow-token", secret);
    stage.configure(|config| {
        config["proxmox"]["token_id"] = json!("felhom@pve!agent");
        config["proxmox"]["token_secret_file"] = json!(file);
    });
    let common = json!({"run_state": "running", "name": "renamed", "description": "text", "tags": ["a"], "cores": 1,
        "memory_mb": 256, "on_boot": true, "protection": true});
    let with = |more: Value| {
        let mut spec = common.clone();
        for (key, value) in more.as_object().unwrap() {
            spec[key] = value.clone();
        }
        spec
    };
    let container = with(json!({"swap_mb": 128, "startup": {"order": 1}}));
    stage.desire(1, &json!([lxc(100, container), vm(201, with(json!({"name": "renamed-too"})))]));
    stage.run(&["selftest"]).expect(0, &["the token has all"]);
    let daemon = stage.daemon();
    daemon.says("(lxc/100) is in order");
    daemon.says("(qemu/201) is in order");
    daemon.stop();
}
