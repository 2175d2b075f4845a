//! The other way: a guest's configuration as the manifest would write it, so that a guest can be taken under management as it is.

use serde_json::{Map, Value as Free, json};

use super::value;
use crate::model::desired::{Field, Value};
use crate::model::guest::GuestId;
use crate::model::observed::GuestConfig;
use crate::normalize::tags::TagCase;
use crate::normalize::{self, Context, Sort, map};
use crate::strict_json::Json;
use crate::strict_json::object::At;

/// The members of a spec that say of each field what the next start will make of it. What the manifest could not say is left out,
/// and so is what is not in the configuration: it stays unmanaged.
pub fn told(guest: GuestId, config: &GuestConfig) -> Map<String, Free> {
    // A tag in capitals is told as it is kept.
    let context = Context { guest, tag_case: TagCase::Kept };
    let mut spec = Map::new();
    let keys =
        config.current.keys().chain(config.pending.keys().filter(|key| !config.current.contains_key(*key)));
    for key in keys {
        let Some(field) = normalize::field_of(key, guest.kind) else { continue };
        let (Some(row), Some(text)) = (normalize::row(field, guest.kind), config.merged(key)) else {
            continue;
        };
        let read = row.read(Some(text), context);
        let told = match (&read, &row.sort) {
            (Value::Map(parts), Sort::Map(map)) => said(parts, map),
            (value, sort) => sayable(value, sort),
        };
        let Some(mut told) = told else { continue };
        let place = match field {
            Field::Net(_) | Field::IpConfig(_) => {
                if let Some(card) = told.as_object_mut() {
                    card.insert("key".to_owned(), json!(key));
                }
                if matches!(field, Field::Net(_)) { &["nets"][..] } else { &["cloud_init", "ip"][..] }
            }
            _ => &[][..],
        };
        match place {
            [] => put(&mut spec, field.as_str(), told),
            ["nets"] => list(&mut spec, "nets", told),
            _ => {
                let inner = spec.entry("cloud_init").or_insert_with(|| json!({}));
                if let Some(inner) = inner.as_object_mut() {
                    list(inner, "ip", told);
                }
            }
        }
    }
    spec
}

fn put(spec: &mut Map<String, Free>, name: &str, told: Free) {
    match name.split_once('.') {
        None => drop(spec.insert(name.to_owned(), told)),
        Some((outer, name)) => {
            let inner = spec.entry(outer).or_insert_with(|| json!({}));
            if let Some(inner) = inner.as_object_mut() {
                inner.insert(name.to_owned(), told);
            }
        }
    }
}

fn list(spec: &mut Map<String, Free>, name: &str, told: Free) {
    let items = spec.entry(name).or_insert_with(|| json!([]));
    if let Some(items) = items.as_array_mut() {
        items.push(told);
    }
}

/// The parts that can be said; a card is told even if none can.
fn said(parts: &[(&'static str, Value)], map: &map::Map) -> Option<Free> {
    let part = |(name, value): &(&'static str, Value)| {
        let part = map.parts.iter().find(|part| part.name == *name)?;
        Some(((*name).to_owned(), sayable(value, &part.sort)?))
    };
    let told: Map<String, Free> = parts.iter().filter_map(part).collect();
    (map.card || !told.is_empty()).then_some(Free::Object(told))
}

/// The value as the manifest writes it, if the manifest would take it.
fn sayable(value: &Value, sort: &Sort) -> Option<Free> {
    let told = value.to_json();
    let json: Json = serde_json::from_str(&told.to_string()).ok()?;
    let at = At { path: String::new(), value: &json };
    (*value != Value::Absent && value::read(&at, sort).is_ok()).then_some(told)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::told;
    use crate::manifest;
    use crate::model::guest::{GuestId, GuestKind, RunState, Vmid};
    use crate::model::observed::{GuestConfig, GuestObservation, ListedGuest, Presence, Reading};
    use crate::model::time::Timestamp;
    use crate::plan::{Settings, plan_guest};

    #[test]
    fn what_is_told_of_a_guest_plans_to_nothing() {
        let lxc = "arch: amd64\ncores: 2\ncpulimit: 0.5\ncpuunits: 20000\ndescription: x y\nfeatures: keyctl=1,nesting=1,foo=2\n\
            hostname: Web\nmemory: 512\nnameserver: 1.1.1.1 fd00::1\nnet0: name=eth0,bridge=vmbr0,firewall=1,hwaddr=BC:24:11:00:00:01,ip=dhcp,\
            rate=1.5,tag=abc,type=veth\nostype: debian\nrootfs: a:1\nstartup: order=1,up=3\nswap: abc\ntags: a;B\nunprivileged: 1\nlock: x";
        let vm = "agent: 1,fstrim_cloned_disks=1\nballoon: 0\nboot: order=scsi0;net0\ncipassword: **********\nciuser: me\n\
            cpu: host,flags=+aes;-pcid\ncores: 2\nhotplug: 1\nipconfig0: ip=dhcp\nmachine: pc-q35-9.0\nmemory: current=512\n\
            meta: ctime=1\nname: a\nnet0: virtio=BC:24:11:00:00:01,bridge=vmbr0\nnet1: e1000=BC:24:11:00:00:02\n\
            sshkeys: ssh-rsa%20AAAAB3NzaC1yc2EAAAADAQABAAABgQ%20x%0A\nvga: virtio,memory=32\nscsi0: a:1";
        for (kind, name, text, members) in
            [(GuestKind::Lxc, "lxc_guest", lxc, 14), (GuestKind::Qemu, "vm_guest", vm, 12)]
        {
            let guest = GuestId::new(kind, Vmid::new(101).unwrap());
            let pairs = text.lines().map(|line| line.split_once(": ").unwrap());
            let config = GuestConfig {
                current: pairs.map(|(key, text)| (key.to_owned(), text.to_owned())).collect(),
                digest: "d".to_owned(),
                ..GuestConfig::default()
            };
            let mut spec = told(guest, &config);
            assert_eq!(spec.len(), members, "{spec:#?}");
            spec.insert("vmid".to_owned(), json!(101));
            let document = json!({"api_version": "felhom/v1", "host_id": "h", "generation": 1,
                "resources": [{"id": "a", "kind": name, "spec": spec}]});
            let state =
                manifest::parse(document.to_string().as_bytes(), "h", Timestamp::from_unix(0)).unwrap();
            assert_eq!(state.refused, []);
            let listed = ListedGuest {
                guest,
                name: None,
                run: RunState::Running,
                template: false,
                lock: None,
                tags: Vec::new(),
                uptime_seconds: None,
            };
            let seen = GuestObservation {
                presence: Presence::Listed(listed),
                config: Reading::Known(config),
                live: None,
            };
            let plan = plan_guest(&state.guests[0], &seen, &Settings::default());
            assert!(plan.is_in_order() && plan.drift.is_empty(), "{plan:#?}");
        }
    }
}
