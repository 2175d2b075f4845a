//! `tests/REJECTIONS.md` names every row of the matrix and the tests that hold it; here that is held to the sources.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// The rows of the matrix, by group.
const ROWS: [(&str, u32); 8] =
    [("A", 15), ("B", 18), ("C", 14), ("D", 12), ("E", 12), ("F", 13), ("G", 22), ("H", 5)];

pub(crate) fn texts(folder: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(fs::read_to_string(&path).unwrap());
            }
        }
    }
    found
}

/// The names in back quotes.
pub(crate) fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

#[test]
fn every_row_of_the_matrix_is_held_by_tests_that_exist() {
    let document =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/REJECTIONS.md")).unwrap();
    let mut sources = texts("src");
    sources.extend(texts("tests/it"));
    let tables = texts("tests/it/rejections").join("\n");
    let mut missing: BTreeSet<String> =
        ROWS.iter().flat_map(|(group, count)| (1..=*count).map(move |row| format!("{group}{row}"))).collect();
    let mut wrong = Vec::new();
    for line in document.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| row")) {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let [row, attack, in_process, binary] = cells.as_slice() else {
            wrong.push(format!("not four cells: {line}"));
            continue;
        };
        if !missing.remove(*row) {
            wrong.push(format!("{row} stands twice, or is no row of the matrix"));
        }
        if attack.is_empty() || (in_process.is_empty() && binary.is_empty()) {
            wrong.push(format!("{row} is not held by anything"));
        }
        for name in quoted(in_process).chain(quoted(binary)) {
            if !sources.iter().any(|text| text.contains(&format!("fn {name}("))) {
                wrong.push(format!("{row}: there is no test {name}"));
            }
        }
        if binary.contains("table") && !tables.contains(&format!("\"{row}\"")) {
            wrong.push(format!("{row} is in no table"));
        }
    }
    wrong.extend(missing.iter().map(|row| format!("{row} is missing")));
    assert!(wrong.is_empty(), "tests/REJECTIONS.md:\n{}", wrong.join("\n"));
}
