A volume grows, by a resize and by nothing else.
== manifest
[
  {"id": "ct100", "kind": "lxc_guest", "spec": {"vmid": 100, "rootfs": {"storage": "store", "size_gb": 2}}},
  {"id": "vm201", "kind": "vm_guest", "spec": {"vmid": 201, "disks": [{"key": "scsi0", "size_gb": 3}]}}
]
== plan
lxc/100 ct100  stopped  1 step
    rootfs.size_gb 1 -> 2
  1. resize rootfs of lxc/100 to 2147483648 bytes
     because rootfs has 1 GiB, should have 2
  - whether HA manages it or a backup runs is looked at again right before each step
  not managed of it: arch, memory_mb, name, os_type, swap_mb
qemu/201 vm201  stopped  1 step
    scsi0.size_gb 1 -> 3
  1. resize scsi0 of qemu/201 to 3221225472 bytes
     because scsi0 has 1 GiB, should have 3
  - whether HA manages it or a backup runs is looked at again right before each step
  not managed of it: boot, kvm, memory_mb, name
not managed, not touched: lxc/101 (db, running), lxc/102 (ct102, stopped), lxc/103 (ct103, stopped), lxc/104 (ct104, stopped), lxc/105 (ct105, running), lxc/106 (ct106, stopped), lxc/107 (ct107, stopped), qemu/200 (vm1, running)
generation 1: 2 to change, 0 held, 0 that cannot be planned, 0 in order, 0 refused
== calls
PUT /nodes/pve/lxc/100/resize digest=… disk=rootfs size=2147483648
PUT /nodes/pve/qemu/201/resize digest=… disk=scsi0 size=3221225472
== status
Ready true (AllReady)
ct100: ready
  last: resize rootfs of lxc/100 to 2147483648 bytes: done
vm201: ready
  last: resize scsi0 of qemu/201 to 3221225472 bytes: done
