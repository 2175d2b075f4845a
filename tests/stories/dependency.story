What depends on a guest that is not in order waits for it.
== node
lock 100 backup
== manifest
[
  {"id": "ct100", "kind": "lxc_guest", "spec": {"vmid": 100, "run_state": "running", "cores": 2}},
  {"id": "ct102", "kind": "lxc_guest", "depends_on": ["ct100"], "spec": {"vmid": 102, "cores": 2}}
]
== plan
lxc/100 ct100  stopped  held
    cores        not set -> 2
  held (lock): lxc/100 has the lock "backup": a backup works on it, or was killed while it did
     to go on: wait until the backup has ended; if no task works on it any more, `pct unlock 100` as root on the node
  not managed of it: arch, memory_mb, name, os_type, rootfs, swap_mb
lxc/102 ct102  stopped  held
    cores        not set -> 2
  held (dependency): it depends on ct100, which is held
     to go on: wait; it goes on by itself
  - whether HA manages it or a backup runs is looked at again right before each step
  not managed of it: arch, memory_mb, name, os_type, rootfs, swap_mb, unprivileged
not managed, not touched: lxc/101 (db, running), lxc/103 (ct103, stopped), lxc/104 (ct104, stopped), lxc/105 (ct105, running), lxc/106 (ct106, stopped), lxc/107 (ct107, stopped), qemu/200 (vm1, running), qemu/201 (vm2, stopped)
generation 1: 0 to change, 2 held, 0 that cannot be planned, 0 in order, 0 refused
== calls
none
== status
Ready false (ResourcesHeld)
Stalled true (ResourcesHeld)
ct100: held
  hold lock: lxc/100 has the lock "backup": a backup works on it, or was killed while it did
  to go on: wait until the backup has ended; if no task works on it any more, `pct unlock 100` as root on the node
  drift cores: 2 wanted, "absent" there
ct102: held
  hold dependency: it depends on ct100, which is held
  to go on: wait; it goes on by itself
  drift cores: 2 wanted, "absent" there
== node
lock 100
== calls
PUT /nodes/pve/lxc/100/config cores=2 digest=…
POST /nodes/pve/lxc/100/status/start
PUT /nodes/pve/lxc/102/config cores=2 digest=…
== status
Ready true (AllReady)
ct100: ready
  last: start lxc/100: done
ct102: ready
  last: set cores=2 of lxc/102: done
