//! Property strings: `name=eth0,bridge=vmbr0,ip=dhcp`, with a default key whose name may be left out.

/// The parts of a property string, in the order they were written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Properties {
    parts: Vec<(String, String)>,
}

impl Properties {
    /// `default` is the key of a part without `=`.
    pub fn parse(text: &str, default: &str) -> Self {
        let parts = text
            .split(',')
            .filter(|part| !part.is_empty())
            .map(|part| match part.split_once('=') {
                Some((key, value)) => (key.to_owned(), value.to_owned()),
                None => (default.to_owned(), part.to_owned()),
            })
            .collect();
        Self { parts }
    }

    pub fn get(&self, key: &str) -> Option<&str> {
        self.parts.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().map(|(key, _)| key.as_str())
    }

    pub fn set(&mut self, key: &str, value: &str) {
        match self.parts.iter_mut().find(|(name, _)| name == key) {
            Some((_, old)) => value.clone_into(old),
            None => self.parts.push((key.to_owned(), value.to_owned())),
        }
    }

    pub fn take(&mut self, key: &str) -> Option<String> {
        let index = self.parts.iter().position(|(name, _)| name == key)?;
        Some(self.parts.remove(index).1)
    }

    /// The given keys first, the rest sorted by name; `bare` is printed without its name.
    pub fn print(&self, bare: Option<&str>, first: &[&str]) -> String {
        let mut rest: Vec<&(String, String)> = self
            .parts
            .iter()
            .filter(|(key, _)| Some(key.as_str()) != bare && !first.contains(&key.as_str()))
            .collect();
        rest.sort();
        let mut printed: Vec<String> =
            bare.and_then(|key| self.get(key)).map(str::to_owned).into_iter().collect();
        printed.extend(first.iter().filter_map(|key| self.get(key).map(|value| format!("{key}={value}"))));
        printed.extend(rest.iter().map(|(key, value)| format!("{key}={value}")));
        printed.join(",")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_keys_lead_and_the_rest_is_sorted() {
        let net = Properties::parse("tag=30,bridge=vmbr0,name=eth0,firewall=1", "");
        assert_eq!(net.print(None, &["name", "bridge"]), "name=eth0,bridge=vmbr0,firewall=1,tag=30");
        let disk = Properties::parse("store:1,ssd=1,discard=on", "file");
        assert_eq!(disk.print(Some("file"), &[]), "store:1,discard=on,ssd=1");
    }
}
