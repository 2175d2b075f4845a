A folder of the node is for root himself to mount.
== manifest
[
  {"id": "ct100", "kind": "lxc_guest", "spec": {"vmid": 100, "mounts": [{"key": "mp0", "bind": "/srv/data", "path": "/data"}]}}
]
== plan
lxc/100 ct100  stopped  held
    mp0          not set -> "/srv/data"
  held (permission): mp0 is a folder or a device of the node, which only root himself may set, and no token
     to go on: `pct set 100 -mp0 /srv/data,mp=/data` as root on the node
  not managed of it: arch, memory_mb, name, os_type, rootfs, swap_mb
not managed, not touched: lxc/101 (db, running), lxc/102 (ct102, stopped), lxc/103 (ct103, stopped), lxc/104 (ct104, stopped), lxc/105 (ct105, running), lxc/106 (ct106, stopped), lxc/107 (ct107, stopped), qemu/200 (vm1, running), qemu/201 (vm2, stopped)
generation 1: 0 to change, 1 held, 0 that cannot be planned, 0 in order, 0 refused
== calls
none
== status
Ready false (ResourcesHeld)
Stalled true (ResourcesHeld)
ct100: held
  hold permission: mp0 is a folder or a device of the node, which only root himself may set, and no token
  to go on: `pct set 100 -mp0 /srv/data,mp=/data` as root on the node
  drift mp0: "/srv/data" wanted, "absent" there
