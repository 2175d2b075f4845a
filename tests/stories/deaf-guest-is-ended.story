A guest that bears no data is ended at once when it does not shut down, as its owner allows.
== agent
config agent.guest_shutdown_seconds 5
== manifest
[
  {"id": "ct105", "kind": "lxc_guest", "force_stop": true, "spec": {"vmid": 105, "run_state": "stopped", "data_bearing": false}}
]
== plan
lxc/105 ct105  running  1 step
    run_state    "running" -> "stopped"
  1. shut down lxc/105 within 5 s
     because it runs and should be stopped
  - whether HA manages it or a backup runs is looked at again right before each step
  not managed of it: arch, memory_mb, name, os_type, rootfs, swap_mb
not managed, not touched: lxc/100 (web, stopped), lxc/101 (db, running), lxc/102 (ct102, stopped), lxc/103 (ct103, stopped), lxc/104 (ct104, stopped), lxc/106 (ct106, stopped), lxc/107 (ct107, stopped), qemu/200 (vm1, running), qemu/201 (vm2, stopped)
generation 1: 1 to change, 0 held, 0 that cannot be planned, 0 in order, 0 refused
== calls
POST /nodes/pve/lxc/105/status/shutdown timeout=5
POST /nodes/pve/lxc/105/status/stop
== status
Ready true (AllReady)
ct105: ready
  last: stop lxc/105 at once: done
