//! What is told of a field, over everything that can be wanted of it and found of it.

use serde_json::{Value as Free, json};

use super::{Known, Unknown, explain};
use crate::manifest;
use crate::model::desired::DesiredState;
use crate::model::guest::{GuestId, GuestKind, RunState, Vmid};
use crate::model::hold::Halt;
use crate::model::observed::{ListedGuest, PendingChange, Presence, ReadFault, Reading};
use crate::model::sorted::Map;
use crate::model::time::Timestamp;
use crate::plan::round_trip::Guest;
use crate::plan::{NodeObservation, Settings, plan};
use crate::status::resource::{Finding, Progress, status};
use crate::status::{ResourceError, ResourceStatus};

const NOW: u64 = 1_795_242_415;

fn state(resources: &Free) -> DesiredState {
    let document =
        json!({"api_version": "felhom/v1", "host_id": "h", "generation": 7, "resources": resources});
    manifest::parse(document.to_string().as_bytes(), "h", Timestamp::from_unix(0)).unwrap()
}

/// A resource, the guest that is there of it, and what else is known.
struct Scene {
    desired: DesiredState,
    node: NodeObservation,
    statuses: Map<String, ResourceStatus>,
    settings: Settings,
    halted: bool,
    outdated: Vec<GuestId>,
}

impl Scene {
    fn of(kind: GuestKind, run: RunState, config: &[(&str, &str)], mut resource: Free) -> Self {
        let (name, vmid) = match kind {
            GuestKind::Lxc => ("lxc_guest", 101),
            GuestKind::Qemu => ("vm_guest", 200),
        };
        resource["id"] = json!("web");
        resource["kind"] = json!(name);
        resource["spec"]["vmid"] = json!(vmid);
        let guest = Guest::new(GuestId::new(kind, Vmid::new(vmid).unwrap()), run, config);
        let desired = state(&json!([resource]));
        assert_eq!(desired.refused, []);
        let guests = [(guest.id.vmid, guest.look())].into();
        let node = NodeObservation { name: "pve".to_owned(), guests, ..NodeObservation::default() };
        Self {
            desired,
            node,
            statuses: Map::new(),
            settings: Settings::default(),
            halted: false,
            outdated: Vec::new(),
        }
    }

    fn lxc(run: RunState, config: &[(&str, &str)], resource: Free) -> Self {
        Self::of(GuestKind::Lxc, run, config, resource)
    }

    fn vm(run: RunState, config: &[(&str, &str)], resource: Free) -> Self {
        Self::of(GuestKind::Qemu, run, config, resource)
    }

    fn pending(mut self, key: &str, change: PendingChange) -> Self {
        let seen = self.node.guests.values_mut().next().unwrap();
        let Reading::Known(config) = &mut seen.config else { panic!("it was read") };
        config.pending.insert(key.to_owned(), change);
        self
    }

    fn listed(mut self, change: impl FnOnce(&mut ListedGuest)) -> Self {
        let seen = self.node.guests.values_mut().next().unwrap();
        let Presence::Listed(listed) = &mut seen.presence else { panic!("it is listed") };
        change(listed);
        self
    }

    fn ask(&self, name: &str) -> Result<Free, Unknown> {
        let plan = plan(&self.desired, &self.node, &self.settings);
        let known = Known {
            desired: &self.desired,
            source: "/etc/desired.json",
            settings: &self.settings,
            look: Some((&self.node, &plan, Timestamp::from_unix(NOW))),
            statuses: &self.statuses,
            halt: self.halted.then(|| Halt::Hub.into_hold()),
            busy: &[],
            outdated: &self.outdated,
        };
        explain(&known, name)
    }

    fn tell(&self, field: &str) -> Free {
        self.ask(&format!("web.{field}")).unwrap_or_else(|unknown| panic!("{unknown:?}"))
    }
}

fn words<'a>(told: &'a Free, path: &str) -> &'a str {
    told.pointer(path).and_then(Free::as_str).unwrap_or_default()
}

