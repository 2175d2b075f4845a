//! A whole node, as text and as JSON.

use expect_test::expect;
use serde_json::json;

use super::{container, fault, state, vm};
use crate::model::guest::{RunState, Vmid};
use crate::model::observed::Presence;
use crate::plan::text::render;
use crate::plan::{NodeObservation, Settings, plan};

#[test]
fn a_whole_node_is_planned_by_vmid() {
    let state = state(&json!([
        {"id": "db", "kind": "vm_guest", "spec": {"vmid": 200, "run_state": "running"}},
        {"id": "web", "kind": "lxc_guest", "spec": {"vmid": 101, "cores": 2}},
        {"id": "lost", "kind": "lxc_guest", "spec": {"vmid": 150}},
        {"id": "conf", "kind": "file", "spec": {}},
    ]));
    let (web, db) = (container(RunState::Running, &[("cores", "4")]), vm(RunState::Running, &[]));
    let mut stranger = container(RunState::Running, &[("hostname", "mine")]).look();
    let Presence::Listed(stranger) = &mut stranger.presence else { panic!() };
    stranger.guest.vmid = Vmid::new(999).unwrap();
    let seen = NodeObservation {
        guests: [(web.id.vmid, web.look()), (db.id.vmid, db.look())].into(),
        listed: vec![stranger.clone()],
        faults: vec![fault("unreachable", "the list of VMs could not be read")],
        ..NodeObservation::default()
    };
    let plan = plan(&state, &seen, &Settings::default());
    expect![[r#"
        lxc/101 web  running  1 step
            cores        4 -> 2
          1. set cores=2 of lxc/101
             because cores is 4, should be 2
          - whether HA manages it or a backup runs is looked at again right before each step
        lxc/150 lost  unknown  cannot be planned
          ! unreadable: it has not been looked at
        qemu/200 db  running  in order
          - run state as it should be
        conf  refused
          ! kind: "file" is not managed by this version of the agent
        ! unreachable: the list of VMs could not be read
        not managed, not touched: lxc/999 (mine, running)
        generation 7: 1 to change, 0 held, 1 that cannot be planned, 1 in order, 1 refused
    "#]]
    .assert_eq(&render(&plan));
    assert!(plan.has_steps());
    let as_json = serde_json::to_string_pretty(&plan).unwrap();
    expect![[r#"
        {
          "generation": 7,
          "guests": [
            {
              "resource_id": "web",
              "guest": "lxc/101",
              "run_state": "running",
              "steps": [
                {
                  "what": "set cores=2 of lxc/101",
                  "reason": "cores is 4, should be 2",
                  "step": "set_config",
                  "set": {
                    "cores": "2"
                  },
                  "delete": []
                }
              ],
              "drift": [
                {
                  "field": "cores",
                  "desired": 2,
                  "actual": 4
                }
              ],
              "diff": [
                {
                  "desired": 2,
                  "field": "cores",
                  "running": 4
                }
              ],
              "hold": null,
              "notes": [
                {
                  "code": "not_checked",
                  "message": "whether HA manages it or a backup runs is looked at again right before each step"
                }
              ],
              "pending_reboot": [],
              "unmanaged": [],
              "failure": null
            },
            {
              "resource_id": "lost",
              "guest": "lxc/150",
              "run_state": "unknown",
              "steps": [],
              "drift": [],
              "diff": [],
              "hold": null,
              "notes": [],
              "pending_reboot": [],
              "unmanaged": [],
              "failure": {
                "code": "unreadable",
                "message": "it has not been looked at"
              }
            },
            {
              "resource_id": "db",
              "guest": "qemu/200",
              "run_state": "running",
              "steps": [],
              "drift": [],
              "diff": [],
              "hold": null,
              "notes": [
                {
                  "code": "in_order",
                  "message": "run state as it should be"
                }
              ],
              "pending_reboot": [],
              "unmanaged": [],
              "failure": null
            }
          ],
          "refused": [
            {
              "message": "kind: \"file\" is not managed by this version of the agent",
              "resource_id": "conf",
              "state": "unknown_resource"
            }
          ],
          "unmanaged": [
            {
              "guest": "lxc/999",
              "name": "mine",
              "run_state": "running"
            }
          ],
          "problems": [
            {
              "code": "unreachable",
              "message": "the list of VMs could not be read"
            }
          ]
        }"#]].assert_eq(&as_json);
}
