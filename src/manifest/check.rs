//! Every fault of a document at once, for whoever writes one. The parser stops at the first fault of a resource; here what was
//! at fault is taken out and the rest is read again, until nothing is left to complain of.

use super::{
    Defaults, ENVELOPE, Head, ManifestError, Policy, Taken, folder, json, policy, resource,
    unknown_dependency,
};
use crate::model::desired::{DesiredGuest, DriftPolicy, RefusedState};
use crate::model::time::Timestamp;
use crate::strict_json::Json;

/// More than this nobody mends in one go.
const MOST: usize = 200;

/// Of which resource, if it is of one, and what.
type Faults = Vec<(Option<String>, String)>;

/// One fault: in which file of a folder, of which resource, and what.
#[derive(Debug)]
pub struct Finding {
    pub file: Option<String>,
    pub resource: Option<String>,
    pub message: String,
}

/// Reads a document as `host_id` would, or as whichever host it is for; of a folder each file. An expired one is at fault, too.
pub fn faults(bytes: &[u8], host_id: Option<&str>, now: Timestamp) -> Vec<Finding> {
    let mut checking =
        Checking { host_id, now, faults: Vec::new(), taken: Taken::default(), guests: Vec::new() };
    let pieces = json(bytes).and_then(|document| match folder::pieces(&document)? {
        None => Ok(vec![(None, bytes.to_vec())]),
        Some(pieces) => {
            let named = |(name, text): (&str, &str)| (Some(name.to_owned()), text.as_bytes().to_vec());
            Ok(pieces.into_iter().map(named).collect())
        }
    });
    match pieces {
        Ok(pieces) => pieces.into_iter().for_each(|(file, bytes)| checking.piece(file, &bytes)),
        Err(error) => checking.whole_is(error.to_string()),
    }
    checking.whole()
}

/// A document as far as it has been read.
struct Checking<'a> {
    host_id: Option<&'a str>,
    now: Timestamp,
    faults: Vec<Finding>,
    taken: Taken,
    guests: Vec<DesiredGuest>,
}

impl Checking<'_> {
    /// The whole document, or one file of a folder, which is then named.
    fn piece(&mut self, file: Option<String>, bytes: &[u8]) {
        let of_file = |message: String| Finding { file: file.clone(), resource: None, message };
        let mut document = match json(bytes) {
            Ok(document) => document,
            Err(error) => return self.faults.push(of_file(error.to_string())),
        };
        if document.first(ENVELOPE).is_some() {
            return self.faults.push(of_file("it is signed: check it before it is signed".to_owned()));
        }
        let own = match document.first("host_id") {
            Some(Json::Text(host_id)) => host_id.clone(),
            _ => String::new(),
        };
        let host_id = self.host_id.unwrap_or(&own);
        let mut faults = Faults::new();
        let (defaults, resources) = loop {
            match Head::read(&document, host_id, self.now) {
                Ok(head) => break (head.defaults, head.resources.to_vec()),
                Err(error) => {
                    if !tells_what_follows(&faults, &error.to_string()) {
                        faults.push((None, error.to_string()));
                    }
                    if faults.len() > MOST || !mend_head(&mut document, &error, host_id) {
                        // Its resources can be read for themselves.
                        let resources = match document.first("resources") {
                            Some(Json::Array(resources)) => resources.clone(),
                            _ => Vec::new(),
                        };
                        let defaults = Defaults { drift: DriftPolicy::Correct, policy: Policy::default() };
                        break (defaults, resources);
                    }
                }
            }
        };
        for (index, mut one) in (self.taken.ids.len()..).zip(resources) {
            let id = resource::id(&one, index);
            if let Err(error) = self.taken.claim(&id, resource::vmid(&one)) {
                faults.push((None, error.to_string()));
            }
            of_resource(&mut one, &id, &defaults, &mut faults, &mut self.guests);
        }
        let found = |(resource, message)| Finding { resource, ..of_file(message) };
        self.faults.extend(faults.into_iter().map(found));
    }

    /// About no file and no resource alone.
    fn whole_is(&mut self, message: String) {
        self.faults.push(Finding { file: None, resource: None, message });
    }

    /// What concerns more than one resource.
    fn whole(mut self) -> Vec<Finding> {
        // As long as those are all there that could be read. What was told is cut open, and the next circle is looked for.
        while let Err(error) = policy::cycle(&self.guests) {
            self.whole_is(error.to_string());
            let ManifestError::DependencyCycle { ids } = error else { break };
            let (first, last) = (ids.split(", ").next(), ids.split(", ").last());
            let of_last = |guest: &&mut DesiredGuest| Some(guest.resource_id.as_str()) == last;
            for guest in self.guests.iter_mut().filter(of_last) {
                guest.policy.depends_on.retain(|id| Some(id.as_str()) != first);
            }
            if self.faults.len() > MOST {
                break;
            }
        }
        for guest in &self.guests {
            let unknown = guest.policy.depends_on.iter().filter(|id| !self.taken.ids.contains(*id));
            let resource = Some(guest.resource_id.clone());
            let of_it = |id: &String| Finding {
                file: None,
                resource: resource.clone(),
                message: unknown_dependency(id),
            };
            self.faults.extend(unknown.map(of_it));
        }
        self.faults.truncate(MOST);
        self.faults
    }
}

