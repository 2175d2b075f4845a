//! JSON kept as it was written: a key that occurs twice stays twice, so that the reader can refuse it where it stands.
//! serde's own maps keep the last of two, and its structs take an array for an object.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Number;

pub mod object;

/// One JSON value. Numbers are whole or not numbers of this document at all.
#[derive(Clone, Debug, PartialEq)]
pub enum Json {
    Null,
    Flag(bool),
    Whole(u64),
    /// Negative, fractional or too large: shown, never used.
    OtherNumber(Number),
    Text(String),
    Array(Vec<Self>),
    Object(Vec<(String, Self)>),
}

impl Json {
    /// What was found, in a few words.
    pub fn found(&self) -> String {
        const LONGEST: usize = 60;
        match self {
            Self::Null => "null".to_owned(),
            Self::Flag(flag) => flag.to_string(),
            Self::Whole(number) => number.to_string(),
            Self::OtherNumber(number) => number.to_string(),
            Self::Text(text) if text.chars().nth(LONGEST).is_none() => format!("{text:?}"),
            Self::Text(text) => {
                let short: String = text.chars().take(LONGEST).collect();
                format!("{short:?}… ({} characters)", text.chars().count())
            }
            Self::Array(_) => "an array".to_owned(),
            Self::Object(_) => "an object".to_owned(),
        }
    }

    /// What was found, without a word of it.
    pub fn sort(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Flag(_) => "true or false",
            Self::Whole(_) => "a number",
            Self::OtherNumber(_) => "a number that is negative, fractional or too large",
            Self::Text(_) => "a text",
            Self::Array(_) => "an array",
            Self::Object(_) => "an object",
        }
    }

    /// How many objects and arrays stand within one another; 0 for anything else.
    pub fn depth(&self) -> usize {
        match self {
            Self::Object(pairs) => 1 + pairs.iter().map(|(_, value)| value.depth()).max().unwrap_or(0),
            Self::Array(items) => 1 + items.iter().map(Self::depth).max().unwrap_or(0),
            Self::Null | Self::Flag(_) | Self::Whole(_) | Self::OtherNumber(_) | Self::Text(_) => 0,
        }
    }

    /// The path of a key that occurs twice in one object, at any depth.
    pub fn twice(&self, path: &str) -> Option<String> {
        match self {
            Self::Object(pairs) => {
                let twice = key_twice(pairs);
                for (index, (key, value)) in pairs.iter().enumerate() {
                    let path = format!("{path}.{}", key.escape_debug());
                    if twice == Some(index) {
                        return Some(path);
                    }
                    if let Some(twice) = value.twice(&path) {
                        return Some(twice);
                    }
                }
                None
            }
            Self::Array(items) => {
                (0..).zip(items).find_map(|(index, item): (usize, _)| item.twice(&format!("{path}[{index}]")))
            }
            Self::Null | Self::Flag(_) | Self::Whole(_) | Self::OtherNumber(_) | Self::Text(_) => None,
        }
    }

    /// The first value of a key; whether it occurs twice is asked apart.
    pub fn first(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Object(pairs) => pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value),
            _ => None,
        }
    }
}

/// Where the first key stands that stood before. However many keys there are: a document may be hostile.
fn key_twice(pairs: &[(String, Json)]) -> Option<usize> {
    let mut keys: Vec<(&str, usize)> =
        pairs.iter().enumerate().map(|(index, (key, _))| (key.as_str(), index)).collect();
    keys.sort_unstable();
    let again = keys.windows(2).filter_map(|two| match two {
        [(before, _), (key, index)] if before == key => Some(*index),
        _ => None,
    });
    again.min()
}

/// Why bytes are no document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoDocument {
    /// No JSON, no object, or something before or after it.
    Syntax,
    /// JSON but for a number that JSON does not know: `0100`, `1e999`.
    Number,
    TooDeep,
}

/// What may stand after a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    Nothing,
    OneLineFeed,
}

/// Reads bytes that are one object from the first byte to the last. How many bytes there may be, the caller knows.
pub fn document(bytes: &[u8], deepest: usize, ending: Ending) -> Result<Json, NoDocument> {
    let body = match ending {
        Ending::OneLineFeed => bytes.strip_suffix(b"\n").unwrap_or(bytes),
        Ending::Nothing => bytes,
    };
    if !(body.starts_with(b"{") && body.ends_with(b"}")) {
        return Err(NoDocument::Syntax);
    }
    let json: Json = serde_json::from_slice(body).map_err(|error| no_document(&error))?;
    if json.depth() > deepest { Err(NoDocument::TooDeep) } else { Ok(json) }
}

