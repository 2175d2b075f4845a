//! Proxmox's property strings: `volume,size=8G,backup=1`. Compared as maps, never as text.

use crate::model::sorted::Map;

/// The parts by name; the part without a name is `default_key`'s. Empty parts are ignored. `None`: a name occurs
/// twice, or two parts have no name, which Proxmox refuses.
pub fn parse<'a>(text: &'a str, default_key: &'a str) -> Option<Map<&'a str, &'a str>> {
    let mut parts = Map::new();
    for part in text.split(',').filter(|part| !part.is_empty()) {
        let (name, value) = part.split_once('=').unwrap_or((default_key, part));
        if parts.insert(name, value).is_some() {
            return None;
        }
    }
    Some(parts)
}

#[cfg(test)]
mod tests {

    use super::parse;
    use crate::model::sorted::Map;

    #[test]
    fn parts_are_told_apart_by_name_and_their_order_does_not_matter() {
        let expected = Map::from([("volume", "store:8"), ("backup", "1"), ("mp", "/data")]);
        for text in ["store:8,mp=/data,backup=1", "backup=1,volume=store:8,,mp=/data,"] {
            assert_eq!(parse(text, "volume"), Some(expected.clone()), "{text}");
        }
    }

    #[test]
    fn a_name_that_occurs_twice_is_refused() {
        for text in ["a=1,a=2", "x,y", "x,volume=y"] {
            assert_eq!(parse(text, "volume"), None, "{text}");
        }
    }
}
