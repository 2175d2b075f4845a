//! Which privileges the configuration needs, which of them the token lacks, and which it has that nobody needs. Pure.

use crate::model::desired::{DesiredGuest, Field, Value, Volume, Wanted};
use crate::model::permissions::Permissions;
use crate::model::sorted::Set;
use crate::normalize::{self, Privilege};
use crate::plan::preflight::{bridge_path, grant, is_granted};

/// One privilege on one path, and what does not work without it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Need {
    pub(super) path: String,
    pub(super) privilege: &'static str,
    pub(super) why: &'static str,
    pub(super) weight: Weight,
}

/// What lacking it means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Weight {
    /// What was configured does not work.
    Required,
    /// A part of the report stays empty.
    Useful,
}

/// Privileges that open what this agent never does: with them a stolen token does more harm than it must.
const DANGEROUS: [&str; 14] = [
    "Datastore.Allocate",
    "Group.Allocate",
    "Permissions.Modify",
    "Pool.Allocate",
    "Realm.Allocate",
    "Realm.AllocateUser",
    "Sys.AccessNetwork",
    "Sys.Console",
    "Sys.Incoming",
    "Sys.Modify",
    "Sys.PowerMgmt",
    "User.Modify",
    "VM.Console",
    "VM.GuestAgent.Unrestricted",
];

/// What every report needs.
pub(super) fn of_reports(node: &str) -> Vec<Need> {
    let need = |path: &str, privilege, why, weight| Need { path: path.to_owned(), privilege, why, weight };
    vec![
        need(
            &format!("/nodes/{node}"),
            "Sys.Audit",
            "the node's own figures and others' tasks",
            Weight::Required,
        ),
        need("/vms", "VM.Audit", "seeing guests at all", Weight::Required),
        need("/storage", "Datastore.Audit", "seeing storages", Weight::Required),
        need("/storage", "Datastore.AllocateSpace", "seeing backups", Weight::Useful),
        need("/vms", "VM.Backup", "seeing backups", Weight::Useful),
    ]
}

/// What the desired state needs on the guests that it names, and on nothing else.
pub(super) fn of_desired(guests: &[DesiredGuest]) -> Vec<Need> {
    let mut needs = Set::new();
    for guest in guests {
        let path = format!("/vms/{}", guest.guest.vmid);
        let mut need = |privilege, why| {
            needs.insert(Need { path: path.clone(), privilege, why, weight: Weight::Required });
        };
        need("VM.Audit", "seeing the guest");
        if guest.run_state.is_some() {
            need("VM.PowerMgmt", "starting and shutting down");
        }
        if guest.proof.backup.is_some() {
            need("VM.Backup", "backing it up");
        }
        if guest.provision.is_some() {
            need("VM.Allocate", "making it");
        }
        if !guest.volumes.is_empty() {
            need("VM.Config.Disk", "volumes that the desired state names");
        }
        for volume in guest.volumes.values() {
            if let Wanted::Like(Volume { storage: Some(storage), .. }) = volume {
                needs.insert(Need {
                    path: format!("/storage/{storage}"),
                    privilege: "Datastore.AllocateSpace",
                    why: "making and growing volumes that the desired state names",
                    weight: Weight::Required,
                });
            }
        }
        let backups = guest.proof.backup.iter().filter_map(|plan| plan.storage.as_ref());
        let made = guest.provision.iter().filter_map(|provision| provision.storage.as_ref());
        for storage in backups.chain(made) {
            needs.insert(Need {
                path: format!("/storage/{storage}"),
                privilege: "Datastore.AllocateSpace",
                why: "guests and backups that the desired state wants there",
                weight: Weight::Required,
            });
        }
        for (field, value) in &guest.fields {
            let (Field::Net(_), Value::Map(parts)) = (field, value) else { continue };
            let part = |name: &str| parts.iter().find(|(part, _)| *part == name).map(|(_, value)| value);
            if let Some(Value::Text(bridge)) = part("bridge") {
                let vlan = match part("vlan") {
                    Some(Value::Number(vlan)) => Some(vlan.to_string()),
                    _ => None,
                };
                needs.insert(Need {
                    path: bridge_path(bridge, vlan.as_deref()),
                    privilege: "SDN.Use",
                    why: "cards on bridges that the desired state names",
                    weight: Weight::Required,
                });
            }
        }
        let rows = guest.fields.keys().filter_map(|field| normalize::row(*field, guest.guest.kind));
        for privilege in rows.flat_map(|row| row.privileges) {
            let (path, privilege) = match *privilege {
                Privilege::OnGuest(privilege) => (path.clone(), privilege),
                Privilege::OnRoot(privilege) => ("/".to_owned(), privilege),
            };
            let why = "setting what the desired state names";
            needs.insert(Need { path, privilege, why, weight: Weight::Required });
        }
    }
    // The numbers that guests are restored to have no guest to grant anything on.
    if guests.iter().any(|guest| guest.proof.restore_test.is_some()) {
        for privilege in [
            "VM.Allocate",
            "VM.Backup",
            "VM.Config.Disk",
            "VM.Config.Network",
            "VM.Config.Options",
            "VM.PowerMgmt",
        ] {
            let (path, why) = ("/vms".to_owned(), "restore tests");
            needs.insert(Need { path, privilege, why, weight: Weight::Required });
        }
        let (path, why) =
            (bridge_path("", None).trim_end_matches('/').to_owned(), "restore tests of guests with cards");
        needs.insert(Need { path, privilege: "SDN.Use", why, weight: Weight::Required });
    }
    needs.into_iter().collect()
}

