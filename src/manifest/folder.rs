//! A folder of files as one text, so that it is read, compared and kept as any other document:
//! `{"folder":[["10-web.json","{…}"],…]}`, the files in the order of their names.

use serde_json::Value;

use super::ManifestError;
use crate::strict_json::Json;

const MEMBER: &str = "folder";

/// The one text; [`super::read`] takes it apart again.
pub fn bundle(files: Vec<(String, String)>) -> Vec<u8> {
    let files = files.into_iter().map(|(name, text)| Value::from(vec![name, text])).collect();
    let document = Value::Object([(MEMBER.to_owned(), Value::Array(files))].into_iter().collect());
    document.to_string().into_bytes()
}

/// Each file's name and text; `None` for a document that is no folder.
pub(super) fn pieces(document: &Json) -> Result<Option<Vec<(&str, &str)>>, ManifestError> {
    let Some(files) = document.first(MEMBER) else { return Ok(None) };
    let pieces = match (files, document) {
        (Json::Array(files), Json::Object(members)) if members.len() == 1 => {
            files.iter().map(piece).collect()
        }
        _ => None,
    };
    let message = "allowed is a manifest, or the files of a folder as the agent keeps them".to_owned();
    pieces.map(Some).ok_or_else(|| ManifestError::Invalid { path: MEMBER.to_owned(), message })
}

fn piece(file: &Json) -> Option<(&str, &str)> {
    let Json::Array(pair) = file else { return None };
    match pair.as_slice() {
        [Json::Text(name), Json::Text(text)] => Some((name, text)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{ManifestError, parse};
    use super::bundle;
    use crate::model::desired::DesiredState;
    use crate::model::time::Timestamp;

    fn file(name: &str, generation: u64, resources: &str) -> (String, String) {
        let text = format!(
            r#"{{"api_version":"felhom/v1","host_id":"h","generation":{generation},"resources":[{resources}]}}"#
        );
        (name.to_owned(), text)
    }

    fn guest(id: &str, vmid: u32, depends_on: &str) -> String {
        format!(r#"{{"id":"{id}","kind":"lxc_guest","depends_on":[{depends_on}],"spec":{{"vmid":{vmid}}}}}"#)
    }

    fn read(files: Vec<(String, String)>) -> Result<DesiredState, ManifestError> {
        parse(&bundle(files), "h", Timestamp::from_unix(0))
    }

    #[test]
    fn the_files_of_a_folder_are_one_document_under_the_highest_generation() {
        let state = read(vec![
            file("10-web.json", 7, &guest("web", 101, "\"db\"")),
            file("20-db.json", 3, &guest("db", 100, "")),
        ])
        .unwrap();
        let ids: Vec<&str> = state.guests.iter().map(|guest| guest.resource_id.as_str()).collect();
        assert_eq!((state.generation, ids), (7, vec!["db", "web"]));
        assert!(state.refused.is_empty(), "one file may depend on another");
    }

    #[test]
    fn a_bad_file_refuses_the_whole_folder_and_is_named() {
        let good = || file("a.json", 1, &guest("web", 101, ""));
        for (second, code) in [
            (("b.json".to_owned(), "{".to_owned()), "not_json"),
            (("b.json".to_owned(), "[]".to_owned()), "invalid_manifest"),
            (("b.json".to_owned(), r#"{"folder":[]}"#.to_owned()), "invalid_manifest"),
            (file("b.json", 1, &guest("web", 102, "")), "duplicate_id"),
            (file("b.json", 1, &guest("db", 101, "")), "duplicate_vmid"),
        ] {
            let error = read(vec![good(), second]).unwrap_err();
            assert_eq!(error.code(), code, "{error}");
            assert!(error.to_string().starts_with("b.json: "), "{error}");
        }
        let around = vec![
            file("a.json", 1, &guest("web", 101, "\"db\"")),
            file("b.json", 1, &guest("db", 102, "\"web\"")),
        ];
        assert_eq!(read(around).unwrap_err().code(), "dependency_cycle");
    }

    #[test]
    fn what_only_looks_like_a_folder_is_refused() {
        for text in [r#"{"folder":{}}"#, r#"{"folder":[["a"]]}"#, r#"{"folder":[],"host_id":"h"}"#] {
            assert_eq!(
                parse(text.as_bytes(), "h", Timestamp::from_unix(0)).unwrap_err().code(),
                "invalid_manifest",
                "{text}"
            );
        }
    }
}
