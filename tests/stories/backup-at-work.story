A backup job that is at the guest holds it although there is no lock; the guest it is through with is not held.
== node
working vzdump - INFO: Starting Backup of VM 100 (lxc)\nINFO: Finished Backup of VM 100 (00:00:01)\nINFO: Starting Backup of VM 102 (lxc)
== manifest
[
  {"id": "ct100", "kind": "lxc_guest", "spec": {"vmid": 100, "cores": 2}},
  {"id": "ct102", "kind": "lxc_guest", "spec": {"vmid": 102, "cores": 2}}
]
== plan
lxc/100 ct100  stopped  1 step
    cores        not set -> 2
  1. set cores=2 of lxc/100
     because cores is not set, should be 2
  - whether HA manages it or a backup runs is looked at again right before each step
  not managed of it: arch, memory_mb, name, os_type, rootfs, swap_mb
lxc/102 ct102  stopped  1 step
    cores        not set -> 2
  1. set cores=2 of lxc/102
     because cores is not set, should be 2
  - whether HA manages it or a backup runs is looked at again right before each step
  not managed of it: arch, memory_mb, name, os_type, rootfs, swap_mb, unprivileged
not managed, not touched: lxc/101 (db, running), lxc/103 (ct103, stopped), lxc/104 (ct104, stopped), lxc/105 (ct105, running), lxc/106 (ct106, stopped), lxc/107 (ct107, stopped), qemu/200 (vm1, running), qemu/201 (vm2, stopped)
generation 1: 2 to change, 0 held, 0 that cannot be planned, 0 in order, 0 refused
== calls
PUT /nodes/pve/lxc/102/config cores=2 digest=…
== status
Ready false (ResourcesHeld)
Stalled true (ResourcesHeld)
ct100: held
  hold backup: a backup of lxc/100 is running (TASK)
  to go on: wait until it has ended
  drift cores: 2 wanted, "absent" there
ct102: ready
  last: set cores=2 of lxc/102: done
