One generation stops at most so many guests; the rest waits for a signature or a higher limit.
== agent
trust
config agent.blast_radius 1
== node
run 102
== manifest
{"generation": 1, "resources": [{"id": "ct101", "kind": "lxc_guest", "spec": {"vmid": 101, "run_state": "stopped"}}]}
== plan
lxc/101 ct101  running  1 step
    run_state    "running" -> "stopped"
  1. shut down lxc/101 within 180 s
     because it runs and should be stopped
  - whether HA manages it or a backup runs is looked at again right before each step
  not managed of it: arch, memory_mb, name, os_type, rootfs, swap_mb
not managed, not touched: lxc/100 (web, stopped), lxc/102 (ct102, running), lxc/103 (ct103, stopped), lxc/104 (ct104, stopped), lxc/105 (ct105, running), lxc/106 (ct106, stopped), lxc/107 (ct107, stopped), qemu/200 (vm1, running), qemu/201 (vm2, stopped)
generation 1: 1 to change, 0 held, 0 that cannot be planned, 0 in order, 0 refused
== calls
POST /nodes/pve/lxc/101/status/shutdown timeout=180
== status
Ready true (AllReady)
ct101: ready
  last: shut down lxc/101 within 180 s: done
== manifest
{"generation": 1, "resources": [{"id": "ct101", "kind": "lxc_guest", "spec": {"vmid": 101, "run_state": "stopped"}}, {"id": "ct102", "kind": "lxc_guest", "spec": {"vmid": 102, "run_state": "stopped"}}]}
== plan
lxc/101 ct101  stopped  in order
  - run state as it should be
  not managed of it: arch, memory_mb, name, os_type, rootfs, swap_mb
lxc/102 ct102  running  held
    run_state    "running" -> "stopped"
  held (blast_radius): generation 1 has stopped or restarted 1 guests, allowed are 1
     to go on: if that is meant: felhom-agent op draft limit-release --generation 1, and have it signed; or raise agent.blast_radius
  - whether HA manages it or a backup runs is looked at again right before each step
  not managed of it: arch, memory_mb, name, os_type, rootfs, swap_mb, unprivileged
not managed, not touched: lxc/100 (web, stopped), lxc/103 (ct103, stopped), lxc/104 (ct104, stopped), lxc/105 (ct105, running), lxc/106 (ct106, stopped), lxc/107 (ct107, stopped), qemu/200 (vm1, running), qemu/201 (vm2, stopped)
generation 1: 0 to change, 1 held, 0 that cannot be planned, 1 in order, 0 refused
== calls
none
== status
Ready false (ResourcesHeld)
Stalled true (ResourcesHeld)
ct101: ready
  last: shut down lxc/101 within 180 s: done
ct102: held
  hold blast_radius: generation 1 has stopped or restarted 1 guests, allowed are 1
  to go on: if that is meant: felhom-agent op draft limit-release --generation 1, and have it signed; or raise agent.blast_radius
  drift run_state: "stopped" wanted, "running" there
== then
== meanwhile
orders otto limit.release {"generation":1}
== told
otto limit.release {"generation":1}: "done": "generation 1 may stop and restart all that it names"
== calls
POST /nodes/pve/lxc/102/status/shutdown timeout=180
== status
Ready true (AllReady)
ct101: ready
  last: shut down lxc/101 within 180 s: done
ct102: ready
  last: shut down lxc/102 within 180 s: done
