//! What the documents promise is what the code does: the tables of settings are the code's, all of a manifest is told of, the role is enough.

use std::collections::BTreeSet;
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

/// The page as it is read, its lines wrapped anyhow.
fn man_page() -> String {
    let page =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("contrib/felhom-agent.8")).unwrap();
    page.replace("\\-", "-")
}

#[test]
fn the_man_page_names_every_setting_with_its_default_and_no_other() {
    let page = man_page();
    let (_, settings) = page.split_once(".SH SETTINGS").unwrap();
    let (settings, _) = settings.split_once("\n.SH ").unwrap();
    for setting in SETTINGS {
        let default =
            if setting.default.is_empty() { String::new() } else { format!(" [{}]", setting.default) };
        let paragraph = format!(".TP\n.B {}\n{}{default}\n", setting.name(), setting.help.replace('`', ""));
        assert!(format!("{settings}\n").contains(&paragraph), "the man page lacks this:\n{paragraph}");
    }
    assert_eq!(settings.matches(".TP").count(), SETTINGS.len());
}

/// The name of every member that a schema knows.
fn members(schema: &Value, into: &mut BTreeSet<String>) {
    match schema {
        Value::Object(object) => {
            let known = object.get("properties").and_then(Value::as_object);
            into.extend(known.into_iter().flatten().map(|(name, _)| name.clone()));
            object.values().for_each(|part| members(part, into));
        }
        Value::Array(items) => items.iter().for_each(|part| members(part, into)),
        _ => {}
    }
}

#[test]
fn readme_and_man_page_name_all_that_a_manifest_can_say() {
    let schema = serde_json::from_str(include_str!("../../etc/schema/manifest.json")).unwrap();
    let mut known = BTreeSet::new();
    members(&schema, &mut known);
    assert!(known.len() > 80 && known.contains("clipboard"), "{known:?}");
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let page = man_page();
    let (_, page) = page.split_once(".SH MANIFEST").unwrap();
    let (page, _) = page.split_once("\n.SH ").unwrap();
    let words = |text: &str| -> BTreeSet<String> {
        text.split(|letter: char| !letter.is_alphanumeric() && letter != '_').map(str::to_owned).collect()
    };
    for (name, text) in [("README", words(&readme)), ("man page", words(page))] {
        let missing: Vec<&String> = known.iter().filter(|member| !text.contains(*member)).collect();
        assert!(missing.is_empty(), "{name}: {missing:?}");
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

#[test]
fn the_readme_s_documents_are_in_order() {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let stage = Stage::new(|_| {});
    let blocks = readme.split("```json\n").skip(1).filter_map(|rest| rest.split("```").next());
    let mut count = 0;
    for block in blocks {
        // A whole document for some host, or some resources of one.
        let text = match block.contains("api_version") {
            true => block.to_owned(),
            false => format!(
                "{{\"api_version\": \"felhom/v1\", \"host_id\": \"h\", \"generation\": 1, \"resources\": [{}]}}",
                block.trim().trim_end_matches(',')
            ),
        };
        let file = stage.write("desired.json", &text.replace('…', "h"));
        stage.run(&["manifest", "check", file.to_str().unwrap()]).expect(0, &["in order"]);
        count += 1;
    }
    assert!(count > 2, "{count} documents were found");
}
