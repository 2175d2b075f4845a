Guests do not wait for each other.
== manifest
[
  {"id": "ct100", "kind": "lxc_guest", "spec": {"vmid": 100, "run_state": "running"}},
  {"id": "ct102", "kind": "lxc_guest", "spec": {"vmid": 102, "cores": 1}},
  {"id": "vm201", "kind": "vm_guest", "spec": {"vmid": 201, "run_state": "running"}}
]
== plan
lxc/100 ct100  stopped  1 step
    run_state    "stopped" -> "running"
  1. start lxc/100
     because it is stopped and should run
  - whether HA manages it or a backup runs is looked at again right before each step
  not managed of it: arch, memory_mb, name, os_type, rootfs, swap_mb
lxc/102 ct102  stopped  1 step
    cores        not set -> 1
  1. set cores=1 of lxc/102
     because cores is not set, should be 1
  - whether HA manages it or a backup runs is looked at again right before each step
  not managed of it: arch, memory_mb, name, os_type, rootfs, swap_mb, unprivileged
qemu/201 vm201  stopped  1 step
    run_state    "stopped" -> "running"
  1. start qemu/201
     because it is stopped and should run
  - whether HA manages it or a backup runs is looked at again right before each step
  not managed of it: boot, kvm, memory_mb, name, scsi0
not managed, not touched: lxc/101 (db, running), lxc/103 (ct103, stopped), lxc/104 (ct104, stopped), lxc/105 (ct105, running), lxc/106 (ct106, stopped), lxc/107 (ct107, stopped), qemu/200 (vm1, running)
generation 1: 3 to change, 0 held, 0 that cannot be planned, 0 in order, 0 refused
== calls
POST /nodes/pve/lxc/100/status/start
PUT /nodes/pve/lxc/102/config cores=1 digest=…
POST /nodes/pve/qemu/201/status/start
== status
Ready true (AllReady)
ct100: ready
  last: start lxc/100: done
ct102: ready
  last: set cores=1 of lxc/102: done
vm201: ready
  last: start qemu/201: done
