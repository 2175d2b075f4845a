A mount and a disk that are not there are made.
== manifest
[
  {"id": "ct100", "kind": "lxc_guest", "spec": {"vmid": 100, "mounts": [{"key": "mp0", "storage": "store", "size_gb": 1, "path": "/data", "backup": true}]}},
  {"id": "vm201", "kind": "vm_guest", "spec": {"vmid": 201, "disks": [{"key": "scsi1", "storage": "store", "size_gb": 1, "ssd": true, "discard": true, "backup": true, "iothread": true}]}}
]
== plan
lxc/100 ct100  stopped  1 step
    mp0          not set -> "store:1,mp=/data,backup=1"
  1. set mp0=store:1,mp=/data,backup=1 of lxc/100
     because there is no mp0, and one is wanted with 1 GiB on store
  - whether HA manages it or a backup runs is looked at again right before each step
  not managed of it: arch, memory_mb, name, os_type, rootfs, swap_mb
qemu/201 vm201  stopped  1 step
    scsi1        not set -> "store:1,ssd=1,discard=on,iothread=1"
  1. set scsi1=store:1,ssd=1,discard=on,iothread=1 of qemu/201
     because there is no scsi1, and one is wanted with 1 GiB on store
  - whether HA manages it or a backup runs is looked at again right before each step
  not managed of it: boot, kvm, memory_mb, name, scsi0
not managed, not touched: lxc/101 (db, running), lxc/102 (ct102, stopped), lxc/103 (ct103, stopped), lxc/104 (ct104, stopped), lxc/105 (ct105, running), lxc/106 (ct106, stopped), lxc/107 (ct107, stopped), qemu/200 (vm1, running)
generation 1: 2 to change, 0 held, 0 that cannot be planned, 0 in order, 0 refused
== calls
PUT /nodes/pve/lxc/100/config digest=… mp0=store:1,mp=/data,backup=1
POST /nodes/pve/qemu/201/config digest=… scsi1=store:1,ssd=1,discard=on,iothread=1
== status
Ready true (AllReady)
ct100: ready
  last: set mp0=store:1,mp=/data,backup=1 of lxc/100: done
vm201: ready
  last: set scsi1=store:1,ssd=1,discard=on,iothread=1 of qemu/201: done
