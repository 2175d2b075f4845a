What leaves the manifest is shut down once where that was said, and kept as it is where that was said, or nothing.
== node
run 102
== manifest
[
  {"id": "ct101", "kind": "lxc_guest", "on_remove": "stop", "spec": {"vmid": 101, "run_state": "running"}},
  {"id": "ct102", "kind": "lxc_guest", "on_remove": "keep", "spec": {"vmid": 102, "run_state": "running"}}
]
== plan
lxc/101 ct101  running  in order
  - run state as it should be
  not managed of it: arch, memory_mb, name, os_type, rootfs, swap_mb
lxc/102 ct102  running  in order
  - run state as it should be
  not managed of it: arch, memory_mb, name, os_type, rootfs, swap_mb, unprivileged
not managed, not touched: lxc/100 (web, stopped), lxc/103 (ct103, stopped), lxc/104 (ct104, stopped), lxc/105 (ct105, running), lxc/106 (ct106, stopped), lxc/107 (ct107, stopped), qemu/200 (vm1, running), qemu/201 (vm2, stopped)
generation 1: 0 to change, 0 held, 0 that cannot be planned, 2 in order, 0 refused
== calls
none
== status
Ready true (AllReady)
ct101: ready
ct102: ready
== manifest
[]
== plan
not managed, not touched: lxc/100 (web, stopped), lxc/101 (db, running), lxc/102 (ct102, running), lxc/103 (ct103, stopped), lxc/104 (ct104, stopped), lxc/105 (ct105, running), lxc/106 (ct106, stopped), lxc/107 (ct107, stopped), qemu/200 (vm1, running), qemu/201 (vm2, stopped)
generation 2: 0 to change, 0 held, 0 that cannot be planned, 0 in order, 0 refused
== calls
POST /nodes/pve/lxc/101/status/shutdown timeout=180
== status
Ready true (AllReady)
== node
run 101
== then
== calls
none
== status
Ready true (AllReady)