#[test]
fn a_field_is_told_with_its_standing_its_step_and_why_nothing_is_done() {
    const RUNS: RunState = RunState::Running;
    let two = || json!({"spec": {"cores": 2}});
    let memory = || json!({"spec": {"memory_mb": 128, "run_state": "running"}});
    let small: &[(&str, &str)] = &[("memory", "64")];
    let later = || PendingChange::Set("128".to_owned());
    for (scene, field, standing, happens, why_not) in [
        (Scene::lxc(RUNS, &[("cores", "2")], two()), "cores", "equal", "as it should be", ""),
        (
            Scene::lxc(RUNS, &[("cores", "4")], two()),
            "cores",
            "differs",
            "by PUT /nodes/pve/lxc/101/config",
            "",
        ),
        (
            Scene::lxc(RUNS, &[("cores", "4")], json!({"spec": {"cores": "absent"}})),
            "cores",
            "differs",
            "step 1 of 1",
            "",
        ),
        (
            Scene::lxc(RUNS, &[], json!({"spec": {"cores": "absent"}})),
            "cores",
            "equal",
            "as it should be",
            "",
        ),
        (
            Scene::lxc(RUNS, &[("cores", "4")], json!({"spec": {}})),
            "cores",
            "unmanaged",
            "stays as it is",
            "",
        ),
        (
            Scene::lxc(RUNS, &[("cores", "4")], json!({"spec": {"cores": 2}, "ignore": ["cores"]})),
            "cores",
            "ignored",
            "to be ignored",
            "",
        ),
        (
            Scene::lxc(RUNS, &[("cores", "4")], json!({"spec": {"cores": 2}, "drift": "report"})),
            "cores",
            "differs",
            "",
            "drift_reported",
        ),
        (
            Scene::lxc(RUNS, &[("cores", "4")], json!({"spec": {"cores": 2}, "suspend": true})),
            "cores",
            "differs",
            "",
            "suspended",
        ),
        (
            Scene::lxc(RUNS, &[("cores", "4")], two()).listed(|guest| guest.lock = Some("backup".to_owned())),
            "cores",
            "differs",
            "",
            "lock",
        ),
        (
            Scene {
                halted: true,
                ..Scene::lxc(RUNS, &[("cores", "4")], json!({"spec": {"cores": 2}, "suspend": true}))
            },
            "cores",
            "differs",
            "",
            "suspended",
        ),
        (
            Scene { halted: true, ..Scene::lxc(RUNS, &[("cores", "4")], two()) },
            "cores",
            "differs",
            "step 1",
            "blocked",
        ),
        (
            Scene::vm(RUNS, small, memory()),
            "memory_mb",
            "differs",
            "at its next start (restart is never)",
            "",
        ),
        (Scene::vm(RunState::Stopped, small, memory()), "memory_mb", "differs", "step 1 of 2", ""),
        (Scene::vm(RunState::Stopped, small, memory()), "run_state", "differs", "/qemu/200/status/start", ""),
        (
            Scene::vm(RUNS, small, memory()).pending("memory", later()),
            "memory_mb",
            "pending_reboot",
            "",
            "restart_never",
        ),
        (
            Scene::vm(
                RUNS,
                small,
                json!({"spec": {"memory_mb": 128, "run_state": "running"}, "restart": "allowed"}),
            )
            .pending("memory", later()),
            "memory_mb",
            "pending_reboot",
            "/qemu/200/status/reboot",
            "",
        ),
        (
            Scene::vm(
                RUNS,
                small,
                json!({"spec": {"memory_mb": 128, "run_state": "running"}, "restart": "window"}),
            )
            .pending("memory", later()),
            "memory_mb",
            "pending_reboot",
            "",
            "maintenance_window",
        ),
        (
            Scene::lxc(RUNS, &[], json!({"spec": {}, "ensure": "absent"})),
            "ensure",
            "differs",
            "",
            "needs_signature",
        ),
        (
            Scene::lxc(RUNS, &[("unprivileged", "0")], json!({"spec": {"unprivileged": true}})),
            "unprivileged",
            "differs",
            "",
            "immutable",
        ),
    ] {
        let told = scene.tell(field);
        assert_eq!(told["standing"], json!(standing), "{field}: {told:#}");
        assert!(words(&told, "/happens").contains(happens), "{happens}: {told:#}");
        assert_eq!(words(&told, "/why_not/reason"), why_not, "{field}: {told:#}");
        assert_eq!(told.get("step").is_some(), !words(&told, "/call").is_empty(), "{told:#}");
        assert!(!words(&told, "/happens").is_empty() || !why_not.is_empty(), "{told:#}");
    }
}

