//! What the token may, as the node answers it.

use super::sorted::Map;

/// What the token may, by path: `/vms/100` -> `VM.Audit`. Only paths with a role of their own are listed; the others
/// inherit, and a deeper path's roles replace what it would inherit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Permissions {
    by_path: Map<String, Map<String, bool>>,
}

impl Permissions {
    /// Whether the token may do this there, by the nearest path above that is listed.
    pub fn allows(&self, path: &str, privilege: &str) -> bool {
        let Some((at, privileges)) = self.nearest(path) else { return false };
        // What does not propagate counts only on its own path.
        privileges.get(privilege).is_some_and(|propagates| *propagates || at == path)
    }

    /// All that the token may there.
    pub fn at(&self, path: &str) -> Vec<&str> {
        let Some((at, privileges)) = self.nearest(path) else { return Vec::new() };
        let counts = privileges.iter().filter(|(_, propagates)| **propagates || at == path);
        counts.map(|(privilege, _)| privilege.as_str()).collect()
    }

    /// Every privilege the token has somewhere.
    pub fn all(&self) -> Vec<&str> {
        let mut all: Vec<&str> =
            self.by_path.values().flat_map(|privileges| privileges.keys().map(String::as_str)).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// `/vms/100` -> privilege -> whether it also counts below.
    pub fn by_path(&self) -> &Map<String, Map<String, bool>> {
        &self.by_path
    }

    fn nearest(&self, path: &str) -> Option<(&str, &Map<String, bool>)> {
        let mut at = path;
        loop {
            if let Some((known, privileges)) = self.by_path.get_key_value(at) {
                return Some((known, privileges));
            }
            at = match at.rsplit_once('/') {
                Some(("", "")) | None => return None,
                Some(("", _)) => "/",
                Some((above, _)) => above,
            };
        }
    }
}

impl FromIterator<(String, Map<String, bool>)> for Permissions {
    fn from_iter<I: IntoIterator<Item = (String, Map<String, bool>)>>(paths: I) -> Self {
        Self { by_path: paths.into_iter().collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::Permissions;
    use crate::model::sorted::Map;

    #[test]
    fn the_nearest_path_decides() {
        let of = |privileges: &[(&str, bool)]| -> Map<String, bool> {
            privileges.iter().map(|(name, below)| ((*name).to_owned(), *below)).collect()
        };
        let permissions = Permissions::from_iter([
            ("/".to_owned(), of(&[("Sys.Audit", true), ("Sys.Modify", false)])),
            ("/vms".to_owned(), of(&[("VM.Audit", true)])),
            ("/vms/101".to_owned(), of(&[("VM.PowerMgmt", false)])),
        ]);
        assert_eq!(permissions.at("/nodes/pve"), ["Sys.Audit"]);
        for (path, privilege, allowed) in [
            ("/", "Sys.Audit", true),
            ("/nodes/pve", "Sys.Audit", true),
            ("/", "Sys.Modify", true),
            ("/nodes/pve", "Sys.Modify", false),
            ("/vms/100", "VM.Audit", true),
            ("/vms/100", "Sys.Audit", false),
            ("/vms/101", "VM.Audit", false),
            ("/vms/101", "VM.PowerMgmt", true),
        ] {
            assert_eq!(permissions.allows(path, privilege), allowed, "{privilege} on {path}");
        }
        assert!(!Permissions::default().allows("/vms/100", "VM.Audit"));
    }
}
