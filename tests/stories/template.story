A template is the origin of clones: it is neither started nor renamed.
== manifest
[
  {"id": "ct104", "kind": "lxc_guest", "spec": {"vmid": 104, "run_state": "running", "name": "other"}}
]
== plan
lxc/104 ct104  stopped  held
    run_state    "stopped" -> "running"
    name         "ct104" -> "other"
  held (template): lxc/104 is a template: it cannot run, and clones are made from it
     to go on: take it out of the desired state, or name a clone of it
  not managed of it: arch, memory_mb, os_type, rootfs, swap_mb
not managed, not touched: lxc/100 (web, stopped), lxc/101 (db, running), lxc/102 (ct102, stopped), lxc/103 (ct103, stopped), lxc/105 (ct105, running), lxc/106 (ct106, stopped), lxc/107 (ct107, stopped), qemu/200 (vm1, running), qemu/201 (vm2, stopped)
generation 1: 0 to change, 1 held, 0 that cannot be planned, 0 in order, 0 refused
== calls
none
== status
Ready false (ResourcesHeld)
Stalled true (ResourcesHeld)
ct104: held
  hold template: lxc/104 is a template: it cannot run, and clones are made from it
  to go on: take it out of the desired state, or name a clone of it
  drift run_state: "running" wanted, "stopped" there
  drift name: "other" wanted, "ct104" there
