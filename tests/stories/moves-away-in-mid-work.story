A guest that is migrated while it is worked on is left to its new node.
== node
fault {"method":"PUT","path":"/lxc/100/config","count":1,"action":"hold_work"}
== manifest
[
  {"id": "ct100", "kind": "lxc_guest", "spec": {"vmid": 100, "run_state": "running", "cores": 2}}
]
== meanwhile
called PUT /nodes/pve/lxc/100/config
elsewhere 100
answer
== plan
lxc/100 ct100  stopped  2 steps
    run_state    "stopped" -> "running"
    cores        not set -> 2
  1. set cores=2 of lxc/100
     because cores is not set, should be 2
  2. start lxc/100
     because it is stopped and should run
  - whether HA manages it or a backup runs is looked at again right before each step
  not managed of it: arch, memory_mb, name, os_type, rootfs, swap_mb
not managed, not touched: lxc/101 (db, running), lxc/102 (ct102, stopped), lxc/103 (ct103, stopped), lxc/104 (ct104, stopped), lxc/105 (ct105, running), lxc/106 (ct106, stopped), lxc/107 (ct107, stopped), qemu/200 (vm1, running), qemu/201 (vm2, stopped)
generation 1: 1 to change, 0 held, 0 that cannot be planned, 0 in order, 0 refused
== calls
PUT /nodes/pve/lxc/100/config cores=2 digest=… -> 500 Configuration file 'nodes/pve/lxc/100.conf' does not exist
== status
Ready false (ResourcesHeld)
Stalled true (ResourcesHeld)
ct100: held
  hold moved: lxc/100 is on node pve2 now
  to go on: let the agent of pve2 have it, or move it back
  last: set cores=2 of lxc/100: failed
