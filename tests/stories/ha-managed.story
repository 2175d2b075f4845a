What the HA manager has is its own.
== node
ha 100 started
== manifest
[
  {"id": "ct100", "kind": "lxc_guest", "spec": {"vmid": 100, "run_state": "running"}}
]
== plan
lxc/100 ct100  stopped  1 step
    run_state    "stopped" -> "running"
  1. start lxc/100
     because it is stopped and should run
  - whether HA manages it or a backup runs is looked at again right before each step
  not managed of it: arch, memory_mb, name, os_type, rootfs, swap_mb
not managed, not touched: lxc/101 (db, running), lxc/102 (ct102, stopped), lxc/103 (ct103, stopped), lxc/104 (ct104, stopped), lxc/105 (ct105, running), lxc/106 (ct106, stopped), lxc/107 (ct107, stopped), qemu/200 (vm1, running), qemu/201 (vm2, stopped)
generation 1: 1 to change, 0 held, 0 that cannot be planned, 0 in order, 0 refused
== calls
none
== status
Ready false (ResourcesHeld)
Stalled true (ResourcesHeld)
ct100: held
  hold ha_managed: the HA manager decides about lxc/100 (its state there: started)
  to go on: change it through HA, or take it out of HA with `ha-manager remove ct:100`
  drift run_state: "running" wanted, "stopped" there