#[test]
fn a_part_of_a_field_stands_for_itself() {
    let card = "name=eth0,bridge=vmbr0,hwaddr=BC:24:11:00:00:01,ip=dhcp,type=veth";
    let spec = json!({"spec": {"nets": [{"key": "net0", "bridge": "vmbr0", "vlan": 7}], "startup": {"order": 1, "up_s": 5}}});
    let scene = Scene::lxc(RunState::Running, &[("net0", card), ("startup", "order=2,up=5")], spec);
    for (field, standing, wanted, there, path) in [
        ("nets.net0", "differs", json!({"bridge": "vmbr0", "vlan": 7}), json!("dhcp"), "spec.nets[0]"),
        ("net0", "differs", json!({"bridge": "vmbr0", "vlan": 7}), json!("dhcp"), "spec.nets[0]"),
        ("nets.net0.bridge", "equal", json!("vmbr0"), json!("vmbr0"), "spec.nets[0].bridge"),
        ("nets.net0.vlan", "differs", json!(7), json!("absent"), "spec.nets[0].vlan"),
        ("nets.net0.ip", "unmanaged", json!(null), json!("dhcp"), ""),
        ("nets.net0.firewall", "unmanaged", json!(null), json!(false), ""),
        ("nets.net1", "unmanaged", json!(null), json!("absent"), ""),
        ("startup.order", "differs", json!(1), json!(2), "spec.startup.order"),
        ("startup.up_s", "equal", json!(5), json!(5), "spec.startup.up_s"),
    ] {
        let told = scene.tell(field);
        assert_eq!(told["standing"], json!(standing), "{field}: {told:#}");
        assert_eq!(told.get("wanted").unwrap_or(&Free::Null), &wanted, "{field}");
        let value = &told["read"]["value"];
        assert_eq!(value.get("ip").unwrap_or(value), &there, "{field}");
        let path = if path.is_empty() { String::new() } else { format!("resources[0].{path}") };
        assert_eq!(words(&told, "/said_in/path"), path, "{field}");
    }
}

