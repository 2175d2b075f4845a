A virtual machine that exists and does not execute is held by somebody.
== node
pause 201
== manifest
[
  {"id": "vm201", "kind": "vm_guest", "spec": {"vmid": 201, "run_state": "stopped", "cores": 2}}
]
== plan
qemu/201 vm201  running  2 steps
    run_state    "running" -> "stopped"
    cores        1 -> 2
  1. shut down qemu/201 within 180 s
     because it runs and should be stopped; first, because a running guest would not take the new configuration
  2. set cores=2 of qemu/201
     because cores is 1, should be 2
  - whether HA manages it or a backup runs is looked at again right before each step
  not managed of it: boot, kvm, memory_mb, name, scsi0
not managed, not touched: lxc/100 (web, stopped), lxc/101 (db, running), lxc/102 (ct102, stopped), lxc/103 (ct103, stopped), lxc/104 (ct104, stopped), lxc/105 (ct105, running), lxc/106 (ct106, stopped), lxc/107 (ct107, stopped), qemu/200 (vm1, running)
generation 1: 1 to change, 0 held, 0 that cannot be planned, 0 in order, 0 refused
== calls
none
== status
Ready false (ResourcesHeld)
Stalled true (ResourcesHeld)
vm201: held
  hold paused: qemu/201 is paused: somebody holds it there, or a backup of the stopped VM is beginning
  to go on: wait if a backup runs, else `qm resume 201` or shut it down
  drift cores: 2 wanted, 1 there
