A volume is never made smaller, and nothing else is done to its guest either.
== node
set 100 rootfs=store:100/vm-100-disk-0.raw,size=4G
== manifest
[
  {"id": "ct100", "kind": "lxc_guest", "spec": {"vmid": 100, "cores": 2, "rootfs": {"size_gb": 2}}}
]
== plan
lxc/100 ct100  stopped  cannot be planned
    cores        not set -> 2
    rootfs.size_gb 4 -> 2
  ! shrink_refused: rootfs has 4 GiB and should have 2: a volume is never made smaller
  not managed of it: arch, memory_mb, name, os_type, swap_mb
not managed, not touched: lxc/101 (db, running), lxc/102 (ct102, stopped), lxc/103 (ct103, stopped), lxc/104 (ct104, stopped), lxc/105 (ct105, running), lxc/106 (ct106, stopped), lxc/107 (ct107, stopped), qemu/200 (vm1, running), qemu/201 (vm2, stopped)
generation 1: 0 to change, 0 held, 1 that cannot be planned, 0 in order, 0 refused
== calls
none
== status
Ready false (ResourcesFailed)
Degraded true (ResourcesFailed)
Stalled true (ResourcesFailed)
ct100: failed
  error shrink_refused (not tried again): rootfs has 4 GiB and should have 2: a volume is never made smaller
  drift cores: 2 wanted, "absent" there
  drift rootfs.size_gb: 2 wanted, 4 there
