A guest that is nowhere is missing; nothing is made in its place unless that was said.
== manifest
[
  {"id": "ct998", "kind": "lxc_guest", "spec": {"vmid": 998, "run_state": "running"}}
]
== plan
lxc/998 ct998  unknown  cannot be planned
  ! guest_missing: there is no lxc/998, on this node or any other of the cluster
not managed, not touched: lxc/100 (web, stopped), lxc/101 (db, running), lxc/102 (ct102, stopped), lxc/103 (ct103, stopped), lxc/104 (ct104, stopped), lxc/105 (ct105, running), lxc/106 (ct106, stopped), lxc/107 (ct107, stopped), qemu/200 (vm1, running), qemu/201 (vm2, stopped)
generation 1: 0 to change, 0 held, 1 that cannot be planned, 0 in order, 0 refused
== calls
none
== status
Ready false (ResourcesFailed)
Degraded true (ResourcesFailed)
Stalled true (ResourcesFailed)
ct998: failed
  error guest_missing (not tried again): there is no lxc/998, on this node or any other of the cluster
