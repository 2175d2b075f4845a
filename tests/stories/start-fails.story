A guest that does not start has failed with what the node says, and is tried again.
== manifest
[
  {"id": "ct106", "kind": "lxc_guest", "spec": {"vmid": 106, "run_state": "running"}}
]
== plan
lxc/106 ct106  stopped  1 step
    run_state    "stopped" -> "running"
  1. start lxc/106
     because it is stopped and should run
  - whether HA manages it or a backup runs is looked at again right before each step
  not managed of it: arch, memory_mb, name, os_type, rootfs, swap_mb, unprivileged
not managed, not touched: lxc/100 (web, stopped), lxc/101 (db, running), lxc/102 (ct102, stopped), lxc/103 (ct103, stopped), lxc/104 (ct104, stopped), lxc/105 (ct105, running), lxc/107 (ct107, stopped), qemu/200 (vm1, running), qemu/201 (vm2, stopped)
generation 1: 1 to change, 0 held, 0 that cannot be planned, 0 in order, 0 refused
== calls
POST /nodes/pve/lxc/106/status/start
== status
Ready false (ResourcesFailed)
Reconciling true (InProgress)
Degraded true (ResourcesFailed)
ct106: failed
  error task_failed (tried again): the task failed: startup for container '106' failed
  drift run_state: "running" wanted, "stopped" there
  last: start lxc/106: failed