#[test]
fn a_volume_is_told_in_what_is_said_of_it() {
    let config: &[(&str, &str)] = &[
        ("rootfs", "store:101/vm-101-disk-0.raw,size=8G"),
        ("mp0", "store:101/vm-101-disk-1.raw,mp=/data,backup=1,size=4G"),
    ];
    let spec = json!({"spec": {"rootfs": {"size_gb": 8, "storage": "store"},
        "mounts": [{"key": "mp1", "path": "/more", "storage": "store", "size_gb": 1}, {"key": "mp0", "size_gb": 6, "backup": true}]}});
    let scene = Scene::lxc(RunState::Running, config, spec);
    for (field, standing, happens, path) in [
        ("rootfs", "equal", "nothing", "spec.rootfs"),
        ("rootfs.size_gb", "equal", "nothing", "spec.rootfs.size_gb"),
        ("mounts.mp0", "differs", "PUT /nodes/pve/lxc/101/resize", "spec.mounts[1]"),
        ("mounts.mp0.size_gb", "differs", "PUT /nodes/pve/lxc/101/resize", "spec.mounts[1].size_gb"),
        ("mounts.mp0.backup", "equal", "nothing", "spec.mounts[1].backup"),
        ("mounts.mp0.path", "unmanaged", "stays as it is", ""),
        ("mounts.mp1", "differs", "PUT /nodes/pve/lxc/101/config", "spec.mounts[0]"),
        ("mp2", "unmanaged", "stays as it is", ""),
    ] {
        let told = scene.tell(field);
        assert_eq!(told["standing"], json!(standing), "{field}: {told:#}");
        assert!(words(&told, "/happens").contains(happens), "{field}: {told:#}");
        let path = if path.is_empty() { String::new() } else { format!("resources[0].{path}") };
        assert_eq!(words(&told, "/said_in/path"), path, "{field}");
    }
    let ignored = json!({"spec": {"mounts": [{"key": "mp0", "size_gb": 6}]}, "ignore": ["mp0"]});
    let ignored = Scene::lxc(RunState::Running, config, ignored);
    for field in ["mp0", "mounts.mp0.size_gb"] {
        assert_eq!(words(&ignored.tell(field), "/standing"), "ignored");
    }
    assert_eq!(ignored.tell("ignore")["wanted"], json!(["mp0"]));
    let other = json!({"spec": {"rootfs": {"storage": "fast"}}});
    let told = Scene::lxc(RunState::Running, config, other).tell("rootfs.storage");
    assert_eq!(
        (words(&told, "/standing"), words(&told, "/why_not/reason")),
        ("differs", "immutable"),
        "{told:#}"
    );
}

#[test]
fn what_is_wanted_is_told_as_it_will_be_read_back_and_what_was_read_as_it_was() {
    let scene = Scene::lxc(
        RunState::Running,
        &[("tags", "b"), ("cpuunits", "20000")],
        json!({"spec": {"tags": ["B", "a"], "cpu_units": 50_000}}),
    );
    let tags = scene.tell("tags");
    assert_eq!((&tags["wanted"], &tags["kept_as"]), (&json!(["B", "a"]), &json!(["a", "b"])));
    assert_eq!((&tags["read"]["raw"], &tags["read"]["value"]), (&json!("b"), &json!(["b"])));
    assert_eq!(tags["read"]["call"], json!("GET /nodes/pve/lxc/101/pending"));
    assert_eq!(
        tags["said_in"],
        json!({"source": "/etc/desired.json", "generation": 7, "path": "resources[0].spec.tags"})
    );
    let units = scene.tell("cpu_units");
    assert_eq!((&units["standing"], &units["kept_as"]), (&json!("equal"), &json!(10_000)));
}

#[test]
fn three_views_are_told_where_something_is_pending() {
    let scene = Scene::vm(RunState::Running, &[("memory", "64")], json!({"spec": {"memory_mb": 256}}))
        .pending("memory", PendingChange::Set("128".to_owned()));
    let read = scene.tell("memory_mb")["read"].clone();
    assert_eq!((&read["value"], &read["next_start"]), (&json!(64), &json!({"raw": "128", "value": 128})));
}

#[test]
fn what_the_lane_found_counts_beside_what_the_look_planned() {
    let mut scene = Scene::lxc(RunState::Running, &[("cores", "4")], json!({"spec": {"cores": 2}}));
    let guest = &scene.desired.guests[0];
    let finding = |progress| Finding {
        generation: 7,
        vmid: guest.guest.vmid,
        run_state: RunState::Running,
        pending_reboot: Vec::new(),
        warnings: Vec::new(),
        drift: Vec::new(),
        progress,
    };
    let error = ResourceError { code: "task_failed".to_owned(), message: "no".to_owned() };
    let (now, later) = (Timestamp::from_unix(NOW), Timestamp::from_unix(NOW + 60));
    let failed = status(finding(Progress::Failed { error, retry_after: Some(later) }), None, None, now);
    scene.statuses.insert("web".to_owned(), failed);
    let told = scene.tell("cores");
    assert_eq!(words(&told, "/why_not/reason"), "task_failed");
    assert!(words(&told, "/why_not/remedy").contains(&later.to_string()), "{told:#}");
    assert!(words(&told, "/happens").contains("step 1 of 1"), "{told:#}");
}