fn of_resource(
    one: &mut Json,
    id: &str,
    defaults: &Defaults,
    faults: &mut Faults,
    guests: &mut Vec<DesiredGuest>,
) {
    let mut taken_out: Vec<String> = Vec::new();
    loop {
        let refused = match resource::read(one, id, defaults) {
            Ok(guest) => return guests.push(guest),
            Err(refused) => refused,
        };
        let path = refused.message.split(": ").next().unwrap_or_default().to_owned();
        // What is missing because it was taken out was told already.
        let is_consequence = taken_out.contains(&path);
        if !is_consequence {
            faults.push((Some(id.to_owned()), refused.message));
        }
        if refused.state == RefusedState::UnknownResource || taken_out.len() > MOST {
            return;
        }
        if is_consequence || !take_out(one, &path) {
            // It must be there and is not: something that fits stands in for it.
            let stand_in = match path.as_str() {
                "spec.vmid" => Json::Whole(999_999_999),
                "id" => Json::Text("unnamed".to_owned()),
                _ => match path.rsplit_once('.') {
                    // Without it the whole that it belongs to says nothing.
                    Some((whole, _)) if whole != "spec" && take_out(one, whole) => {
                        taken_out.push(whole.to_owned());
                        continue;
                    }
                    _ => return,
                },
            };
            put(one, &path, stand_in);
        }
        taken_out.push(path);
    }
}

/// Whether it is about a member that was taken out because of an earlier one.
fn tells_what_follows(faults: &Faults, message: &str) -> bool {
    let path = message.split(": ").next().unwrap_or_default();
    message.ends_with(": is missing")
        && faults.iter().any(|(_, before)| before.split(": ").next() == Some(path))
}

fn mend_head(document: &mut Json, error: &ManifestError, host_id: &str) -> bool {
    let fitting = |name: &str| match name {
        "api_version" => Some(Json::Text(super::API_VERSION.to_owned())),
        "host_id" => Some(Json::Text(host_id.to_owned())),
        "generation" => Some(Json::Whole(1)),
        "resources" => Some(Json::Array(Vec::new())),
        _ => None,
    };
    let path = match error {
        ManifestError::ApiVersion { .. } => "api_version",
        ManifestError::WrongHost { .. } => "host_id",
        ManifestError::Expired { .. } => "expires_at",
        ManifestError::Invalid { path, .. } => path,
        _ => return false,
    };
    let was_there = take_out(document, path);
    match fitting(path) {
        Some(value) => {
            put(document, path, value);
            true
        }
        None => was_there,
    }
}

/// Takes the member at `spec.nets[0].vlan` out; all of that name.
fn take_out(value: &mut Json, path: &str) -> bool {
    let (parent, last) = match path.rsplit_once(['.', '[']) {
        Some((parent, last)) => (parent, last.trim_end_matches(']')),
        None => ("", path),
    };
    match find(value, parent) {
        Some(Json::Object(pairs)) => {
            let before = pairs.len();
            pairs.retain(|(key, _)| key != last);
            pairs.len() < before
        }
        Some(Json::Array(items)) => match last.parse::<usize>() {
            Ok(place) if place < items.len() => {
                items.remove(place);
                true
            }
            _ => false,
        },
        _ => false,
    }
}

fn put(value: &mut Json, path: &str, what: Json) {
    let (parent, last) = path.rsplit_once('.').unwrap_or(("", path));
    if let Some(Json::Object(pairs)) = find(value, parent) {
        pairs.retain(|(key, _)| key != last);
        pairs.push((last.to_owned(), what));
    }
}

