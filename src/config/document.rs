//! The configuration file's text to its entries, each with its line. Reads on after a fault, so that all are named at once.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::error::Category;
use serde_json::value::RawValue;

/// One `"key": value` of a section.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) section: String,
    pub(super) key: String,
    pub(super) value: serde_json::Value,
    pub(super) line: usize,
}

/// A fault of the document's form, with its line.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct FormFault {
    pub(super) line: usize,
    /// `hub` or `hub.url`; empty for the whole document.
    pub(super) name: String,
    pub(super) message: String,
}

/// An object's members in the order they stand, doubles included.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MembersVisitor;
        impl<'de> Visitor<'de> for MembersVisitor {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(MembersVisitor)
    }
}

/// What stands in a document; every list can be non-empty, whatever the others hold.
#[derive(Debug, Default)]
pub(super) struct Document {
    /// Each section's name and line, those without any entry included.
    pub(super) sections: Vec<(String, usize)>,
    pub(super) entries: Vec<Entry>,
    pub(super) faults: Vec<FormFault>,
}

/// Splits a document into its entries; faults of form are told apart from them.
pub(super) fn read(text: &str) -> Document {
    let Document { sections: mut named, mut entries, mut faults } = Document::default();
    let sections = match serde_json::from_str::<Members<'_>>(text) {
        Ok(Members(sections)) => sections,
        Err(error) => {
            // serde_json repeats a value of the wrong kind, which may be a secret. Its own text ends in "at line L column C"; the
            // line is told apart, so that it stands where all others stand.
            let message = match error.classify() {
                Category::Data => {
                    format!("not a JSON object of sections: found {}", kind_of(text.trim_start()))
                }
                Category::Io | Category::Syntax | Category::Eof => {
                    format!("not a JSON object of sections: {error}")
                }
            };
            faults.push(FormFault { line: error.line(), name: String::new(), message });
            return Document { sections: named, entries, faults };
        }
    };
    let mut seen_sections: Vec<&str> = Vec::new();
    for (section, raw) in &sections {
        if seen_sections.contains(&section.as_str()) {
            faults.push(FormFault {
                line: line_of(text, raw),
                name: section.clone(),
                message: "named twice; put both parts into one section".to_owned(),
            });
        }
        seen_sections.push(section);
        named.push((section.clone(), line_of(text, raw)));
        match serde_json::from_str::<Members<'_>>(raw.get()) {
            Ok(Members(members)) => section_entries(text, section, &members, &mut entries, &mut faults),
            Err(_not_an_object) => faults.push(FormFault {
                line: line_of(text, raw),
                name: section.clone(),
                message: format!("expected an object of settings, found {}", kind_of(raw.get())),
            }),
        }
    }
    Document { sections: named, entries, faults }
}

fn section_entries(
    text: &str,
    section: &str,
    members: &[(String, &RawValue)],
    entries: &mut Vec<Entry>,
    faults: &mut Vec<FormFault>,
) {
    let mut seen: Vec<&str> = Vec::new();
    for (key, raw) in members {
        let line = line_of(text, raw);
        if seen.contains(&key.as_str()) {
            faults.push(FormFault {
                line,
                name: format!("{section}.{key}"),
                message: "named twice".to_owned(),
            });
            continue;
        }
        seen.push(key);
        match serde_json::from_str(raw.get()) {
            Ok(value) => entries.push(Entry { section: section.to_owned(), key: key.clone(), value, line }),
            Err(error) => faults.push(FormFault {
                line,
                name: format!("{section}.{key}"),
                message: format!("not readable: {error}"),
            }),
        }
    }
}

/// The line on which a value stands: it borrows from the text, so its address tells.
fn line_of(text: &str, raw: &RawValue) -> usize {
    let offset = (raw.get().as_ptr() as usize).saturating_sub(text.as_ptr() as usize);
    1 + text.bytes().take(offset).filter(|byte| *byte == b'\n').count()
}

/// What a JSON text is, without repeating it: it may hold a secret.
fn kind_of(json: &str) -> &'static str {
    match json.bytes().next() {
        Some(b'"') => "a text",
        Some(b'[') => "a list",
        Some(b'{') => "an object",
        Some(b't' | b'f') => "true or false",
        Some(b'n') => "null",
        _ => "a number",
    }
}

#[cfg(test)]
mod tests {
    use super::{Document, read};

    #[test]
    fn each_entry_knows_its_line() {
        let Document { entries, faults, .. } =
            read("{\n \"hub\": {\n\n  \"url\": \"x\",\n  \"poll_seconds\":\n 60 } }");
        assert!(faults.is_empty(), "{faults:?}");
        let lines: Vec<(&str, usize)> =
            entries.iter().map(|entry| (entry.key.as_str(), entry.line)).collect();
        assert_eq!(lines, [("url", 4), ("poll_seconds", 6)]);
    }

    #[test]
    fn a_document_that_is_no_object_of_objects_is_refused_with_its_line() {
        for (text, line, part) in [
            ("", 1, "EOF"),
            ("[]", 1, "found a list"),
            ("\"canary\"", 1, "found a text"),
            ("{\n\"hub\": [1]\n}", 2, "found a list"),
            ("{\n\"hub\": \"canary\"}", 2, "found a text"),
            ("{\"hub\":{}}\n{}", 2, "trailing"),
            ("{\"hub\":{\"url\":1,\n\"url\":2}}", 2, "named twice"),
            ("{\"hub\":{},\n\"hub\":{}}", 2, "named twice"),
        ] {
            let faults = read(text).faults;
            assert_eq!(faults.len(), 1, "{text}: {faults:?}");
            assert_eq!(faults[0].line, line, "{text}: {faults:?}");
            assert!(faults[0].message.contains(part), "{text}: {faults:?}");
            assert!(!faults[0].message.contains("canary"), "{text}: {faults:?}");
        }
    }
}
