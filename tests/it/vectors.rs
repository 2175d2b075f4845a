//! The built binary judges every vector for signers and verifiers as the vector says.

use std::fs;

use serde_json::Value;

use crate::stage::{Ended, program};

#[test]
fn every_vector_is_judged_by_the_built_binary_as_it_says() {
    let vectors: Value = serde_json::from_str(include_str!("../vectors/signed-ops.json")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let (keyring, file) = (folder.path().join("keyring.json"), folder.path().join("op.json"));
    fs::write(&keyring, text(&vectors["keyring"])).unwrap();
    for case in vectors["cases"].as_array().unwrap() {
        fs::write(&file, text(&case["envelope"])).unwrap();
        let mut command = program(env!("CARGO_BIN_EXE_felhom-agent"));
        command.args([
            "op",
            "verify",
            "--host-id",
            &text(&vectors["host_id"]),
            "--node",
            &text(&vectors["node"]),
        ]);
        command.args(["--at", &case["now"].to_string(), "--floor", &case["floor"].to_string()]);
        command.arg("--keyring").arg(&keyring).arg(&file);
        let expected = &case["expected"];
        let accepted = expected["result"] == "accepted";
        let verdict = Ended::of(&mut command).json(i32::from(!accepted));
        for name in ["result", if accepted { "op_id" } else { "code" }] {
            assert_eq!(verdict[name], expected[name], "{}", case["name"]);
        }
    }
}
