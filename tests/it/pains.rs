//! `tests/PAINS.md` names what holds each pain of Proxmox automation; here that is held to the tests and stories.

use std::fs;
use std::path::Path;

use crate::rejections::matrix::{quoted, texts};

const ROWS: usize = 44;

#[test]
fn every_pain_is_held_by_tests_that_exist_or_says_why_not() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let document = fs::read_to_string(root.join("tests/PAINS.md")).unwrap();
    let mut sources = texts("src");
    sources.extend(texts("tests/it"));
    let mut wrong = Vec::new();
    let rows = document.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| row"));
    let numbers: Vec<&str> = rows.clone().filter_map(|line| line.split(" | ").next()).collect();
    let expected: Vec<String> = (1..=ROWS).map(|row| format!("| {row}")).collect();
    assert_eq!(numbers, expected);
    for line in rows {
        let held = line.rsplit(" | ").next().unwrap();
        if held.starts_with("none") {
            if held.len() < 30 {
                wrong.push(format!("no reason: {line}"));
            }
            continue;
        }
        if quoted(held).next().is_none() {
            wrong.push(format!("held by nothing: {line}"));
        }
        for name in quoted(held) {
            let is_there = match name.strip_suffix(".story") {
                Some(_) => root.join("tests/stories").join(name).exists(),
                None => sources.iter().any(|text| text.contains(&format!("fn {name}("))),
            };
            if !is_there {
                wrong.push(format!("there is no {name}"));
            }
        }
    }
    assert!(wrong.is_empty(), "tests/PAINS.md:\n{}", wrong.join("\n"));
}
