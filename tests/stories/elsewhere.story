A guest that has moved to another node is not made anew here.
== node
elsewhere 100
== manifest
[
  {"id": "ct100", "kind": "lxc_guest", "spec": {"vmid": 100, "run_state": "running", "cores": 2}}
]
== plan
lxc/100 ct100  unknown  held
  held (moved): lxc/100 is on node pve2 now
     to go on: let the agent of pve2 have it, or move it back
not managed, not touched: lxc/101 (db, running), lxc/102 (ct102, stopped), lxc/103 (ct103, stopped), lxc/104 (ct104, stopped), lxc/105 (ct105, running), lxc/106 (ct106, stopped), lxc/107 (ct107, stopped), qemu/200 (vm1, running), qemu/201 (vm2, stopped)
generation 1: 0 to change, 1 held, 0 that cannot be planned, 0 in order, 0 refused
== calls
none
== status
Ready false (ResourcesHeld)
Stalled true (ResourcesHeld)
ct100: held
  hold moved: lxc/100 is on node pve2 now
  to go on: let the agent of pve2 have it, or move it back
