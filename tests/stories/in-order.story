A guest that is as it should be is left alone: no call at all.
== manifest
[
  {"id": "ct101", "kind": "lxc_guest", "spec": {"vmid": 101, "run_state": "running", "memory_mb": 128}}
]
== plan
lxc/101 ct101  running  in order
  - the one managed field is as it should be
  not managed of it: arch, name, os_type, rootfs, swap_mb
not managed, not touched: lxc/100 (web, stopped), lxc/102 (ct102, stopped), lxc/103 (ct103, stopped), lxc/104 (ct104, stopped), lxc/105 (ct105, running), lxc/106 (ct106, stopped), lxc/107 (ct107, stopped), qemu/200 (vm1, running), qemu/201 (vm2, stopped)
generation 1: 0 to change, 0 held, 0 that cannot be planned, 1 in order, 0 refused
== calls
none
== status
Ready true (AllReady)
ct101: ready
