Options of a volume are written with the volume and the size it has.
== node
set 100 mp0=store:100/vm-100-disk-1.raw,mp=/data,size=1G
== manifest
[
  {"id": "ct100", "kind": "lxc_guest", "spec": {"vmid": 100, "mounts": [{"key": "mp0", "storage": "store", "size_gb": 1, "path": "/srv/data", "backup": true}]}}
]
== plan
lxc/100 ct100  stopped  1 step
    mp0.path     "/data" -> "/srv/data"
    mp0.backup   false -> true
  1. set mp0=store:100/vm-100-disk-1.raw,mp=/srv/data,backup=1,size=1G of lxc/100
     because path of mp0 is "/data", should be "/srv/data"; backup of mp0 is false, should be true
  - whether HA manages it or a backup runs is looked at again right before each step
  not managed of it: arch, memory_mb, name, os_type, rootfs, swap_mb
not managed, not touched: lxc/101 (db, running), lxc/102 (ct102, stopped), lxc/103 (ct103, stopped), lxc/104 (ct104, stopped), lxc/105 (ct105, running), lxc/106 (ct106, stopped), lxc/107 (ct107, stopped), qemu/200 (vm1, running), qemu/201 (vm2, stopped)
generation 1: 1 to change, 0 held, 0 that cannot be planned, 0 in order, 0 refused
== calls
PUT /nodes/pve/lxc/100/config digest=… mp0=store:100/vm-100-disk-1.raw,mp=/srv/data,backup=1,size=1G
== status
Ready true (AllReady)
ct100: ready
  last: set mp0=store:100/vm-100-disk-1.raw,mp=/srv/data,backup=1,size=1G of lxc/100: done
