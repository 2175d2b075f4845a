//! Lays out compact JSON for reading. Serialising twice, compactly and laid out, would put every document's code into the
//! binary twice.

/// The same document with a line for each member and element, two spaces a level, as serde_json's pretty printer does it.
///
/// `compact` must be JSON without white space outside strings.
pub(super) fn indent(compact: &str) -> String {
    let mut text = String::with_capacity(compact.len() * 2);
    let mut depth: usize = 0;
    let mut in_string = false;
    let mut escaped = false;
    let mut letters = compact.chars().peekable();
    while let Some(letter) = letters.next() {
        if in_string {
            text.push(letter);
            in_string = escaped || letter != '"';
            escaped = letter == '\\' && !escaped;
            continue;
        }
        match letter {
            '{' | '[' => {
                text.push(letter);
                // An empty one stays on its line.
                if let Some(close) = letters.next_if(|next| matches!(next, '}' | ']')) {
                    text.push(close);
                } else {
                    depth += 1;
                    new_line(&mut text, depth);
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                new_line(&mut text, depth);
                text.push(letter);
            }
            ',' => {
                text.push(letter);
                new_line(&mut text, depth);
            }
            ':' => text.push_str(": "),
            _ => {
                in_string = letter == '"';
                text.push(letter);
            }
        }
    }
    text
}

fn new_line(text: &mut String, depth: usize) {
    text.push('\n');
    text.extend(std::iter::repeat_n("  ", depth));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Map, Value, json};

    use super::indent;

    fn any_json() -> impl Strategy<Value = Value> {
        let text = "[a\"\\\\\\[\\]{}:, \n\u{0}ä]{0,6}";
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            (-1e9..1e9).prop_map(|number: f64| json!(number)),
            text.prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 5, move |inner| {
            let members = prop::collection::vec((text, inner.clone()), 0..5);
            prop_oneof![
                prop::collection::vec(inner, 0..5).prop_map(Value::from),
                members.prop_map(|members| Value::from(Map::from_iter(members))),
            ]
        })
    }

    proptest! {
        #[test]
        fn it_is_the_same_document_as_the_pretty_printer_lays_it_out(document in any_json()) {
            let compact = document.to_string();
            let laid_out = indent(&compact);
            let parsed = |text| serde_json::from_str::<Value>(text).unwrap();
            // What was parsed, not `document`: reading a float may lose its last bit.
            prop_assert_eq!(parsed(&laid_out), parsed(&compact));
            prop_assert_eq!(laid_out, serde_json::to_string_pretty(&document).unwrap());
        }
    }

    #[test]
    fn punctuation_in_strings_stays_as_it_is() {
        let expected = "{\n  \"a,\": [\n    \"\\\"[:{\",\n    \"\\\\\"\n  ],\n  \"e\": [],\n  \"o\": {}\n}";
        assert_eq!(indent(r#"{"a,":["\"[:{","\\"],"e":[],"o":{}}"#), expected);
    }
}
