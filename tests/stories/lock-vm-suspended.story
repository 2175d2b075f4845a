A virtual machine under the lock "suspended" is held.
== node
lock 201 suspended
== manifest
[
  {"id": "vm201", "kind": "vm_guest", "spec": {"vmid": 201, "run_state": "running", "cores": 2}}
]
== plan
qemu/201 vm201  stopped  held
    run_state    "stopped" -> "running"
    cores        1 -> 2
  held (lock): qemu/201 has the lock "suspended": it is suspended to disk, its memory with it
     to go on: `qm resume 201` on the node
  not managed of it: boot, kvm, memory_mb, name, scsi0
not managed, not touched: lxc/100 (web, stopped), lxc/101 (db, running), lxc/102 (ct102, stopped), lxc/103 (ct103, stopped), lxc/104 (ct104, stopped), lxc/105 (ct105, running), lxc/106 (ct106, stopped), lxc/107 (ct107, stopped), qemu/200 (vm1, running)
generation 1: 0 to change, 1 held, 0 that cannot be planned, 0 in order, 0 refused
== calls
none
== status
Ready false (ResourcesHeld)
Stalled true (ResourcesHeld)
vm201: held
  hold lock: qemu/201 has the lock "suspended": it is suspended to disk, its memory with it
  to go on: `qm resume 201` on the node
  drift run_state: "running" wanted, "stopped" there
  drift cores: 2 wanted, 1 there
