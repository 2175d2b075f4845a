The same for a virtual machine that does not run.
== manifest
[
  {"id": "vm201", "kind": "vm_guest", "spec": {"vmid": 201, "name": "media", "description": "films", "tags": ["home"], "cores": 2, "memory_mb": 128, "on_boot": true, "startup": {"order": 2}, "protection": true}}
]
== plan
qemu/201 vm201  stopped  1 step
    name         "vm2" -> "media"
    description  not set -> "films"
    tags         [] -> ["home"]
    cores        1 -> 2
    memory_mb    64 -> 128
    on_boot      false -> true
    startup      not set -> {"order":2}
    protection   false -> true
  1. set cores=2, description, memory=128, name=media, onboot=1, protection=1, startup=order=2, tags=home of qemu/201
     because name is "vm2", should be "media"; description is not set, should be "films"; tags is empty, should be [home]; cores is 1, should be 2; memory_mb is 64, should be 128; on_boot is false, should be true; startup is not set, should be order=2; protection is false, should be true
  - whether HA manages it or a backup runs is looked at again right before each step
  not managed of it: boot, kvm, scsi0
not managed, not touched: lxc/100 (web, stopped), lxc/101 (db, running), lxc/102 (ct102, stopped), lxc/103 (ct103, stopped), lxc/104 (ct104, stopped), lxc/105 (ct105, running), lxc/106 (ct106, stopped), lxc/107 (ct107, stopped), qemu/200 (vm1, running)
generation 1: 1 to change, 0 held, 0 that cannot be planned, 0 in order, 0 refused
== calls
POST /nodes/pve/qemu/201/config cores=2 description=films digest=… memory=128 name=media onboot=1 protection=1 startup=order=2 tags=home
== status
Ready true (AllReady)
vm201: ready
  last: set cores=2, description, memory=128, name=media, onboot=1, protection=1, startup=order=2, tags=home of qemu/201: done