#[test]
fn what_is_wanted_of_a_guest_that_is_nowhere_comes_with_it_or_after_it() {
    let provision = json!({"from": "template", "source": "local:vztmpl/a.tar.zst", "storage": "store"});
    let mut scene = Scene::lxc(
        RunState::Stopped,
        &[],
        json!({"spec": {"cores": 2, "protection": true, "run_state": "running", "provision": provision}}),
    );
    let seen = scene.node.guests.values_mut().next().unwrap();
    seen.presence = Presence::Nowhere;
    let message = "it does not exist".to_owned();
    seen.config = Reading::Unknown(ReadFault { code: ReadFault::GUEST_MISSING, message });
    for (field, happens) in [
        ("cores", "by POST /nodes/pve/lxc"),
        ("protection", "follows once the guest is there"),
        ("run_state", "follows once the guest is there"),
        ("ensure", "by POST /nodes/pve/lxc"),
    ] {
        let told = scene.tell(field);
        assert_eq!(words(&told, "/standing"), "differs", "{field}: {told:#}");
        assert_eq!(told["read"]["value"], json!("absent"), "{field}: {told:#}");
        assert!(words(&told, "/happens").contains(happens), "{field}: {told:#}");
    }
    assert_eq!(scene.tell("provision")["wanted"]["from"], json!("template"));
    scene.node.guests.values_mut().next().unwrap().presence = Presence::Elsewhere("pve2".to_owned());
    let moved = scene.tell("cores");
    assert_eq!(
        (words(&moved, "/standing"), words(&moved, "/why_not/reason")),
        ("not_read", "moved"),
        "{moved:#}"
    );
}

#[test]
fn what_stands_beside_the_spec_is_told_with_where_it_comes_from() {
    let document = json!({"api_version": "felhom/v1", "host_id": "h", "generation": 7,
        "defaults": {"drift": "report"},
        "resources": [{"id": "web", "kind": "lxc_guest", "restart": "window", "spec": {"vmid": 101, "ensure": "absent"}}]});
    let mut scene = Scene::lxc(RunState::Running, &[], json!({"spec": {}}));
    scene.desired = manifest::parse(document.to_string().as_bytes(), "h", Timestamp::from_unix(0)).unwrap();
    for (field, wanted, path) in [
        ("drift", json!("report"), "defaults.drift"),
        ("restart", json!("window"), "resources[0].restart"),
        ("ensure", json!("absent"), "resources[0].spec.ensure"),
        ("vmid", json!(101), "resources[0].spec.vmid"),
        ("on_remove", json!("keep"), ""),
        ("suspend", json!(false), ""),
    ] {
        let told = scene.tell(field);
        assert_eq!((&told["wanted"], words(&told, "/said_in/path")), (&wanted, path), "{told:#}");
    }
    assert_eq!(scene.ask("web").unwrap()["beside"], json!({"restart": "window"}));
}

#[test]
fn a_look_that_saw_nothing_says_so_and_nothing_of_what_is_there() {
    let mut scene = Scene::lxc(RunState::Running, &[("cores", "4")], json!({"spec": {"cores": 2}}));
    let fault = ReadFault { code: "unreachable", message: "no route".to_owned() };
    scene.node.guests.values_mut().next().unwrap().config = Reading::Unknown(fault);
    let told = scene.tell("cores");
    assert_eq!((words(&told, "/standing"), words(&told, "/read/fault")), ("not_read", "no route"));
    assert_eq!((words(&told, "/why_not/reason"), told["read"].get("value")), ("unreadable", None));
}

mod names;
