//! The recorded node's own answers about rights, and the ways in and not in.

use super::{Access, Refused};
use crate::api::Caller;

fn caller(id: &str) -> Caller {
    Caller { auth_id: id.to_owned() }
}

#[test]
fn a_deeper_path_replaces_what_was_inherited() {
    let access = Access::recorded();
    assert!(access.may(&caller("agent@pve!full"), "/vms/100", "Sys.Audit"));
    assert!(!access.may(&caller("agent@pve!full"), "/vms/101", "Sys.Audit"));
    assert!(access.may(&caller("agent@pve!full"), "/vms/101", "VM.PowerMgmt"));
}

#[test]
fn a_separated_token_has_what_both_it_and_its_user_have() {
    let mut access = Access::recorded();
    access.grant("/vms/100", "agent@pve!sep", "PVEVMAdmin");
    let both: Vec<String> = access.privileges("agent@pve!sep", "/vms/100").into_keys().collect();
    assert_eq!(both, ["VM.Audit", "VM.GuestAgent.Audit"]);
    assert!(!access.may(&caller("root@pam!privsep"), "/", "Sys.Audit"));
    assert!(access.may(&caller("root@pam!agent"), "/anything", "Sys.Modify"));
}

#[test]
fn permissions_name_only_paths_with_rights() {
    let access = Access::recorded();
    assert_eq!(access.permissions(&caller("agent@pve!none")), serde_json::json!({}));
    let sep = access.permissions(&caller("agent@pve!sep"));
    assert_eq!(sep.as_object().unwrap().keys().collect::<Vec<_>>(), ["/vms/101"]);
    assert_eq!(access.permissions(&caller("agent@pve!full")).as_object().unwrap().len(), 9);
}

#[test]
fn root_has_forty_seven_privileges() {
    assert_eq!(Access::default().privileges("root@pam", "/").len(), 47);
}

#[test]
fn each_way_in() {
    let access = Access::recorded();
    let secret = super::ROOT_SECRET;
    let table = [
        (format!("PVEAPIToken=root@pam!agent={secret}"), Ok(caller("root@pam!agent"))),
        (format!("PVEAPIToken root@pam!agent={secret}"), Ok(caller("root@pam!agent"))),
        (format!("PVEAPIToken=root%40pam%21agent={secret}"), Ok(caller("root@pam!agent"))),
        (format!("pveapitoken=root@pam!agent={secret}"), Err(Refused::NoTicket)),
        ("Bearer x".to_owned(), Err(Refused::NoTicket)),
        ("PVEAPIToken=root@pam!agent=wrong".to_owned(), Err(Refused::Failed)),
        ("PVEAPIToken=garbage".to_owned(), Err(Refused::Failed)),
        (
            "PVEAPIToken=agent@pve!expired=66666666-6666-4666-8666-666666666666".to_owned(),
            Err(Refused::Failed),
        ),
        ("PVEAPIToken=gone@pve!t=77777777-7777-4777-8777-777777777777".to_owned(), Err(Refused::Failed)),
    ];
    for (header, expected) in table {
        assert_eq!(access.authenticate(Some(&header), 1_795_231_160), expected, "{header}");
    }
    assert_eq!(access.authenticate(None, 0), Err(Refused::NoTicket));
}
