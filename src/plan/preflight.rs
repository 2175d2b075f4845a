//! Which privileges the steps of a plan need, and on which paths. Whoever plans to stop a guest, to write to it and to start
//! it again should not find out after the first of the three that the second is forbidden. Pure; only paths that the plan
//! touches are looked at, so that a token for a few guests is enough for them.

use super::GuestPlan;
use crate::model::desired::Field;
use crate::model::guest::{GuestId, GuestKind};
use crate::model::hold::{Hold, HoldReason};
use crate::model::permissions::Permissions;
use crate::model::sorted::Map;
use crate::model::step::{ConfigChange, Origin, Step};
use crate::model::volume;
use crate::normalize::{self, Privilege};

/// One privilege on one path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Need {
    pub path: String,
    pub privilege: &'static str,
}

/// Takes the steps out of a plan that the token may not carry out whole, and says what to grant.
pub fn check(plan: &mut GuestPlan, granted: &Permissions, token_id: &str) {
    let lacking = lacking(plan, granted);
    if !lacking.is_empty() {
        plan.steps.clear();
        plan.hold = Some(hold(plan.guest, &lacking, granted, token_id));
    }
}

/// What the steps of this plan need and the token does not have.
pub fn lacking(plan: &GuestPlan, granted: &Permissions) -> Vec<Need> {
    let mut needs = Vec::new();
    for planned in &plan.steps {
        of_step(&planned.step, &plan.held, &mut needs);
    }
    needs.retain(|need| !is_granted(granted, &need.path, need.privilege));
    needs.sort_unstable();
    needs.dedup();
    needs
}

/// Whether the token may do this there. A bridge that may be a vnet is in a zone that nobody has asked for: then any zone will do.
pub fn is_granted(granted: &Permissions, path: &str, privilege: &str) -> bool {
    if granted.allows(path, privilege) {
        return true;
    }
    let Some(below) = path.strip_prefix(ZONES).and_then(|rest| rest.strip_prefix(LOCAL)) else {
        return false;
    };
    let name = below.split('/').next().unwrap_or_default();
    let number = name.strip_prefix("vmbr").unwrap_or_default();
    if !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()) {
        return false;
    }
    // A zone without rights of its own has those from above.
    let named = granted.by_path().keys().filter_map(|path| path.strip_prefix(ZONES)?.split('/').next());
    named.chain(["-"]).any(|zone| granted.allows(&format!("{ZONES}{zone}/{below}"), privilege))
}

const ZONES: &str = "/sdn/zones/";
/// The zone of all bridges that are no vnet.
const LOCAL: &str = "localnetwork/";

/// What the rights on a bridge are looked up at: on the VLAN, where there is one.
pub fn bridge_path(bridge: &str, vlan: Option<&str>) -> String {
    let vlan = vlan.map(|vlan| format!("/{vlan}")).unwrap_or_default();
    format!("{ZONES}{LOCAL}{bridge}{vlan}")
}

