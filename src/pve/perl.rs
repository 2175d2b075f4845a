//! Perl's JSON, in which a number may be a string, a boolean is 1, "1" or true, and what is unset is absent or null.
//! What does not read as the wanted type is `None`: unknown is never 0.

use std::fmt;

use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// One value as it came.
#[derive(Clone, Debug, PartialEq)]
enum Scalar {
    Absent,
    Flag(bool),
    Int(i128),
    Float(f64),
    Text(String),
    /// An array or an object.
    Other,
}

struct ScalarVisitor;

impl<'de> Visitor<'de> for ScalarVisitor {
    type Value = Scalar;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Scalar, E> {
        Ok(Scalar::Flag(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Scalar, E> {
        Ok(Scalar::Int(i128::from(value)))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Scalar, E> {
        Ok(Scalar::Int(i128::from(value)))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Scalar, E> {
        Ok(Scalar::Float(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Scalar, E> {
        Ok(Scalar::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Scalar, E> {
        Ok(Scalar::Text(value))
    }

    fn visit_unit<E>(self) -> Result<Scalar, E> {
        Ok(Scalar::Absent)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<Scalar, A::Error> {
        while values.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Scalar::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Scalar, A::Error> {
        while entries.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Scalar::Other)
    }
}

/// A text; a number is printed.
pub(super) fn text<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    Ok(match from.deserialize_any(ScalarVisitor)? {
        Scalar::Text(text) => Some(text),
        Scalar::Int(number) => Some(number.to_string()),
        Scalar::Float(number) => Some(serde_json::Value::from(number).to_string()),
        Scalar::Flag(flag) => Some(if flag { "1" } else { "0" }.to_owned()),
        Scalar::Absent | Scalar::Other => None,
    })
}

/// A whole number of 0 or more, also as text.
pub(super) fn unsigned<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    Ok(match from.deserialize_any(ScalarVisitor)? {
        Scalar::Int(number) => u64::try_from(number).ok(),
        Scalar::Float(number) => whole(number),
        Scalar::Text(text) => {
            let text = text.trim();
            text.parse::<u64>().ok().or_else(|| fraction(text).and_then(whole))
        }
        Scalar::Flag(_) | Scalar::Absent | Scalar::Other => None,
    })
}

/// Read as JSON is read, for which the binary has the code; std's own is 14 kB more.
fn fraction(text: &str) -> Option<f64> {
    serde_json::from_str(text).ok()
}

/// 2^53, up to which a float tells whole numbers apart.
const EXACT: f64 = 9_007_199_254_740_992.0;

fn whole(number: f64) -> Option<u64> {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked: whole, not negative, at most 2^53"
    )]
    ((0.0..=EXACT).contains(&number) && number.fract() == 0.0).then_some(number as u64)
}

/// A number with a fraction, also as text.
pub(super) fn float<'de, D: Deserializer<'de>>(from: D) -> Result<Option<f64>, D::Error> {
    let number = match from.deserialize_any(ScalarVisitor)? {
        #[expect(clippy::cast_precision_loss, reason = "a measurement; 53 bits are plenty")]
        Scalar::Int(number) => Some(number as f64),
        Scalar::Float(number) => Some(number),
        Scalar::Text(text) => fraction(text.trim()),
        Scalar::Flag(_) | Scalar::Absent | Scalar::Other => None,
    };
    Ok(number.filter(|number| number.is_finite()))
}

/// A boolean; what is absent, null or does not read as one is `None`.
pub(super) fn flag<'de, D: Deserializer<'de>>(from: D) -> Result<Option<bool>, D::Error> {
    Ok(match from.deserialize_any(ScalarVisitor)? {
        Scalar::Flag(flag) => Some(flag),
        Scalar::Int(number) => Some(number != 0),
        Scalar::Text(text) => match text.trim() {
            "1" | "yes" | "on" | "true" => Some(true),
            "" | "0" | "no" | "off" | "false" => Some(false),
            // `delete` of a pending change is 2 where it is forced.
            text => text.parse::<i64>().ok().map(|number| number != 0),
        },
        Scalar::Float(_) | Scalar::Absent | Scalar::Other => None,
    })
}

/// A boolean that is false when Proxmox does not say it.
pub(super) fn switch<'de, D: Deserializer<'de>>(from: D) -> Result<bool, D::Error> {
    Ok(flag(from)?.unwrap_or(false))
}

/// A value of a guest's configuration as Proxmox prints it: numbers to the digit, structures as their JSON.
pub(super) fn printed(raw: &RawValue) -> Option<String> {
    let json = raw.get();
    match json.as_bytes().first() {
        Some(b'"') => serde_json::from_str(json).ok(),
        Some(b'n') => None,
        Some(b't') => Some("1".to_owned()),
        Some(b'f') => Some("0".to_owned()),
        _ => Some(json.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::Deserialize;
    use serde_json::value::RawValue;

    use super::{flag, float, printed, switch, text, unsigned};

    #[derive(Debug, PartialEq, Deserialize)]
    struct All {
        #[serde(default, deserialize_with = "text")]
        text: Option<String>,
        #[serde(default, deserialize_with = "unsigned")]
        number: Option<u64>,
        #[serde(default, deserialize_with = "float")]
        float: Option<f64>,
        #[serde(default, deserialize_with = "flag")]
        flag: Option<bool>,
        #[serde(default, deserialize_with = "switch")]
        switch: bool,
    }

    fn all(json: &str) -> All {
        let whole =
            format!(r#"{{"text":{json},"number":{json},"float":{json},"flag":{json},"switch":{json}}}"#);
        serde_json::from_str(&whole).unwrap()
    }

    #[test]
    fn every_way_in_which_perl_writes_a_value_is_read() {
        let absent = All { text: None, number: None, float: None, flag: None, switch: false };
        let one = |text: &str| All {
            text: Some(text.to_owned()),
            number: Some(1),
            float: Some(1.0),
            flag: Some(true),
            switch: true,
        };
        assert_eq!(all("null"), absent);
        assert_eq!(serde_json::from_str::<All>("{}").unwrap(), absent);
        assert_eq!(all(r#"[["lxc.cap.drop","x"]]"#), absent);
        assert_eq!(all(r#"{"a":1}"#), absent);
        assert_eq!(all("1"), one("1"));
        assert_eq!(all(r#""1""#), one("1"));
        assert_eq!(all("true"), All { number: None, float: None, ..one("1") });
        assert_eq!(
            all(r#""abc""#),
            All { text: Some("abc".to_owned()), number: None, float: None, flag: None, switch: false }
        );
        assert_eq!(all(r#""0.5""#).float, Some(0.5));
        assert_eq!(all("0.5").number, None);
        assert_eq!(all("-1").number, None);
        assert_eq!(all("1e3").number, Some(1000));
        assert_eq!(all(r#""""#).flag, Some(false));
        assert_eq!((all(r#""2""#).flag, all(r#""00""#).flag), (Some(true), Some(false)));
        assert_eq!(all(r#""inf""#).float, None);
    }

    #[test]
    fn a_value_of_a_configuration_keeps_its_digits() {
        for (json, expected) in [
            (r#""a\nb""#, Some("a\nb")),
            ("128", Some("128")),
            ("0.50", Some("0.50")),
            ("18446744073709551616", Some("18446744073709551616")),
            ("true", Some("1")),
            ("null", None),
            (r#"[["lxc.cap.drop","sys_admin"]]"#, Some(r#"[["lxc.cap.drop","sys_admin"]]"#)),
        ] {
            let raw: &RawValue = serde_json::from_str(json).unwrap();
            assert_eq!(printed(raw).as_deref(), expected, "{json}");
        }
    }

    proptest! {
        #[test]
        fn a_number_reads_the_same_bare_and_quoted(number in any::<u64>()) {
            prop_assert_eq!(all(&number.to_string()).number, Some(number));
            prop_assert_eq!(all(&format!("\"{number}\"")).number, Some(number));
        }
    }
}
