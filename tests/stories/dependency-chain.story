A chain starts from its end that depends on nobody, one after the other, and stops the other way round.
== agent
in-order
== manifest
[
  {"id": "web", "kind": "lxc_guest", "depends_on": ["app"], "spec": {"vmid": 100, "run_state": "running"}},
  {"id": "app", "kind": "lxc_guest", "depends_on": ["db"], "spec": {"vmid": 102, "run_state": "running"}},
  {"id": "db", "kind": "lxc_guest", "spec": {"vmid": 103, "run_state": "running"}}
]
== plan
lxc/100 web  stopped  held
    run_state    "stopped" -> "running"
  held (dependency): it depends on app, which is pending
     to go on: wait; it goes on by itself
  - whether HA manages it or a backup runs is looked at again right before each step
  not managed of it: arch, memory_mb, name, os_type, rootfs, swap_mb
lxc/102 app  stopped  held
    run_state    "stopped" -> "running"
  held (dependency): it depends on db, which is pending
     to go on: wait; it goes on by itself
  - whether HA manages it or a backup runs is looked at again right before each step
  not managed of it: arch, memory_mb, name, os_type, rootfs, swap_mb, unprivileged
lxc/103 db  stopped  1 step
    run_state    "stopped" -> "running"
  1. start lxc/103
     because it is stopped and should run
  - whether HA manages it or a backup runs is looked at again right before each step
  not managed of it: arch, memory_mb, name, os_type, rootfs, swap_mb
not managed, not touched: lxc/101 (db, running), lxc/104 (ct104, stopped), lxc/105 (ct105, running), lxc/106 (ct106, stopped), lxc/107 (ct107, stopped), qemu/200 (vm1, running), qemu/201 (vm2, stopped)
generation 1: 1 to change, 2 held, 0 that cannot be planned, 0 in order, 0 refused
== calls
POST /nodes/pve/lxc/103/status/start
POST /nodes/pve/lxc/102/status/start
POST /nodes/pve/lxc/100/status/start
== status
Ready true (AllReady)
app: ready
  last: start lxc/102: done
db: ready
  last: start lxc/103: done
web: ready
  last: start lxc/100: done
== manifest
[
  {"id": "web", "kind": "lxc_guest", "depends_on": ["app"], "spec": {"vmid": 100, "run_state": "stopped"}},
  {"id": "app", "kind": "lxc_guest", "depends_on": ["db"], "spec": {"vmid": 102, "run_state": "stopped"}},
  {"id": "db", "kind": "lxc_guest", "spec": {"vmid": 103, "run_state": "stopped"}}
]
== plan
lxc/100 web  running  1 step
    run_state    "running" -> "stopped"
  1. shut down lxc/100 within 180 s
     because it runs and should be stopped
  - whether HA manages it or a backup runs is looked at again right before each step
  not managed of it: arch, memory_mb, name, os_type, rootfs, swap_mb
lxc/102 app  running  held
    run_state    "running" -> "stopped"
  held (dependency): web depends on it and still runs
     to go on: wait; it goes on by itself
  - whether HA manages it or a backup runs is looked at again right before each step
  not managed of it: arch, memory_mb, name, os_type, rootfs, swap_mb, unprivileged
lxc/103 db  running  held
    run_state    "running" -> "stopped"
  held (dependency): app depends on it and still runs
     to go on: wait; it goes on by itself
  - whether HA manages it or a backup runs is looked at again right before each step
  not managed of it: arch, memory_mb, name, os_type, rootfs, swap_mb
not managed, not touched: lxc/101 (db, running), lxc/104 (ct104, stopped), lxc/105 (ct105, running), lxc/106 (ct106, stopped), lxc/107 (ct107, stopped), qemu/200 (vm1, running), qemu/201 (vm2, stopped)
generation 2: 1 to change, 2 held, 0 that cannot be planned, 0 in order, 0 refused
== calls
POST /nodes/pve/lxc/100/status/shutdown timeout=180
POST /nodes/pve/lxc/102/status/shutdown timeout=180
POST /nodes/pve/lxc/103/status/shutdown timeout=180
== status
Ready true (AllReady)
app: ready
  last: shut down lxc/102 within 180 s: done
db: ready
  last: shut down lxc/103 within 180 s: done
web: ready
  last: shut down lxc/100 within 180 s: done
