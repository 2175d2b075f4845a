//! The privileges and the predefined roles of Proxmox VE 9.2, as far as the simulated node has a use for them.

use std::collections::{BTreeMap, BTreeSet};

const VM_USER: [&str; 10] = [
    "VM.Audit",
    "VM.Backup",
    "VM.Config.CDROM",
    "VM.Config.Cloudinit",
    "VM.Console",
    "VM.GuestAgent.Audit",
    "VM.GuestAgent.FileRead",
    "VM.GuestAgent.FileSystemMgmt",
    "VM.GuestAgent.FileWrite",
    "VM.PowerMgmt",
];
const VM_ADMIN: [&str; 13] = [
    "VM.Allocate",
    "VM.Clone",
    "VM.Config.CPU",
    "VM.Config.Disk",
    "VM.Config.HWType",
    "VM.Config.Memory",
    "VM.Config.Network",
    "VM.Config.Options",
    "VM.GuestAgent.Unrestricted",
    "VM.Migrate",
    "VM.Replicate",
    "VM.Snapshot",
    "VM.Snapshot.Rollback",
];
const AUDITOR: [&str; 7] = [
    "Datastore.Audit",
    "Mapping.Audit",
    "Pool.Audit",
    "SDN.Audit",
    "Sys.Audit",
    "VM.Audit",
    "VM.GuestAgent.Audit",
];
const DATASTORE_USER: [&str; 2] = ["Datastore.AllocateSpace", "Datastore.Audit"];
const DATASTORE_ADMIN: [&str; 4] =
    ["Datastore.Allocate", "Datastore.AllocateSpace", "Datastore.AllocateTemplate", "Datastore.Audit"];
const POOL_ADMIN: [&str; 2] = ["Pool.Allocate", "Pool.Audit"];
const OTHERS: [&str; 16] = [
    "Group.Allocate",
    "Mapping.Modify",
    "Mapping.Use",
    "Permissions.Modify",
    "Realm.Allocate",
    "Realm.AllocateUser",
    "SDN.Allocate",
    "SDN.Use",
    "Sys.AccessNetwork",
    "Sys.Audit",
    "Sys.Console",
    "Sys.Incoming",
    "Sys.Modify",
    "Sys.PowerMgmt",
    "Sys.Syslog",
    "User.Modify",
];

/// Every privilege there is: the role `Administrator`, and what `root@pam` has everywhere.
pub(super) fn every_privilege() -> impl Iterator<Item = &'static str> {
    let all: BTreeSet<&str> = VM_USER
        .into_iter()
        .chain(VM_ADMIN)
        .chain(AUDITOR)
        .chain(DATASTORE_ADMIN)
        .chain(POOL_ADMIN)
        .chain(OTHERS)
        .collect();
    all.into_iter()
}

pub(super) fn built_in() -> BTreeMap<String, BTreeSet<String>> {
    let vm_admin: Vec<&str> = VM_USER.into_iter().chain(VM_ADMIN).collect();
    let all: Vec<&str> = every_privilege().collect();
    let root_only = ["Permissions.Modify", "Realm.Allocate", "Sys.Modify", "Sys.PowerMgmt"];
    let admin: Vec<&str> = every_privilege().filter(|privilege| !root_only.contains(privilege)).collect();
    let roles: [(&str, &[&str]); 11] = [
        ("Administrator", &all),
        ("NoAccess", &[]),
        ("PVEAdmin", &admin),
        ("PVEAuditor", &AUDITOR),
        ("PVEDatastoreAdmin", &DATASTORE_ADMIN),
        ("PVEDatastoreUser", &DATASTORE_USER),
        ("PVEPoolAdmin", &POOL_ADMIN),
        ("PVEPoolUser", &["Pool.Audit"]),
        ("PVESDNUser", &["SDN.Audit", "SDN.Use"]),
        ("PVEVMAdmin", &vm_admin),
        ("PVEVMUser", &VM_USER),
    ];
    roles
        .into_iter()
        .map(|(role, own)| (role.to_owned(), own.iter().map(|&one| one.to_owned()).collect()))
        .collect()
}
