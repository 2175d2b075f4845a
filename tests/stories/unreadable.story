What cannot be read is unknown and not written; the others go on.
== node
unreadable 100 error while reading
== manifest
[
  {"id": "ct100", "kind": "lxc_guest", "spec": {"vmid": 100, "cores": 2}},
  {"id": "ct102", "kind": "lxc_guest", "spec": {"vmid": 102, "cores": 2}}
]
== plan
lxc/100 ct100  unknown  cannot be planned
  ! unreadable: its configuration could not be read: GET /nodes/pve/lxc/100/pending: Proxmox answered 500: error while reading
lxc/102 ct102  stopped  1 step
    cores        not set -> 2
  1. set cores=2 of lxc/102
     because cores is not set, should be 2
  - whether HA manages it or a backup runs is looked at again right before each step
  not managed of it: arch, memory_mb, name, os_type, rootfs, swap_mb, unprivileged
not managed, not touched: lxc/101 (db, running), lxc/103 (ct103, stopped), lxc/104 (ct104, stopped), lxc/105 (ct105, running), lxc/106 (ct106, stopped), lxc/107 (ct107, stopped), qemu/200 (vm1, running), qemu/201 (vm2, stopped)
generation 1: 1 to change, 0 held, 1 that cannot be planned, 0 in order, 0 refused
== calls
PUT /nodes/pve/lxc/102/config cores=2 digest=…
== status
Ready false (ResourcesFailed)
Reconciling true (InProgress)
Degraded true (ResourcesFailed)
ct100: failed
  error unreadable (tried again): its configuration could not be read: GET /nodes/pve/lxc/100/pending: Proxmox answered 500: error while reading
ct102: ready
  last: set cores=2 of lxc/102: done
