What is decided when a guest is made is not changed: it fails, and nothing else of it is done.
== manifest
[
  {"id": "ct100", "kind": "lxc_guest", "spec": {"vmid": 100, "cores": 2, "unprivileged": true}}
]
== plan
lxc/100 ct100  stopped  cannot be planned
    cores        not set -> 2
    unprivileged false -> true
  ! immutable: unprivileged is false, should be true, and is decided when a guest is made: take it out of the desired state, or restore a backup of the guest to another one that is as it should be
  not managed of it: arch, memory_mb, name, os_type, rootfs, swap_mb
not managed, not touched: lxc/101 (db, running), lxc/102 (ct102, stopped), lxc/103 (ct103, stopped), lxc/104 (ct104, stopped), lxc/105 (ct105, running), lxc/106 (ct106, stopped), lxc/107 (ct107, stopped), qemu/200 (vm1, running), qemu/201 (vm2, stopped)
generation 1: 0 to change, 0 held, 1 that cannot be planned, 0 in order, 0 refused
== calls
none
== status
Ready false (ResourcesFailed)
Degraded true (ResourcesFailed)
Stalled true (ResourcesFailed)
ct100: failed
  error immutable (not tried again): unprivileged is false, should be true, and is decided when a guest is made: take it out of the desired state, or restore a backup of the guest to another one that is as it should be
  drift cores: 2 wanted, "absent" there
  drift unprivileged: true wanted, false there
