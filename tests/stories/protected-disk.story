A protected guest's disk grows: protection is against its end.
== node
set 100 protection=1
== manifest
[
  {"id": "ct100", "kind": "lxc_guest", "spec": {"vmid": 100, "rootfs": {"size_gb": 2}}}
]
== plan
lxc/100 ct100  stopped  1 step
    rootfs.size_gb 1 -> 2
  1. resize rootfs of lxc/100 to 2147483648 bytes
     because rootfs has 1 GiB, should have 2
  - whether HA manages it or a backup runs is looked at again right before each step
  not managed of it: arch, memory_mb, name, os_type, protection, swap_mb
not managed, not touched: lxc/101 (db, running), lxc/102 (ct102, stopped), lxc/103 (ct103, stopped), lxc/104 (ct104, stopped), lxc/105 (ct105, running), lxc/106 (ct106, stopped), lxc/107 (ct107, stopped), qemu/200 (vm1, running), qemu/201 (vm2, stopped)
generation 1: 1 to change, 0 held, 0 that cannot be planned, 0 in order, 0 refused
== calls
PUT /nodes/pve/lxc/100/resize digest=… disk=rootfs size=2147483648
== status
Ready true (AllReady)
ct100: ready
  last: resize rootfs of lxc/100 to 2147483648 bytes: done
