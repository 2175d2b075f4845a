//! Parameters as Proxmox takes them: `key=value` pairs, percent-encoded to the last letter (a bare `;` would separate).

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// All but the letters that RFC 3986 leaves as they are.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The parameters of one call. A key occurs once: Proxmox makes an array of a repeated one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Form {
    pairs: Vec<(String, String)>,
}

impl Form {
    pub(super) fn new() -> Self {
        Self::default()
    }

    pub(super) fn with(mut self, key: &str, value: impl ToString) -> Self {
        self.set(key, value);
        self
    }

    pub(super) fn with_some(self, key: &str, value: Option<impl ToString>) -> Self {
        match value {
            Some(value) => self.with(key, value),
            None => self,
        }
    }

    /// `1` or `0`: the form value `true` is refused.
    pub(super) fn with_flag(self, key: &str, value: bool) -> Self {
        self.with(key, u8::from(value))
    }

    pub(super) fn set(&mut self, key: &str, value: impl ToString) {
        let value = value.to_string();
        match self.pairs.iter_mut().find(|(known, _)| known == key) {
            Some((_, old)) => *old = value,
            None => self.pairs.push((key.to_owned(), value)),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    pub(super) fn encoded(&self) -> String {
        let pairs = self.pairs.iter().map(|(key, value)| format!("{}={}", segment(key), segment(value)));
        pairs.collect::<Vec<_>>().join("&")
    }
}

/// One segment of a path: a task id, a volume id, a name.
pub(super) fn segment(text: &str) -> String {
    utf8_percent_encode(text, ENCODED).to_string()
}

#[cfg(test)]
mod tests {
    use percent_encoding::percent_decode_str;
    use proptest::prelude::*;

    use super::{Form, segment};

    #[test]
    fn every_letter_that_could_mean_something_is_encoded() {
        let form =
            Form::new().with("tags", "a;b c").with("net0", "name=eth0,ip=dhcp").with_flag("onboot", true);
        assert_eq!(form.encoded(), "tags=a%3Bb%20c&net0=name%3Deth0%2Cip%3Ddhcp&onboot=1");
        assert_eq!(segment("store:backup/x@y"), "store%3Abackup%2Fx%40y");
        assert_eq!(segment("ű\n+%"), "%C5%B1%0A%2B%25");
    }

    #[test]
    fn a_key_occurs_once() {
        assert_eq!(Form::new().with("a", 1).with("a", 2).encoded(), "a=2");
        assert_eq!(Form::new().with_some("a", None::<u8>).encoded(), "");
    }

    proptest! {
        #[test]
        fn what_is_encoded_decodes_to_itself(text in ".*") {
            let encoded = segment(&text);
            prop_assert!(encoded.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~%".contains(&byte)));
            let decoded = percent_decode_str(&encoded).decode_utf8().unwrap().into_owned();
            prop_assert_eq!(decoded, text);
        }
    }
}