fn find<'a>(value: &'a mut Json, path: &str) -> Option<&'a mut Json> {
    let mut at = value;
    for step in path.split(['.', '[']).filter(|step| !step.is_empty()) {
        at = match at {
            Json::Object(pairs) => pairs.iter_mut().find(|(key, _)| key == step).map(|(_, value)| value)?,
            Json::Array(items) => items.get_mut(step.trim_end_matches(']').parse::<usize>().ok()?)?,
            _ => return None,
        };
    }
    Some(at)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::faults;
    use crate::model::time::Timestamp;

    fn of(document: &Value, host_id: Option<&str>) -> Vec<String> {
        let found = faults(document.to_string().as_bytes(), host_id, Timestamp::from_unix(1_795_242_415));
        found
            .into_iter()
            .map(|found| match found.resource {
                Some(id) => format!("{id} {}", found.message),
                None => found.message,
            })
            .collect()
    }

    #[test]
    fn every_fault_is_found_and_none_that_is_only_the_consequence_of_another() {
        let document = json!({
            "api_version": "felhom/v0", "host_id": "h", "generation": "seven", "expires_at": "2020-01-01T00:00:00Z",
            "resources": [
                {"id": "web", "kind": "lxc_guest", "spec": {"vmid": 101, "cores": "two", "memory_mb": -1, "colour": "red"}},
                {"id": "web", "kind": "lxc_guest", "spec": {"vmid": "x", "cores": 0}},
                {"id": "odd", "kind": "lxd_guest", "spec": {}},
                {"id": "db", "kind": "vm_guest", "depends_on": ["nobody"], "spec": {"vmid": 101}}
            ]
        });
        let found = of(&document, Some("other"));
        for part in [
            "api_version: found",
            "for host \"h\"",
            "generation: found",
            "expired at",
            "web spec.cores: found \"two\"",
            "web spec.memory_mb: found",
            "web spec.colour: unknown field",
            "two resources have the id \"web\"",
            "web spec.vmid: found \"x\"",
            "web spec.cores: found 0",
            "odd kind:",
            "both name vmid 101",
            "db depends_on: found \"nobody\"",
        ] {
            assert!(found.iter().any(|fault| fault.contains(part)), "{part}: {found:#?}");
        }
        assert_eq!(found.len(), 13, "{found:#?}");
    }

    #[test]
    fn a_good_document_has_none_and_what_is_no_document_has_one() {
        let good = json!({"api_version": "felhom/v1", "host_id": "h", "generation": 7,
            "resources": [{"id": "web", "kind": "lxc_guest", "spec": {"vmid": 101, "cores": 2}}]});
        assert_eq!(of(&good, None), Vec::<String>::new());
        assert_eq!(faults(b"{", None, Timestamp::from_unix(0)).len(), 1);
        assert_eq!(of(&json!([]), None).len(), 1);
        assert_eq!(of(&json!({}), None).len(), 4, "each member that is missing");
    }

    #[test]
    fn each_file_of_a_folder_is_read_and_what_concerns_all_of_them_is_found() {
        let file = |name: &str, resources: Value| {
            let text =
                json!({"api_version": "felhom/v1", "host_id": "h", "generation": 7, "resources": resources});
            (name.to_owned(), text.to_string())
        };
        let guest = |id: &str, vmid: u64, on: &[&str]| json!({"id": id, "kind": "lxc_guest", "depends_on": on, "spec": {"vmid": vmid}});
        let bundle = super::super::bundle(vec![
            file("a.json", json!([guest("a", 101, &["b", "x", "y"]), guest("c", 103, &["c"])])),
            ("b.json".to_owned(), "{\n1".to_owned()),
            file("c.json", json!([guest("b", 101, &["a"]), guest("d", 99, &["a"])])),
        ]);
        let found: Vec<String> = faults(&bundle, None, Timestamp::from_unix(0))
            .into_iter()
            .map(|found| format!("{}: {}", found.file.unwrap_or_default(), found.message))
            .collect();
        for part in [
            "b.json: the manifest is not JSON: key must be a string at line 2 column 1",
            "c.json: resources \"a\" and \"b\" both name vmid 101",
            "c.json: spec.vmid: 99",
            "could ever begin: a, b",
            "could ever begin: c",
            "depends_on: found \"x\"",
            "depends_on: found \"y\"",
        ] {
            assert!(found.iter().any(|fault| fault.contains(part)), "{part}: {found:#?}");
        }
        assert_eq!(found.len(), 7, "{found:#?}");
    }

    #[test]
    fn resources_that_wait_for_each_other_are_found_beside_other_faults() {
        let guest = |id: &str, vmid: u64, on: &str| json!({"id": id, "kind": "lxc_guest", "depends_on": [on], "spec": {"vmid": vmid, "cores": 0}});
        let document = json!({"api_version": "felhom/v1", "host_id": "h", "generation": 7,
            "resources": [guest("a", 101, "b"), guest("b", 102, "a")]});
        let found = of(&document, None);
        assert!(found.iter().any(|fault| fault.contains("depend on each other")), "{found:?}");
        assert_eq!(found.len(), 3, "{found:?}");
    }
}