/// What a card takes: its bridge, or each of its VLANs there.
fn of_card(card: &str, need: &mut dyn FnMut(&str, &'static str)) {
    let part = |key: &str| card.split(',').find_map(|part| part.strip_prefix(key)?.strip_prefix('='));
    let Some(bridge) = part("bridge") else { return };
    let trunks = part("trunks").into_iter().flat_map(|trunks| trunks.split(';'));
    let vlans: Vec<&str> = part("tag").into_iter().chain(trunks).collect();
    if vlans.is_empty() {
        need(&bridge_path(bridge, None), "SDN.Use");
    }
    for vlan in vlans {
        need(&bridge_path(bridge, Some(vlan)), "SDN.Use");
    }
}

fn hold(guest: GuestId, lacking: &[Need], granted: &Permissions, token_id: &str) -> Hold {
    let named: Vec<String> =
        lacking.iter().map(|need| format!("{} on {}", need.privilege, need.path)).collect();
    let mut paths: Vec<&str> = lacking.iter().map(|need| need.path.as_str()).collect();
    paths.dedup();
    let lines: Vec<String> = paths
        .iter()
        .map(|path| {
            let new = lacking.iter().filter(|need| need.path == *path).map(|need| need.privilege);
            grant(path, granted.at(path).into_iter().chain(new).collect(), token_id)
        })
        .collect();
    Hold {
        reason: HoldReason::Permission,
        detail: format!(
            "{token_id} lacks {} for what is to be done to {guest}; nothing of it is begun",
            named.join(", ")
        ),
        remedy: lines.join("; "),
    }
}

/// The line for a shell on the node that grants this on a path: a role with all that is to be there, because rights on a
/// path replace those from above, and its assignment to user and token, because a token has at most its user's rights.
pub fn grant(path: &str, mut privileges: Vec<&str>, token_id: &str) -> String {
    privileges.sort_unstable();
    privileges.dedup();
    let role = format!("Felhom{}", path.replace('/', "-"));
    let (user, privileges) = (token_id.split('!').next().unwrap_or(token_id), privileges.join(" "));
    format!(
        "pveum role add {role} --privs \"{privileges}\" || pveum role modify {role} --privs \"{privileges}\"; \
         pveum acl modify {path} --users '{user}' --tokens '{token_id}' --roles {role}"
    )
}

/// `held`: what stands now at the keys of volumes and cards.
fn of_step(step: &Step, held: &Map<String, String>, needs: &mut Vec<Need>) {
    let guest = format!("/vms/{}", step.guest().vmid);
    let mut need = |path: &str, privilege| needs.push(Need { path: path.to_owned(), privilege });
    match step {
        Step::SetConfig { guest: id, change } => of_change(*id, change, held, &guest, &mut need),
        Step::Start { .. } | Step::Shutdown { .. } | Step::Reboot { .. } | Step::Stop { .. } => {
            need(&guest, "VM.PowerMgmt");
        }
        Step::HaState { .. } => need("/", "Sys.Console"),
        Step::Snapshot { .. } | Step::DeleteSnapshot { .. } | Step::Rollback { .. } => {
            need(&guest, "VM.Snapshot");
        }
        Step::Backup { storage, .. } => {
            need(&guest, "VM.Backup");
            need(&on_storage(storage), "Datastore.AllocateSpace");
        }
        Step::Resize { guest: id, key, .. } => {
            need(&guest, "VM.Config.Disk");
            if let Some(volid) = held.get(key).and_then(|text| volume::volid(text)) {
                need(&on_storage(volume::storage(volid)), "Datastore.AllocateSpace");
            }
            if id.kind == GuestKind::Lxc {
                // Proxmox takes the parameter `disk` for an option of the container.
                need(&guest, "VM.Config.Options");
            }
        }
        Step::Destroy { .. } => need(&guest, "VM.Allocate"),
        Step::RestoreOver { storage, .. } => {
            need(&guest, "VM.Allocate");
            need(&on_storage(storage), "Datastore.AllocateSpace");
        }
        Step::DeleteBackup { volid, .. } => {
            need(&guest, "VM.Backup");
            need(&on_storage(volid.split(':').next().unwrap_or_default()), "Datastore.AllocateSpace");
        }
        Step::Make { guest: id, origin, source, params, .. } => {
            need(&guest, "VM.Allocate");
            let of_source = on_storage(source.split(':').next().unwrap_or_default());
            match origin {
                Origin::Template => need(&of_source, "Datastore.Audit"),
                Origin::Backup => need(&of_source, "Datastore.AllocateSpace"),
                Origin::Clone => need(&format!("/vms/{source}"), "VM.Clone"),
            }
            if let Some(storage) = params.get("storage") {
                need(&on_storage(storage), "Datastore.AllocateSpace");
            }
            for (key, value) in params {
                if normalize::field_of(key, id.kind).is_some() || volume::holds_volume(key) {
                    of_write(*id, key, Some(value), None, &guest, &mut need);
                }
            }
        }
    }
}

fn on_storage(storage: &str) -> String {
    format!("/storage/{storage}")
}

fn of_change(
    id: GuestId,
    change: &ConfigChange,
    held: &Map<String, String>,
    guest: &str,
    need: &mut dyn FnMut(&str, &'static str),
) {
    for (key, value) in &change.set {
        of_write(id, key, Some(value), held.get(key), guest, need);
    }
    for key in &change.delete {
        of_write(id, key, None, held.get(key), guest, need);
    }
}

fn of_write(
    id: GuestId,
    key: &str,
    value: Option<&String>,
    held: Option<&String>,
    guest: &str,
    need: &mut dyn FnMut(&str, &'static str),
) {
    match (of_key(id, key, guest, need), value) {
        (Key::Volume, Some(value)) => {
            // `store:8` makes a volume of 8 GiB; `store:vm-100-disk-0` names one that is there.
            let (storage, what) =
                value.split(',').next().and_then(|volume| volume.split_once(':')).unwrap_or_default();
            if what.starts_with(|letter: char| letter.is_ascii_digit()) && !what.contains('/') {
                need(&on_storage(storage), "Datastore.AllocateSpace");
            }
        }
        // The bridge that the card leaves counts as well.
        (Key::Card, value) => value.into_iter().chain(held).for_each(|card| of_card(card, need)),
        (Key::Volume, None) | (Key::Field, _) => {}
    }
}

#[derive(PartialEq, Eq)]
enum Key {
    Field,
    Card,
    Volume,
}

fn of_key(id: GuestId, key: &str, guest: &str, need: &mut dyn FnMut(&str, &'static str)) -> Key {
    let field = normalize::field_of(key, id.kind);
    let found = field.and_then(|field| Some((field, normalize::row(field, id.kind)?)));
    let Some((field, row)) = found else {
        // No field has this key: it is a volume's.
        need(guest, "VM.Config.Disk");
        return Key::Volume;
    };
    for privilege in row.privileges {
        match *privilege {
            Privilege::OnGuest(privilege) => need(guest, privilege),
            Privilege::OnRoot(privilege) => need("/", privilege),
        }
    }
    if matches!(field, Field::Net(_)) { Key::Card } else { Key::Field }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::{GuestPlan, PlannedStep, Settings, plan_guest, stories};
    use super::{bridge_path, check, is_granted, lacking};
    use crate::model::guest::RunState;
    use crate::model::hold::HoldReason;
    use crate::model::permissions::Permissions;
    use crate::model::step::{Origin, Purpose, Step};

    const TOKEN: &str = "felhom@pve!agent";

    fn all(plan: &GuestPlan) -> Vec<String> {
        let needs = lacking(plan, &Permissions::default());
        needs.iter().map(|need| format!("{} {}", need.path, need.privilege)).collect()
    }

    fn granted(paths: &[(&str, &[&str])]) -> Permissions {
        let privileges = |list: &[&str]| list.iter().map(|name| ((*name).to_owned(), true)).collect();
        paths.iter().map(|(path, list)| ((*path).to_owned(), privileges(list))).collect()
    }

    /// It is stopped, should run, and should have 4 cores.
    fn plan() -> GuestPlan {
        let there = stories::container(RunState::Stopped, &[("cores", "2")]);
        let desired = stories::web(json!({"run_state": "running", "cores": 4}));
        plan_guest(&desired, &there.observe(), &Settings::default())
    }

    #[test]
    fn a_plan_needs_what_its_steps_need_where_they_need_it() {
        let mut plan = plan();
        assert_eq!(all(&plan), ["/vms/101 VM.Config.CPU", "/vms/101 VM.PowerMgmt"]);
        let guest = plan.guest;
        let backup = Step::Backup { guest, storage: "nas".to_owned(), prune: false };
        plan.steps = vec![PlannedStep { step: backup, reason: String::new() }];
        assert_eq!(all(&plan), ["/storage/nas Datastore.AllocateSpace", "/vms/101 VM.Backup"]);
    }

    #[test]
    fn a_token_for_this_one_guest_is_enough_for_it() {
        let mut plan = plan();
        let before = plan.clone();
        check(&mut plan, &granted(&[("/vms/101", &["VM.Config.CPU", "VM.PowerMgmt"])]), TOKEN);
        assert_eq!(plan, before);
    }

    #[test]
    fn what_lacks_a_right_for_its_last_step_does_not_begin_the_first_and_the_line_keeps_what_the_token_has() {
        let mut plan = plan();
        check(&mut plan, &granted(&[("/vms", &["VM.Audit", "VM.Config.CPU"])]), TOKEN);
        assert!(plan.steps.is_empty());
        let hold = plan.hold.unwrap();
        assert_eq!(hold.reason, HoldReason::Permission);
        assert!(
            hold.detail.contains("felhom@pve!agent lacks VM.PowerMgmt on /vms/101 for"),
            "{}",
            hold.detail
        );
        expect_test::expect![[r#"pveum role add Felhom-vms-101 --privs "VM.Audit VM.Config.CPU VM.PowerMgmt" || pveum role modify Felhom-vms-101 --privs "VM.Audit VM.Config.CPU VM.PowerMgmt"; pveum acl modify /vms/101 --users 'felhom@pve' --tokens 'felhom@pve!agent' --roles Felhom-vms-101"#]]
            .assert_eq(&hold.remedy);
    }

    #[test]
    fn a_volume_that_is_made_takes_room_and_one_that_is_there_does_not() {
        for (value, needs) in [
            ("store:8,mp=/data", "/storage/store Datastore.AllocateSpace,/vms/101 VM.Config.Disk"),
            ("store:vm-101-disk-1,mp=/data", "/vms/101 VM.Config.Disk"),
            ("store:101/vm-101-disk-1.raw,mp=/data", "/vms/101 VM.Config.Disk"),
        ] {
            let mut plan = plan();
            plan.steps.truncate(1);
            let Step::SetConfig { change, .. } = &mut plan.steps[0].step else {
                panic!("it begins with a write")
            };
            change.set = [("mp0".to_owned(), value.to_owned())].into();
            assert_eq!(all(&plan).join(","), needs, "{value}");
        }
    }

    #[test]
    fn a_card_takes_the_bridges_it_leaves_and_comes_to_and_a_resize_room_on_the_storage() {
        let card = |text: &str| ("net0", format!("name=eth0,{text},hwaddr=BC:24:11:00:00:01,type=veth"));
        for (there, spec, needs) in [
            (
                card("bridge=vmbr0"),
                json!({"nets": [{"key": "net0", "vlan": 30}]}),
                "/sdn/zones/localnetwork/vmbr0 SDN.Use,/sdn/zones/localnetwork/vmbr0/30 SDN.Use,/vms/101 VM.Config.Network",
            ),
            (
                card("bridge=vmbr0,tag=5"),
                json!({"nets": [{"key": "net0", "bridge": "vmbr1", "trunks": ["7", "8"], "vlan": "absent"}]}),
                "/sdn/zones/localnetwork/vmbr0/5 SDN.Use,/sdn/zones/localnetwork/vmbr1/7 SDN.Use,\
                 /sdn/zones/localnetwork/vmbr1/8 SDN.Use,/vms/101 VM.Config.Network",
            ),
            (
                ("rootfs", "store:101/vm-101-disk-0.raw,size=8G".to_owned()),
                json!({"rootfs": {"size_gb": 9}}),
                "/storage/store Datastore.AllocateSpace,/vms/101 VM.Config.Disk,/vms/101 VM.Config.Options",
            ),
        ] {
            let seen = stories::container(RunState::Stopped, &[(there.0, &there.1)]);
            let plan = plan_guest(&stories::web(spec.clone()), &seen.observe(), &Settings::default());
            assert_eq!(all(&plan).join(","), needs, "{spec}: {plan:?}");
        }
    }

    #[test]
    fn a_guest_that_is_made_takes_room_where_its_root_goes_and_its_bridges() {
        let mut plan = plan();
        let text = |(key, value): (&str, &str)| (key.to_owned(), value.to_owned());
        let params =
            [("storage", "store"), ("rootfs", "tank:8"), ("net0", "name=eth0,bridge=vmbr1"), ("cores", "2")];
        let step = Step::Make {
            guest: plan.guest,
            origin: Origin::Template,
            source: "local:vztmpl/x.tar.zst".to_owned(),
            purpose: Purpose::Provision,
            params: params.into_iter().map(text).collect(),
        };
        plan.steps = vec![PlannedStep { step, reason: String::new() }];
        assert_eq!(
            all(&plan).join(","),
            "/sdn/zones/localnetwork/vmbr1 SDN.Use,/storage/local Datastore.Audit,/storage/store Datastore.AllocateSpace,\
             /storage/tank Datastore.AllocateSpace,/vms/101 VM.Allocate,/vms/101 VM.Config.CPU,/vms/101 VM.Config.Disk,\
             /vms/101 VM.Config.Network"
        );
    }

    #[test]
    fn a_bridge_that_may_be_a_vnet_is_allowed_by_its_own_zone() {
        for (path, bridge, allowed) in [
            ("/sdn/zones/localnetwork/vmbr0", "vmbr0", true),
            ("/sdn/zones/localnetwork", "vmbr0", true),
            ("/sdn", "vmbr0", true),
            ("/sdn/zones/dmz", "vmbr0", false),
            ("/sdn/zones/dmz", "web", true),
            ("/sdn/zones/dmz/web", "web", true),
            ("/sdn/zones/dmz/mail", "web", false),
            ("/vms", "web", false),
        ] {
            let granted = granted(&[(path, &["SDN.Use"])]);
            for vlan in [None, Some("30")] {
                let at = bridge_path(bridge, vlan);
                assert_eq!(is_granted(&granted, &at, "SDN.Use"), allowed, "{path}: {at}");
            }
        }
        // The zone of plain bridges has rights of its own; the vnet's zone has those from above.
        let granted = granted(&[("/sdn", &["SDN.Use"]), ("/sdn/zones/localnetwork", &["SDN.Audit"])]);
        assert!(is_granted(&granted, &bridge_path("web", None), "SDN.Use"));
        assert!(!is_granted(&granted, &bridge_path("vmbr0", None), "SDN.Use"));
    }
}
