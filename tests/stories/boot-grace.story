While the node boots, what it starts by itself is left to it; what it does not start is started.
== agent
config agent.boot_grace_seconds 1000000000
== node
set 100 onboot=1
== manifest
[
  {"id": "ct100", "kind": "lxc_guest", "spec": {"vmid": 100, "run_state": "running"}},
  {"id": "ct102", "kind": "lxc_guest", "spec": {"vmid": 102, "run_state": "running"}}
]
== plan
lxc/100 ct100  stopped  held
    run_state    "stopped" -> "running"
  held (boot_grace): the node has just booted, and starts this guest by itself
     to go on: wait: in N s it is started if it does not run (agent.boot_grace_seconds)
  - whether HA manages it or a backup runs is looked at again right before each step
  not managed of it: arch, memory_mb, name, on_boot, os_type, rootfs, swap_mb
lxc/102 ct102  stopped  1 step
    run_state    "stopped" -> "running"
  1. start lxc/102
     because it is stopped and should run
  - whether HA manages it or a backup runs is looked at again right before each step
  not managed of it: arch, memory_mb, name, os_type, rootfs, swap_mb, unprivileged
not managed, not touched: lxc/101 (db, running), lxc/103 (ct103, stopped), lxc/104 (ct104, stopped), lxc/105 (ct105, running), lxc/106 (ct106, stopped), lxc/107 (ct107, stopped), qemu/200 (vm1, running), qemu/201 (vm2, stopped)
generation 1: 1 to change, 1 held, 0 that cannot be planned, 0 in order, 0 refused
== calls
POST /nodes/pve/lxc/102/status/start
== status
Ready false (ResourcesHeld)
Stalled true (ResourcesHeld)
ct100: held
  hold boot_grace: the node has just booted, and starts this guest by itself
  to go on: wait: in N s it is started if it does not run (agent.boot_grace_seconds)
  drift run_state: "running" wanted, "stopped" there
ct102: ready
  last: start lxc/102: done
== node
run 100
== then
== calls
none
== status
Ready true (AllReady)
ct100: ready
ct102: ready
  last: start lxc/102: done
