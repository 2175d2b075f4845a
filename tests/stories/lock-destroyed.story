A container under the lock "destroyed" is held; when it is gone the work is done.
== node
lock 100 destroyed
== manifest
[
  {"id": "ct100", "kind": "lxc_guest", "spec": {"vmid": 100, "run_state": "running", "cores": 2}}
]
== plan
lxc/100 ct100  stopped  held
    run_state    "stopped" -> "running"
    cores        not set -> 2
  held (lock): lxc/100 has the lock "destroyed": an attempt to destroy it did not end
     to go on: finish destroying it by hand, or recover it
  not managed of it: arch, memory_mb, name, os_type, rootfs, swap_mb
not managed, not touched: lxc/101 (db, running), lxc/102 (ct102, stopped), lxc/103 (ct103, stopped), lxc/104 (ct104, stopped), lxc/105 (ct105, running), lxc/106 (ct106, stopped), lxc/107 (ct107, stopped), qemu/200 (vm1, running), qemu/201 (vm2, stopped)
generation 1: 0 to change, 1 held, 0 that cannot be planned, 0 in order, 0 refused
== calls
none
== status
Ready false (ResourcesHeld)
Stalled true (ResourcesHeld)
ct100: held
  hold lock: lxc/100 has the lock "destroyed": an attempt to destroy it did not end
  to go on: finish destroying it by hand, or recover it
  drift run_state: "running" wanted, "stopped" there
  drift cores: 2 wanted, "absent" there
== node
lock 100
== calls
PUT /nodes/pve/lxc/100/config cores=2 digest=…
POST /nodes/pve/lxc/100/status/start
== status
Ready true (AllReady)
ct100: ready
  last: start lxc/100: done
