A running guest that should not run is shut down, not switched off.
== manifest
[
  {"id": "ct101", "kind": "lxc_guest", "spec": {"vmid": 101, "run_state": "stopped"}}
]
== plan
lxc/101 ct101  running  1 step
    run_state    "running" -> "stopped"
  1. shut down lxc/101 within 180 s
     because it runs and should be stopped
  - whether HA manages it or a backup runs is looked at again right before each step
  not managed of it: arch, memory_mb, name, os_type, rootfs, swap_mb
not managed, not touched: lxc/100 (web, stopped), lxc/102 (ct102, stopped), lxc/103 (ct103, stopped), lxc/104 (ct104, stopped), lxc/105 (ct105, running), lxc/106 (ct106, stopped), lxc/107 (ct107, stopped), qemu/200 (vm1, running), qemu/201 (vm2, stopped)
generation 1: 1 to change, 0 held, 0 that cannot be planned, 0 in order, 0 refused
== calls
POST /nodes/pve/lxc/101/status/shutdown timeout=180
== status
Ready true (AllReady)
ct101: ready
  last: shut down lxc/101 within 180 s: done