/// What signed operations need, where somebody is trusted to sign. On all guests: Proxmox takes what is granted on one guest
/// away with the guest, and then nobody can see that it is gone.
pub(super) fn of_operations() -> Vec<Need> {
    [
        ("VM.Config.Disk", "signed operations: seeing a guest's volumes, and that they are gone"),
        ("VM.Allocate", "signed operations: destroying and restoring"),
        ("VM.Snapshot", "signed operations: snapshots"),
        ("VM.Backup", "signed operations: the backup that is the evidence"),
    ]
    .map(|(privilege, why)| Need { path: "/vms".to_owned(), privilege, why, weight: Weight::Useful })
    .into()
}

/// What `selftest task` needs on the one guest it works on.
pub(super) fn of_task(vmid: impl std::fmt::Display) -> Vec<Need> {
    let path = format!("/vms/{vmid}");
    [
        ("VM.Audit", "seeing the guest"),
        ("VM.Snapshot", "making and deleting a snapshot"),
        ("VM.Config.Options", "writing the description"),
    ]
    .map(|(privilege, why)| Need { path: path.clone(), privilege, why, weight: Weight::Required })
    .into()
}

/// The needs that are not met, required ones first. A token that was given some guests or storages only is no mistake:
/// what it lacks on all of them makes the report smaller, and nothing that was configured fails.
pub(super) fn missing(needs: &[Need], granted: &Permissions) -> Vec<Need> {
    let lacking = needs.iter().filter(|need| !is_granted(granted, &need.path, need.privilege));
    let mut missing: Vec<Need> = lacking
        .cloned()
        .map(|need| if is_for_some(&need, granted) { Need { weight: Weight::Useful, ..need } } else { need })
        .collect();
    missing.sort_unstable_by(|a, b| (a.weight, &a.path, a.privilege).cmp(&(b.weight, &b.path, b.privilege)));
    missing.dedup();
    missing
}

/// Whether the token has below a path what it lacks on it.
fn is_for_some(need: &Need, granted: &Permissions) -> bool {
    let below = format!("{}/", need.path);
    granted.by_path().iter().any(|(path, here)| path.starts_with(&below) && here.contains_key(need.privilege))
}

