What is written takes effect with the start: configuration first.
== manifest
[
  {"id": "ct100", "kind": "lxc_guest", "spec": {"vmid": 100, "run_state": "running", "cores": 2, "memory_mb": 256}}
]
== plan
lxc/100 ct100  stopped  2 steps
    run_state    "stopped" -> "running"
    cores        not set -> 2
    memory_mb    128 -> 256
  1. set cores=2, memory=256 of lxc/100
     because cores is not set, should be 2; memory_mb is 128, should be 256
  2. start lxc/100
     because it is stopped and should run
  - whether HA manages it or a backup runs is looked at again right before each step
  not managed of it: arch, name, os_type, rootfs, swap_mb
not managed, not touched: lxc/101 (db, running), lxc/102 (ct102, stopped), lxc/103 (ct103, stopped), lxc/104 (ct104, stopped), lxc/105 (ct105, running), lxc/106 (ct106, stopped), lxc/107 (ct107, stopped), qemu/200 (vm1, running), qemu/201 (vm2, stopped)
generation 1: 1 to change, 0 held, 0 that cannot be planned, 0 in order, 0 refused
== calls
PUT /nodes/pve/lxc/100/config cores=2 digest=… memory=256
POST /nodes/pve/lxc/100/status/start
== status
Ready true (AllReady)
ct100: ready
  last: start lxc/100: done
