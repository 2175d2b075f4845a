//! The other way: a guest's configuration as the manifest would write it, so that a guest can be taken under management as it is.
//! What is told, parsed and planned is an empty plan; the tests of the planner hold that.

use serde_json::{Map, Value as Free, json};

use super::{API_VERSION, value, volume};
use crate::model::desired::{Field, Value, WantedRun};
use crate::model::guest::{GuestId, GuestKind};
use crate::model::observed::GuestConfig;
use crate::model::step::MARKER;
use crate::normalize::tags::TagCase;
use crate::normalize::{self, Context, Sort, map};
use crate::strict_json::Json;
use crate::strict_json::object::At;

/// One guest in the manifest's words.
#[derive(Debug)]
pub struct Told {
    guest: GuestId,
    spec: Map<String, Free>,
    /// Keys of its configuration, and parts of them, that the manifest cannot say: nobody manages them.
    pub unsaid: Vec<String>,
}

/// Says of each field and volume what the next start will make of it: what is pending was wanted by somebody, and the other value
/// would be a change. What is not in the configuration stays unmanaged.
pub fn told(guest: GuestId, config: &GuestConfig) -> Told {
    let spec = Map::from_iter([
        ("vmid".to_owned(), json!(guest.vmid)),
        // The manifest's default, spelled out: it is the owner's to say otherwise.
        ("data_bearing".to_owned(), json!(true)),
    ]);
    let mut told = Told { guest, spec, unsaid: Vec::new() };
    let new = config.pending.keys().filter(|key| !config.current.contains_key(*key));
    for key in config.current.keys().chain(new) {
        // What is pending to be deleted is as good as gone.
        let Some(text) = config.merged(key) else { continue };
        if let Some(field) = normalize::field_of(key, guest.kind) {
            told.field(field, key, text);
        } else if volume::is_managed(guest.kind, key) {
            told.volume(key, config);
        } else if !normalize::is_proxmox_s_own(key) {
            told.unsaid.push(key.clone());
        }
    }
    told
}

/// A whole document of these resources.
pub fn document(host_id: &str, generation: u64, resources: &[Free]) -> Free {
    json!({"api_version": API_VERSION, "host_id": host_id, "generation": generation, "resources": resources})
}

impl Told {
    /// The resource of that id; `None`: whether it runs is not managed.
    pub fn resource(mut self, id: &str, run: Option<WantedRun>) -> Free {
        if let Some(run) = run {
            let word = if run == WantedRun::Running { "running" } else { "stopped" };
            self.spec.insert("run_state".to_owned(), word.into());
        }
        let kind = match self.guest.kind {
            GuestKind::Lxc => "lxc_guest",
            GuestKind::Qemu => "vm_guest",
        };
        json!({"id": id, "kind": kind, "spec": self.spec})
    }

    fn field(&mut self, field: Field, key: &str, text: &str) {
        let Some(row) = normalize::row(field, self.guest.kind) else { return };
        // A tag in capitals is told as it is kept.
        let context = Context { guest: self.guest, tag_case: TagCase::Kept };
        let read = row.read(Some(text), context);
        // A line that tells one incarnation from the next must not become what every later one should have.
        let is_marked = field == Field::Description && text.contains(MARKER);
        let told = match (&read, &row.sort) {
            _ if is_marked => None,
            (Value::Map(parts), Sort::Map(map)) => {
                let foreign = map.foreign(text).into_iter();
                self.unsaid.extend(foreign.map(|part| format!("{key}.{part}")));
                let Some(told) = self.parts(key, parts, map) else { return };
                Some(told)
            }
            // As by default, whatever stands there.
            (Value::Absent, _) => return,
            (value, sort) => sayable(value, sort),
        };
        let Some(mut told) = told else {
            let name = if row.is_numbered() { key } else { field.as_str() };
            self.unsaid.push(name.to_owned());
            return;
        };
        if !row.is_numbered() {
            return put(&mut self.spec, field.as_str(), told);
        }
        if let Some(card) = told.as_object_mut() {
            card.insert("key".to_owned(), key.into());
        }
        match field {
            Field::IpConfig(_) => {
                let inner = self.spec.entry("cloud_init").or_insert_with(|| json!({}));
                if let Some(inner) = inner.as_object_mut() {
                    list(inner, "ip", told);
                }
            }
            _ => list(&mut self.spec, "nets", told),
        }
    }