/// The dangerous privileges that the token has somewhere and that nothing in the configuration needs.
pub(super) fn excessive(needs: &[Need], granted: &Permissions) -> Vec<&'static str> {
    let all = granted.all();
    let needed = |privilege: &str| needs.iter().any(|need| need.privilege == privilege);
    DANGEROUS.into_iter().filter(|privilege| all.contains(privilege) && !needed(privilege)).collect()
}

/// The line that grants all that is needed on one path.
pub(super) fn remedy(path: &str, needs: &[Need], token_id: &str) -> String {
    let is_there = |need: &&Need| need.path == path || path.starts_with(&format!("{}/", need.path));
    let privileges = needs.iter().filter(is_there).map(|need| need.privilege).collect();
    grant(path, privileges, token_id)
}

#[cfg(test)]
mod tests {

    use super::{Need, Weight, excessive, missing, of_desired, of_operations, of_reports, of_task, remedy};
    use crate::model::desired::proof::BackupPlan;
    use crate::model::desired::{DesiredGuest, Field, Provision, Value, WantedRun};
    use crate::model::guest::{GuestId, GuestKind, Vmid};
    use crate::model::permissions::Permissions;
    use crate::model::step::Origin;

    fn granted(paths: &[(&str, &[(&str, bool)])]) -> Permissions {
        let privileges =
            |list: &[(&str, bool)]| list.iter().map(|(name, on)| ((*name).to_owned(), *on)).collect();
        paths.iter().map(|(path, list)| ((*path).to_owned(), privileges(list))).collect()
    }

    fn guest(kind: GuestKind, vmid: u64, fields: &[Field]) -> DesiredGuest {
        DesiredGuest {
            run_state: Some(WantedRun::Running),
            fields: fields.iter().map(|field| (*field, Value::Absent)).collect(),
            ..DesiredGuest::new("web", GuestId::new(kind, Vmid::new(vmid).unwrap()))
        }
    }

    #[test]
    fn each_missing_privilege_is_named_with_its_path() {
        let granted = granted(&[("/nodes/pve", &[("Sys.Audit", false)]), ("/vms", &[("VM.Audit", true)])]);
        let lacking = missing(&of_reports("pve"), &granted);
        let names: Vec<String> = lacking
            .iter()
            .map(|need| format!("{} {} {:?}", need.path, need.privilege, need.weight))
            .collect();
        assert_eq!(
            names,
            [
                "/storage Datastore.Audit Required",
                "/storage Datastore.AllocateSpace Useful",
                "/vms VM.Backup Useful"
            ]
        );
        assert_eq!(
            missing(&of_reports("pve"), &Permissions::default()).len(),
            5,
            "a token that sees nothing"
        );
    }

    #[test]
    fn a_token_for_some_guests_only_is_no_failure() {
        let granted = granted(&[
            ("/nodes/pve", &[("Sys.Audit", true)]),
            ("/vms/101", &[("VM.Audit", false)]),
            ("/storage/store", &[("Datastore.Audit", true)]),
        ]);
        assert!(missing(&of_reports("pve"), &granted).iter().all(|need| need.weight == Weight::Useful));
    }

    #[test]
    fn only_what_the_desired_state_touches_is_needed() {
        let guests = [
            guest(GuestKind::Lxc, 101, &[Field::Name, Field::Cores]),
            guest(GuestKind::Qemu, 200, &[Field::Name]),
        ];
        let needs: Vec<String> =
            of_desired(&guests).iter().map(|need| format!("{} {}", need.path, need.privilege)).collect();
        assert_eq!(
            needs,
            [
                "/vms/101 VM.Audit",
                "/vms/101 VM.Config.CPU",
                "/vms/101 VM.Config.Network",
                "/vms/101 VM.PowerMgmt",
                "/vms/200 VM.Audit",
                "/vms/200 VM.Config.Options",
                "/vms/200 VM.PowerMgmt"
            ]
        );
    }