/// The parser tells its faults apart by their text alone; a test holds the texts.
fn no_document(error: &serde_json::Error) -> NoDocument {
    let text = error.to_string();
    if text.starts_with("invalid number") || text.starts_with("number out of range") {
        NoDocument::Number
    } else if text.starts_with("recursion limit exceeded") {
        NoDocument::TooDeep
    } else {
        NoDocument::Syntax
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(JsonVisitor)
    }
}

struct JsonVisitor;

impl<'de> Visitor<'de> for JsonVisitor {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Json, E> {
        Ok(Json::Flag(flag))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Json, E> {
        Ok(Json::Whole(number))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Json, E> {
        Ok(u64::try_from(number).map_or_else(|_negative| Json::OtherNumber(number.into()), Json::Whole))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Json, E> {
        Ok(Number::from_f64(number).map_or(Json::Null, Json::OtherNumber))
    }

    fn visit_str<E>(self, text: &str) -> Result<Json, E> {
        Ok(Json::Text(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Json, E> {
        Ok(Json::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Json, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Json::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Json, A::Error> {
        let mut pairs = Vec::new();
        while let Some(pair) = access.next_entry()? {
            pairs.push(pair);
        }
        Ok(Json::Object(pairs))
    }
}

#[cfg(test)]
mod tests {
    use super::{Ending, Json, NoDocument, document};

    #[test]
    fn a_document_is_one_object_from_the_first_byte_to_the_last() {
        let read = |text: &str| document(text.as_bytes(), 4, Ending::OneLineFeed);
        for text in ["{}", "{}\n", "{ }", "{\"a\":{\"b\":[[]]}}"] {
            assert!(read(text).is_ok(), "{text:?}");
        }
        for text in [
            "",
            "[]",
            "null",
            " {}",
            "\u{feff}{}",
            "{}\n\n",
            "{} ",
            "{}\0",
            "{}{}",
            "{\"a\":1,}",
            "{'a':1}",
            "{\"\\ud800\":1}",
        ] {
            assert_eq!(read(text), Err(NoDocument::Syntax), "{text:?}");
        }
        assert_eq!(document(b"{}\n", 4, Ending::Nothing), Err(NoDocument::Syntax));
        assert_eq!(document(b"{\"\xff\":1}", 4, Ending::Nothing), Err(NoDocument::Syntax));
    }

    #[test]
    fn a_number_that_json_does_not_know_is_told_from_other_faults() {
        for number in ["0100", "1e999", "-", "01", "1.", "1e"] {
            let text = format!("{{\"a\":{number}}}");
            assert_eq!(document(text.as_bytes(), 4, Ending::Nothing), Err(NoDocument::Number), "{text}");
        }
    }

    #[test]
    fn depth_has_a_limit() {
        let nested = |depth: usize| format!("{}1{}", "{\"a\":".repeat(depth), "}".repeat(depth));
        assert_eq!(document(nested(4).as_bytes(), 4, Ending::Nothing).map(|json| json.depth()), Ok(4));
        for depth in [5, 127, 129, 5_000] {
            let read = document(nested(depth).as_bytes(), 4, Ending::Nothing);
            assert_eq!(read, Err(NoDocument::TooDeep), "{depth}");
        }
    }

    #[test]
    fn a_number_is_whole_or_no_number_of_a_document() {
        for (text, whole) in
            [("0", true), ("9007199254740993", true), ("-0", false), ("1.0", false), ("1e2", false)]
        {
            let Ok(Json::Object(pairs)) =
                document(format!("{{\"a\":{text}}}").as_bytes(), 1, Ending::Nothing)
            else {
                panic!("{text}");
            };
            assert_eq!(matches!(pairs[0].1, Json::Whole(_)), whole, "{text}");
        }
        let Ok(Json::Object(pairs)) = document(b"{\"a\":18446744073709551616}", 1, Ending::Nothing) else {
            panic!("2^64");
        };
        assert!(matches!(pairs[0].1, Json::OtherNumber(_)));
    }
}
