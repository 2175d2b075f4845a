Outside of the maintenance window what waits goes on waiting.
== node
run 201
== manifest
[
  {"id": "vm201", "kind": "vm_guest", "restart": "window", "spec": {"vmid": 201, "run_state": "running", "cores": 2}}
]
== plan
qemu/201 vm201  running  1 step
    cores        1 -> 2
  1. set cores=2 of qemu/201
     because cores is 1, should be 2 (a running guest takes it at its next start)
  - whether HA manages it or a backup runs is looked at again right before each step
  not managed of it: boot, kvm, memory_mb, name, scsi0
not managed, not touched: lxc/100 (web, stopped), lxc/101 (db, running), lxc/102 (ct102, stopped), lxc/103 (ct103, stopped), lxc/104 (ct104, stopped), lxc/105 (ct105, running), lxc/106 (ct106, stopped), lxc/107 (ct107, stopped), qemu/200 (vm1, running)
generation 1: 1 to change, 0 held, 0 that cannot be planned, 0 in order, 0 refused
== calls
POST /nodes/pve/qemu/201/config cores=2 digest=…
== status
Ready false (ResourcesHeld)
Stalled true (ResourcesHeld)
vm201: held
  hold maintenance_window: qemu/201 is restarted in the maintenance window only, and it is not that time
  to go on: wait, or restart it by hand (agent.maintenance_window says when)
  pending_reboot: cores
  warnings: cores: 2 is written, 1 runs until the guest is next started
  last: set cores=2 of qemu/201: done