    #[test]
    fn a_card_needs_its_bridge_or_its_vlan_there() {
        let mut web = guest(GuestKind::Lxc, 101, &[]);
        let card = |vlan: Option<u64>| {
            let vlan = vlan.map(|vlan| ("vlan", Value::Number(vlan)));
            Value::Map([("bridge", Value::Text("vmbr0".to_owned()))].into_iter().chain(vlan).collect())
        };
        web.fields = [(Field::Net(0), card(None)), (Field::Net(1), card(Some(30)))].into_iter().collect();
        let needs = of_desired(&[web]);
        let paths: Vec<&str> =
            needs.iter().filter(|need| need.privilege == "SDN.Use").map(|need| need.path.as_str()).collect();
        assert_eq!(paths, ["/sdn/zones/localnetwork/vmbr0", "/sdn/zones/localnetwork/vmbr0/30"]);
    }

    #[test]
    fn a_guest_that_is_to_be_made_and_backed_up_needs_room_for_both() {
        let mut web = guest(GuestKind::Lxc, 101, &[]);
        let (source, storage) = ("local:vztmpl/x.tar.zst".to_owned(), Some("tank".to_owned()));
        web.provision = Some(Provision { from: Origin::Template, source, storage });
        web.proof.backup = Some(BackupPlan { storage: Some("nas".to_owned()), every_hours: Some(24) });
        let needs: Vec<String> =
            of_desired(&[web]).iter().map(|need| format!("{} {}", need.path, need.privilege)).collect();
        for need in [
            "/storage/nas Datastore.AllocateSpace",
            "/storage/tank Datastore.AllocateSpace",
            "/vms/101 VM.Allocate",
            "/vms/101 VM.Backup",
        ] {
            assert!(needs.iter().any(|known| known == need), "{need}: {needs:?}");
        }
    }

    #[test]
    fn what_signed_operations_need_is_useful_and_no_more() {
        let needs = of_operations();
        let granted = granted(&[("/vms", &[("VM.Backup", true), ("VM.Snapshot", true)])]);
        let lacking = missing(&needs, &granted);
        let names: Vec<&str> = lacking.iter().map(|need| need.privilege).collect();
        assert_eq!(names, ["VM.Allocate", "VM.Config.Disk"]);
        assert!(lacking.iter().all(|need| need.weight == Weight::Useful && need.path == "/vms"));
    }

    #[test]
    fn the_remedy_grants_all_that_is_needed_there_to_user_and_token() {
        let mut needs = of_task(101);
        needs.push(Need { path: "/vms".to_owned(), privilege: "VM.Backup", why: "", weight: Weight::Useful });
        expect_test::expect![[r#"pveum role add Felhom-vms-101 --privs "VM.Audit VM.Backup VM.Config.Options VM.Snapshot" || pveum role modify Felhom-vms-101 --privs "VM.Audit VM.Backup VM.Config.Options VM.Snapshot"; pveum acl modify /vms/101 --users 'felhom@pve' --tokens 'felhom@pve!agent' --roles Felhom-vms-101"#]]
            .assert_eq(&remedy("/vms/101", &needs, "felhom@pve!agent"));
    }

    #[test]
    fn a_token_that_can_do_far_more_is_noticed() {
        let granted = granted(&[
            ("/", &[("Sys.Modify", true), ("VM.Audit", true)]),
            ("/access", &[("User.Modify", true)]),
        ]);
        assert_eq!(excessive(&[], &granted), ["Sys.Modify", "User.Modify"]);
        // A VM's startup order changes what the node does at boot, and Proxmox asks for as much.
        let needs = of_desired(&[guest(GuestKind::Qemu, 200, &[Field::Startup])]);
        assert!(
            needs.iter().any(|need| (need.path.as_str(), need.privilege) == ("/", "Sys.Modify")),
            "{needs:?}"
        );
        assert_eq!(excessive(&needs, &granted), ["User.Modify"]);
    }
}
