Order and repetition of tags are no difference.
== node
set 100 tags=b;a
== manifest
[
  {"id": "ct100", "kind": "lxc_guest", "spec": {"vmid": 100, "tags": ["a", "b", "a"]}}
]
== plan
lxc/100 ct100  stopped  in order
  - the one managed field is as it should be
  not managed of it: arch, memory_mb, name, os_type, rootfs, swap_mb
not managed, not touched: lxc/101 (db, running), lxc/102 (ct102, stopped), lxc/103 (ct103, stopped), lxc/104 (ct104, stopped), lxc/105 (ct105, running), lxc/106 (ct106, stopped), lxc/107 (ct107, stopped), qemu/200 (vm1, running), qemu/201 (vm2, stopped)
generation 1: 0 to change, 0 held, 0 that cannot be planned, 1 in order, 0 refused
== calls
none
== status
Ready true (AllReady)
ct100: ready
