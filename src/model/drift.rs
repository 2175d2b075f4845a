//! One difference between what is wanted and what is, in a form that the wire, the plan and the status share.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::desired::{Startup, Value};

/// `{"field":"cores","desired":2,"actual":4}`; a field that is not set is `"absent"`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Drift {
    /// As the manifest names it: `cores`, `run_state`, …
    pub field: String,
    pub desired: serde_json::Value,
    pub actual: serde_json::Value,
}

impl Value {
    /// As the manifest would write it. What does not parse is shown as it was read.
    pub fn to_json(&self) -> serde_json::Value {
        match self {
            Self::Absent => json!("absent"),
            Self::Text(text) | Self::Raw(text) => json!(text),
            Self::Number(number) => json!(number),
            Self::Flag(flag) => json!(flag),
            Self::Tags(tags) => json!(tags),
            Self::Startup(startup) => startup.to_json(),
            Self::List(items) => json!(items),
            Self::Map(parts) => {
                parts.iter().map(|(name, part)| ((*name).to_owned(), part.to_json())).collect()
            }
        }
    }
}

impl Startup {
    fn to_json(self) -> serde_json::Value {
        let parts = [("order", self.order), ("up_s", self.up_s), ("down_s", self.down_s)];
        parts.into_iter().filter_map(|(name, part)| Some((name.to_owned(), json!(part?)))).collect()
    }
}

#[cfg(test)]
mod tests {

    use serde_json::json;

    use super::{Startup, Value};
    use crate::model::sorted::Set;

    #[test]
    fn a_value_is_shown_as_the_manifest_would_write_it() {
        let startup = Startup { order: Some(1), up_s: None, down_s: Some(60) };
        for (value, shown) in [
            (Value::Absent, json!("absent")),
            (Value::Text("web".to_owned()), json!("web")),
            (Value::Number(2), json!(2)),
            (Value::Flag(true), json!(true)),
            (Value::Tags(Set::from(["b".to_owned(), "a".to_owned()])), json!(["a", "b"])),
            (Value::Startup(startup), json!({"order": 1, "down_s": 60})),
            (Value::Raw("abc".to_owned()), json!("abc")),
        ] {
            assert_eq!(value.to_json(), shown);
        }
    }
}
