A protected container takes no new mount until the protection is off.
== node
set 100 protection=1
== manifest
[
  {"id": "ct100", "kind": "lxc_guest", "spec": {"vmid": 100, "mounts": [{"key": "mp0", "storage": "store", "size_gb": 1, "path": "/data"}]}}
]
== plan
lxc/100 ct100  stopped  held
    mp0          not set -> "store:1,mp=/data"
  held (protection): lxc/100 is protected: mp0 cannot be written
     to go on: set `protection` to false in the resource, and back to true afterwards
  not managed of it: arch, memory_mb, name, os_type, protection, rootfs, swap_mb
not managed, not touched: lxc/101 (db, running), lxc/102 (ct102, stopped), lxc/103 (ct103, stopped), lxc/104 (ct104, stopped), lxc/105 (ct105, running), lxc/106 (ct106, stopped), lxc/107 (ct107, stopped), qemu/200 (vm1, running), qemu/201 (vm2, stopped)
generation 1: 0 to change, 1 held, 0 that cannot be planned, 0 in order, 0 refused
== calls
none
== status
Ready false (ResourcesHeld)
Stalled true (ResourcesHeld)
ct100: held
  hold protection: lxc/100 is protected: mp0 cannot be written
  to go on: set `protection` to false in the resource, and back to true afterwards
  drift mp0: "store:1,mp=/data" wanted, "absent" there
