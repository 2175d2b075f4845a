//! Base addresses: parsed once, printed without surprise.

use std::fmt;

use crate::http::is_loopback;

/// `https://hub.example:443/base`, checked: a scheme, a host, no user, no query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// Without a trailing slash, so that a path can be appended.
    text: String,
    host: String,
    tls: bool,
}

impl Address {
    /// Reads a base address; the error says what was found and what is allowed.
    pub fn parse(text: &str) -> Result<Self, String> {
        let refuse = |why: &str| Err(format!("{text:?} {why}; expected something like https://host:port"));
        // A user part may hold a password: it is refused without being repeated.
        if text.contains('@') {
            return Err(
                "an address may not hold a user or password; expected something like https://host:port"
                    .to_owned(),
            );
        }
        let Ok(uri) = text.parse::<ureq::http::Uri>() else { return refuse("is not an address") };
        let (Some(scheme), Some(host)) = (uri.scheme_str(), uri.host()) else {
            return refuse("has no scheme or no host");
        };
        let tls = match scheme {
            "https" => true,
            "http" => false,
            _ => return refuse("is neither http nor https"),
        };
        if host.is_empty() || uri.query().is_some() || text.contains('#') {
            return refuse("has no host, or a query or fragment");
        }
        if !tls && !is_loopback(host.trim_start_matches('[').trim_end_matches(']')) {
            return refuse(
                "is not encrypted, which is allowed only to this machine itself (127.0.0.1, ::1, localhost)",
            );
        }
        Ok(Self { text: text.trim_end_matches('/').to_owned(), host: host.to_owned(), tls })
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }

    pub fn host(&self) -> &str {
        &self.host
    }

    pub fn is_tls(&self) -> bool {
        self.tls
    }

    pub fn has_path(&self) -> bool {
        self.text.split_once("://").is_some_and(|(_, rest)| rest.contains('/'))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::Address;

    #[test]
    fn an_address_is_taken_or_refused_with_its_reason() {
        for (text, part) in [
            ("https://hub.example", ""),
            ("https://hub.example:8443/base/", ""),
            ("http://127.0.0.1:80", ""),
            ("http://127.8.8.8:80", ""),
            ("http://localhost:80", ""),
            ("http://[::1]:80", ""),
            ("http://192.0.2.1", "not encrypted"),
            ("http://localhost.example", "not encrypted"),
            ("http://127.0.0.1.example", "not encrypted"),
            ("ftp://hub.example", "neither"),
            ("hub.example", "no scheme"),
            ("/x", "no scheme"),
            ("https://", "is not an address"),
            ("https://h/?q=1", "query"),
            ("https://h/#f", "fragment"),
            ("https://u:canary@h", "user or password"),
        ] {
            match Address::parse(text) {
                Ok(address) => {
                    assert!(part.is_empty(), "{text} was taken");
                    assert!(!address.as_str().ends_with('/'));
                }
                Err(message) => {
                    assert!(!part.is_empty() && message.contains(part), "{text}: {message}");
                    assert!(!message.contains("canary"));
                }
            }
        }
    }
}
