//! JSON kept as it was written: a key that occurs twice stays twice, so that the reader can refuse it where it stands.
//! serde's own maps keep the last of two, and its structs take an array for an object.

use std::collections::BTreeSet;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

/// One JSON value. Numbers are whole or not numbers of this document at all.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Json {
    Null,
    Flag(bool),
    Whole(u64),
    /// Negative, fractional or too large: shown, never used.
    OtherNumber(f64),
    Text(String),
    Array(Vec<Self>),
    Object(Vec<(String, Self)>),
}

impl Json {
    /// What was found, in a few words.
    pub(super) fn found(&self) -> String {
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

    /// The path of a key that occurs twice in one object, at any depth.
    pub(super) fn twice(&self, path: &str) -> Option<String> {
        match self {
            Self::Object(pairs) => {
                let mut seen = BTreeSet::new();
                for (key, value) in pairs {
                    let path = format!("{path}.{}", key.escape_debug());
                    if !seen.insert(key) {
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
    pub(super) fn first(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Object(pairs) => pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value),
            _ => None,
        }
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
        #[expect(clippy::cast_precision_loss, reason = "only shown: a negative number is refused everywhere")]
        Ok(u64::try_from(number).map_or(Json::OtherNumber(number as f64), Json::Whole))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Json, E> {
        Ok(Json::OtherNumber(number))
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
