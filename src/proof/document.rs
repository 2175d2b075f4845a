//! The members of a JSON object by name, for documents that are told as they are kept.

use serde_json::Value;

/// What is not there is null.
pub fn member<'a>(document: &'a Value, name: &str) -> &'a Value {
    document.get(name).unwrap_or(&Value::Null)
}

/// The text of a member; empty where there is none.
pub fn text<'a>(document: &'a Value, name: &str) -> &'a str {
    member(document, name).as_str().unwrap_or_default()
}

/// The texts of a member that is a list, as people read them.
pub fn texts(document: &Value, name: &str) -> String {
    let texts = member(document, name).as_array().into_iter().flatten().filter_map(Value::as_str);
    texts.collect::<Vec<_>>().join(", ")
}

pub fn put(document: &mut Value, name: &str, value: Value) {
    if let Value::Object(members) = document {
        members.insert(name.to_owned(), value);
    }
}