    /// The parts that are not as by default and can be said; a card is told even if there are none.
    fn parts(&mut self, key: &str, parts: &[(&'static str, Value)], map: &map::Map) -> Option<Free> {
        let mut told = Map::new();
        for (name, value) in parts {
            let part = map.parts.iter().find(|part| part.name == *name);
            match part.and_then(|part| sayable(value, &part.sort)) {
                Some(said) => drop(told.insert((*name).to_owned(), said)),
                None => self.unsaid.push(format!("{key}.{name}")),
            }
        }
        (map.card || !told.is_empty()).then_some(Free::Object(told))
    }

    fn volume(&mut self, key: &str, config: &GuestConfig) {
        let Some(mut told) = volume::told(key, config, &mut self.unsaid) else { return };
        if key == "rootfs" {
            self.spec.insert(key.to_owned(), Free::Object(told));
            return;
        }
        told.insert("key".to_owned(), key.into());
        let name = if self.guest.kind == GuestKind::Lxc { "mounts" } else { "disks" };
        list(&mut self.spec, name, Free::Object(told));
    }
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

/// The value as the manifest writes it, if that is read back as the same: of a guest whose name is `absent` it is not.
fn sayable(value: &Value, sort: &Sort) -> Option<Free> {
    let told = value.to_json();
    let json: Json = serde_json::from_str(&told.to_string()).ok()?;
    let at = At { path: String::new(), value: &json };
    (value::read(&at, sort).ok()? == *value).then_some(told)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{document, told};
    use crate::manifest;
    use crate::model::desired::WantedRun;
    use crate::model::guest::{GuestId, GuestKind, RunState, Vmid};
    use crate::model::observed::{
        GuestConfig, GuestObservation, ListedGuest, PendingChange, Presence, Reading,
    };
    use crate::model::time::Timestamp;
    use crate::plan::{Settings, plan_guest};

    /// From lines of `key: value`; `key> value` is pending, `key!` pending to be deleted.
    fn config(text: &str) -> GuestConfig {
        let mut config = GuestConfig { digest: "d".to_owned(), ..GuestConfig::default() };
        for line in text.lines() {
            if let Some((key, value)) = line.split_once("> ") {
                config.pending.insert(key.to_owned(), PendingChange::Set(value.to_owned()));
            } else if let Some(key) = line.strip_suffix('!') {
                config.pending.insert(key.to_owned(), PendingChange::Delete);
            } else {
                let (key, value) = line.split_once(": ").unwrap();
                config.current.insert(key.to_owned(), value.to_owned());
            }
        }
        config
    }

    /// The spec of a running guest, and what it leaves out. Parsed and planned it must be nothing.
    fn check(kind: GuestKind, text: &str) -> (Value, String) {
        let guest = GuestId::new(kind, Vmid::new(101).unwrap());
        let config = config(text);
        let told = told(guest, &config);
        let unsaid = told.unsaid.join(" ");
        let resource = told.resource("a", Some(WantedRun::Running));
        let document = document("h", 1, std::slice::from_ref(&resource));
        assert!(manifest::schema::schema_takes(&document), "{document:#}");
        let state = manifest::parse(document.to_string().as_bytes(), "h", Timestamp::from_unix(0)).unwrap();
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
        let (presence, config) = (Presence::Listed(listed), Reading::Known(config));
        let seen = GuestObservation { presence, config, live: None };
        let plan = plan_guest(&state.guests[0], &seen, &Settings::default());
        assert!(plan.is_in_order() && plan.drift.is_empty(), "{plan:#?}");
        (resource["spec"].clone(), unsaid)
    }

    #[test]
    fn a_container_is_told_in_every_field_that_it_has() {
        let (spec, unsaid) = check(
            GuestKind::Lxc,
            "arch: amd64\ncores: 2\ncpulimit: 0.5\ncpuunits: 20000\ndescription: x y\nfeatures: keyctl=1,nesting=1,foo=2\n\
             hostname: Web\nmemory: 512\nnameserver: 1.1.1.1 fd00::1\nnet0: name=eth0,bridge=vmbr0,firewall=1,hwaddr=BC:24:11:00:00:01,ip=dhcp,\
             rate=1.5,tag=abc,type=veth\nostype: debian\nstartup: order=1,up=3\nswap: abc\ntags: a;B\nunprivileged: 1\nlock: x\nenv: SECRET=1",
        );
        assert_eq!(
            spec,
            json!({"vmid": 101, "data_bearing": true, "run_state": "running", "arch": "amd64", "cores": 2, "cpu_limit": "0.5",
                "cpu_units": 10_000, "description": "x y", "features": {"keyctl": true, "nesting": true}, "name": "Web", "memory_mb": 512,
                "nameserver": ["1.1.1.1", "fd00::1"], "os_type": "debian", "startup": {"order": 1, "up_s": 3}, "tags": ["B", "a"],
                "nets": [{"key": "net0", "name": "eth0", "bridge": "vmbr0", "mac": "BC:24:11:00:00:01", "ip": "dhcp", "firewall": true, "rate": "1.5"}],
                "unprivileged": true})
        );
        assert_eq!(unsaid, "env features.foo net0.vlan swap_mb");
    }

    #[test]
    fn a_vm_is_told_in_every_field_that_it_has() {
        let (spec, unsaid) = check(
            GuestKind::Qemu,
            "agent: 1,fstrim_cloned_disks=1\nballoon: 0\nboot: order=scsi0;net0\ncipassword: **********\nciuser: me\n\
             cpu: host,flags=+aes;-pcid,hidden=1\ncores: 2\nhotplug: 1\nipconfig0: ip=dhcp\nmachine: pc-q35-9.0\nmemory: current=512\n\
             meta: ctime=1\nname: absent\nnet0: virtio=BC:24:11:00:00:01,bridge=vmbr0\nnet1: e1000=BC:24:11:00:00:02\n\
             sshkeys: ssh-rsa%20AAAAB3NzaC1yc2EAAAADAQABAAABgQ%20x%0A\nvga: virtio,memory=32\nhostpci0: 0000:01:00\nrunningmachine: x",
        );
        assert_eq!(
            spec,
            json!({"vmid": 101, "data_bearing": true, "run_state": "running", "agent": {"enabled": true, "fstrim_cloned_disks": true},
                "balloon_mb": 0, "boot": ["scsi0", "net0"], "cpu": {"type": "host", "flags": ["+aes", "-pcid"]}, "cores": 2,
                "hotplug": ["disk", "network", "usb"], "machine": {"type": "pc-q35-9.0"}, "memory_mb": 512,
                "nets": [{"key": "net0", "model": "virtio", "mac": "BC:24:11:00:00:01", "bridge": "vmbr0"},
                         {"key": "net1", "model": "e1000", "mac": "BC:24:11:00:00:02"}],
                "cloud_init": {"user": "me", "ip": [{"key": "ipconfig0", "ip": "dhcp"}],
                               "ssh_keys": ["ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABgQ x"]},
                "vga": {"type": "virtio", "memory_mb": 32}})
        );
        assert_eq!(unsaid, "cipassword cpu.hidden hostpci0 name");
    }

    #[test]
    fn a_volume_is_told_as_far_as_the_manifest_has_words_for_it() {
        for (kind, text, expected, left) in [
            (
                GuestKind::Lxc,
                "rootfs: btr:101/subvol-101-disk-0.subvol,size=0T",
                json!({"rootfs": {"storage": "btr"}}),
                "rootfs.size_gb",
            ),
            (
                GuestKind::Lxc,
                "rootfs: store:101/vm-101-disk-0.raw,acl=1,quota=off,size=8G\n\
                 mp0: store:101/vm-101-disk-1.raw,mp=/data,backup=1,mountoptions=noatime,size=102M\n\
                 mp1: /srv,mp=/srv,ro=1\nmp2: /a/../b,mp=/b\ndev0: /dev/dri/card0\nunused0: store:101/vm-101-disk-2.raw",
                json!({"rootfs": {"storage": "store", "size_gb": 8, "acl": true, "quota": false},
                    "mounts": [{"key": "mp0", "storage": "store", "path": "/data", "backup": true},
                               {"key": "mp1", "bind": "/srv", "path": "/srv", "read_only": true}]}),
                "dev0 mp0.size_gb mp0.mountoptions mp2 unused0",
            ),
            (
                GuestKind::Qemu,
                "scsi0: store:101/vm-101-disk-0.raw,cache=odd,discard=on,iothread=1,serial=x,size=1T,ssd=1\n\
                 scsi1: /dev/disk/by-id/ata-x,size=8G\nide2: store:101/vm-101-cloudinit.qcow2,media=cdrom\nide3: none,media=cdrom\n\
                 efidisk0: store:101/vm-101-disk-1.raw,size=4M\nscsi99: store:1,size=1G",
                json!({"disks": [{"key": "scsi0", "storage": "store", "size_gb": 1024, "discard": true, "iothread": true, "ssd": true}]}),
                "efidisk0 ide2 ide3 scsi0.cache scsi0.serial scsi1 scsi99",
            ),
        ] {
            let (spec, unsaid) = check(kind, text);
            let mut all = json!({"vmid": 101, "data_bearing": true, "run_state": "running"});
            all.as_object_mut().unwrap().extend(expected.as_object().unwrap().clone());
            assert_eq!(spec, all, "{text}");
            assert_eq!(unsaid, left, "{text}");
        }
    }

    #[test]
    fn what_is_pending_is_told_as_the_next_start_will_have_it() {
        let (spec, unsaid) = check(
            GuestKind::Qemu,
            "cores: 1\ncores> 4\nmemory: 512\nmemory!\nvga> std\nscsi0: store:101/vm-101-disk-0.raw,size=9G\n\
             scsi0> store:101/vm-101-disk-0.raw,size=8G,ssd=1\nscsi1: store:101/vm-101-disk-1.raw,size=8G\nscsi1!",
        );
        assert_eq!(
            spec,
            json!({"vmid": 101, "data_bearing": true, "run_state": "running", "cores": 4,
                "disks": [{"key": "scsi0", "storage": "store", "size_gb": 9, "ssd": true}]})
        );
        assert_eq!(unsaid, "");
    }

    #[test]
    fn a_description_that_carries_this_agent_s_mark_is_not_told() {
        let (spec, unsaid) = check(GuestKind::Lxc, "description: mine felhom-incarnation: 1-2");
        assert_eq!((spec.get("description"), unsaid.as_str()), (None, "description"));
    }
}
