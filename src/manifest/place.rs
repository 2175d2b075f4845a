//! Where a resource stands in its document, and what stands in the lists of its spec.

use crate::model::desired::Place;
use crate::strict_json::Json;

/// Each list of a spec that has keys of its own; no key can stand in two of them.
const LISTS: [&[&str]; 4] = [&["nets"], &["cloud_init", "ip"], &["mounts"], &["disks"]];

pub(super) fn of(resource: &Json, file: Option<&str>, generation: u64, index: usize) -> Place {
    let mut place = Place { file: file.map(str::to_owned), generation, index, ..Place::default() };
    let Json::Object(members) = resource else { return place };
    for (name, value) in members {
        match name.as_str() {
            "spec" => LISTS.iter().for_each(|path| listed(value, path, &mut place.listed)),
            "id" | "kind" => {}
            _ => place.beside.push(name.clone()),
        }
    }
    place
}

fn listed(spec: &Json, path: &[&str], listed: &mut Vec<(String, usize)>) {
    let list = path.iter().try_fold(spec, |value, name| value.first(name));
    let Some(Json::Array(items)) = list else { return };
    for (number, item) in items.iter().enumerate() {
        if let Some(Json::Text(key)) = item.first("key") {
            listed.push((key.clone(), number));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::{bundle, parse};
    use crate::model::desired::DesiredState;
    use crate::model::time::Timestamp;

    fn document(generation: u64, resources: &Value) -> String {
        json!({"api_version": "felhom/v1", "host_id": "h", "generation": generation, "resources": resources})
            .to_string()
    }

    fn read(bytes: &[u8]) -> DesiredState {
        parse(bytes, "h", Timestamp::from_unix(0)).unwrap()
    }

    #[test]
    fn each_resource_is_found_again_in_its_file_and_what_is_listed_in_its_list() {
        let web = json!({"id": "web", "kind": "lxc_guest", "suspend": true, "spec": {"vmid": 101,
            "nets": [{"key": "net1"}, {"key": "net0"}], "mounts": [{"key": "mp3"}]}});
        let db = json!({"id": "db", "kind": "vm_guest", "spec": {"vmid": 200, "cloud_init": {"ip": [{"key": "ipconfig0"}]},
            "disks": [{"key": "scsi1"}, {"key": "scsi0"}]}});
        let odd = json!({"id": "odd", "kind": "pod"});
        let folder = bundle(vec![
            ("10.json".to_owned(), document(7, &json!([db]))),
            ("20.json".to_owned(), document(3, &json!([odd, web]))),
        ]);
        let places = read(&folder).places;
        let web = &places["web"];
        assert_eq!((web.file.as_deref(), web.generation), (Some("20.json"), 3));
        assert_eq!(web.path("spec.cores"), "resources[1].spec.cores");
        assert_eq!(
            ["net0", "net1", "mp3", "mp0"].map(|key| web.number(key)),
            [Some(1), Some(0), Some(0), None]
        );
        assert_eq!(web.beside, ["suspend"]);
        assert_eq!(["ipconfig0", "scsi0"].map(|key| places["db"].number(key)), [Some(0), Some(1)]);
        assert_eq!(places["odd"].path(""), "resources[0]");
        let alone = read(document(7, &json!([odd])).as_bytes()).places;
        assert_eq!(alone["odd"].file, None);
    }
}
