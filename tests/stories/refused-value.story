What the node refuses is not asked again until something changes.
== node
fault {"method":"PUT","path":"/lxc/100/config","action":"status","status":400,"reason":"Parameter verification failed.","body":"{\"data\":null,\"errors\":{\"cores\":\"value must have a maximum value of 1\"}}"}
== manifest
[
  {"id": "ct100", "kind": "lxc_guest", "spec": {"vmid": 100, "cores": 2}}
]
== plan
lxc/100 ct100  stopped  1 step
    cores        not set -> 2
  1. set cores=2 of lxc/100
     because cores is not set, should be 2
  - whether HA manages it or a backup runs is looked at again right before each step
  not managed of it: arch, memory_mb, name, os_type, rootfs, swap_mb
not managed, not touched: lxc/101 (db, running), lxc/102 (ct102, stopped), lxc/103 (ct103, stopped), lxc/104 (ct104, stopped), lxc/105 (ct105, running), lxc/106 (ct106, stopped), lxc/107 (ct107, stopped), qemu/200 (vm1, running), qemu/201 (vm2, stopped)
generation 1: 1 to change, 0 held, 0 that cannot be planned, 0 in order, 0 refused
== calls
PUT /nodes/pve/lxc/100/config -> 400 Parameter verification failed.
== status
Ready false (ResourcesFailed)
Degraded true (ResourcesFailed)
Stalled true (ResourcesFailed)
ct100: failed
  error parameter (not tried again): Proxmox refused the parameters of PUT /nodes/pve/lxc/100/config: cores: value must have a maximum value of 1
  drift cores: 2 wanted, "absent" there
  last: set cores=2 of lxc/100: failed
