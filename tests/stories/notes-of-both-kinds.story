The notes of a container gain a line feed, those of a VM lose one; neither is a difference.
== node
set 100 description=a
set 201 description=b
== manifest
[
  {"id": "ct100", "kind": "lxc_guest", "spec": {"vmid": 100, "description": "a"}},
  {"id": "vm201", "kind": "vm_guest", "spec": {"vmid": 201, "description": "b"}}
]
== plan
lxc/100 ct100  stopped  in order
  - the one managed field is as it should be
  not managed of it: arch, memory_mb, name, os_type, rootfs, swap_mb
qemu/201 vm201  stopped  in order
  - the one managed field is as it should be
  not managed of it: boot, kvm, memory_mb, name, scsi0
not managed, not touched: lxc/101 (db, running), lxc/102 (ct102, stopped), lxc/103 (ct103, stopped), lxc/104 (ct104, stopped), lxc/105 (ct105, running), lxc/106 (ct106, stopped), lxc/107 (ct107, stopped), qemu/200 (vm1, running)
generation 1: 0 to change, 0 held, 0 that cannot be planned, 2 in order, 0 refused
== calls
none
== status
Ready true (AllReady)
ct100: ready
vm201: ready
