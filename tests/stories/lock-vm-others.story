Each other lock that Proxmox has for a virtual machine holds it.
== node
qemu 210 cores: 1\nmemory: 64\nname: vm210\nscsi0: store:210/vm-210-disk-0.raw,size=1G\nsmbios1: uuid=ee71460a-e6fd-4bbe-95a4-b5a27f46d510\n
lock 210 backup
qemu 211 cores: 1\nmemory: 64\nname: vm211\nscsi0: store:211/vm-211-disk-0.raw,size=1G\nsmbios1: uuid=ee71460a-e6fd-4bbe-95a4-b5a27f46d511\n
lock 211 create
qemu 212 cores: 1\nmemory: 64\nname: vm212\nscsi0: store:212/vm-212-disk-0.raw,size=1G\nsmbios1: uuid=ee71460a-e6fd-4bbe-95a4-b5a27f46d512\n
lock 212 migrate
qemu 213 cores: 1\nmemory: 64\nname: vm213\nscsi0: store:213/vm-213-disk-0.raw,size=1G\nsmbios1: uuid=ee71460a-e6fd-4bbe-95a4-b5a27f46d513\n
lock 213 rollback
qemu 214 cores: 1\nmemory: 64\nname: vm214\nscsi0: store:214/vm-214-disk-0.raw,size=1G\nsmbios1: uuid=ee71460a-e6fd-4bbe-95a4-b5a27f46d514\n
lock 214 snapshot
qemu 215 cores: 1\nmemory: 64\nname: vm215\nscsi0: store:215/vm-215-disk-0.raw,size=1G\nsmbios1: uuid=ee71460a-e6fd-4bbe-95a4-b5a27f46d515\n
lock 215 snapshot-delete
== manifest
[
  {"id": "vm210", "kind": "vm_guest", "spec": {"vmid": 210, "cores": 2}},
  {"id": "vm211", "kind": "vm_guest", "spec": {"vmid": 211, "cores": 2}},
  {"id": "vm212", "kind": "vm_guest", "spec": {"vmid": 212, "cores": 2}},
  {"id": "vm213", "kind": "vm_guest", "spec": {"vmid": 213, "cores": 2}},
  {"id": "vm214", "kind": "vm_guest", "spec": {"vmid": 214, "cores": 2}},
  {"id": "vm215", "kind": "vm_guest", "spec": {"vmid": 215, "cores": 2}}
]
== plan
qemu/210 vm210  stopped  held
    cores        1 -> 2
  held (lock): qemu/210 has the lock "backup": a backup works on it, or was killed while it did
     to go on: wait until the backup has ended; if no task works on it any more, `qm unlock 210` as root on the node
  not managed of it: memory_mb, name, scsi0
qemu/211 vm211  stopped  held
    cores        1 -> 2
  held (lock): qemu/211 has the lock "create": it is being created or restored
     to go on: wait; if no task works on it any more, `qm unlock 211` as root on the node, after looking at what is there of it
  not managed of it: memory_mb, name, scsi0
qemu/212 vm212  stopped  held
    cores        1 -> 2
  held (lock): qemu/212 has the lock "migrate": it is moving to another node
     to go on: wait; if no task works on it any more, `qm unlock 212` as root on the node, after finding out on which node it runs
  not managed of it: memory_mb, name, scsi0
qemu/213 vm213  stopped  held
    cores        1 -> 2
  held (lock): qemu/213 has the lock "rollback": it is being rolled back to a snapshot
     to go on: wait; if no task works on it any more, `qm unlock 213` as root on the node, after looking at its disks
  not managed of it: memory_mb, name, scsi0
qemu/214 vm214  stopped  held
    cores        1 -> 2
  held (lock): qemu/214 has the lock "snapshot": a snapshot is being taken or deleted
     to go on: wait some minutes; if no task works on it any more, `qm unlock 214` as root on the node
  not managed of it: memory_mb, name, scsi0
qemu/215 vm215  stopped  held
    cores        1 -> 2
  held (lock): qemu/215 has the lock "snapshot-delete": a snapshot is being taken or deleted
     to go on: wait some minutes; if no task works on it any more, `qm unlock 215` as root on the node
  not managed of it: memory_mb, name, scsi0
not managed, not touched: lxc/100 (web, stopped), lxc/101 (db, running), lxc/102 (ct102, stopped), lxc/103 (ct103, stopped), lxc/104 (ct104, stopped), lxc/105 (ct105, running), lxc/106 (ct106, stopped), lxc/107 (ct107, stopped), qemu/200 (vm1, running), qemu/201 (vm2, stopped)
generation 1: 0 to change, 6 held, 0 that cannot be planned, 0 in order, 0 refused
== calls
none
== status
Ready false (ResourcesHeld)
Stalled true (ResourcesHeld)
vm210: held
  hold lock: qemu/210 has the lock "backup": a backup works on it, or was killed while it did
  to go on: wait until the backup has ended; if no task works on it any more, `qm unlock 210` as root on the node
  drift cores: 2 wanted, 1 there
vm211: held
  hold lock: qemu/211 has the lock "create": it is being created or restored
  to go on: wait; if no task works on it any more, `qm unlock 211` as root on the node, after looking at what is there of it
  drift cores: 2 wanted, 1 there
vm212: held
  hold lock: qemu/212 has the lock "migrate": it is moving to another node
  to go on: wait; if no task works on it any more, `qm unlock 212` as root on the node, after finding out on which node it runs
  drift cores: 2 wanted, 1 there
vm213: held
  hold lock: qemu/213 has the lock "rollback": it is being rolled back to a snapshot
  to go on: wait; if no task works on it any more, `qm unlock 213` as root on the node, after looking at its disks
  drift cores: 2 wanted, 1 there
vm214: held
  hold lock: qemu/214 has the lock "snapshot": a snapshot is being taken or deleted
  to go on: wait some minutes; if no task works on it any more, `qm unlock 214` as root on the node
  drift cores: 2 wanted, 1 there
vm215: held
  hold lock: qemu/215 has the lock "snapshot-delete": a snapshot is being taken or deleted
  to go on: wait some minutes; if no task works on it any more, `qm unlock 215` as root on the node
  drift cores: 2 wanted, 1 there
