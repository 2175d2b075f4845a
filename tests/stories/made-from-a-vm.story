A VM that is nowhere is made as a copy of another.
== manifest
[
  {"id": "copy", "kind": "vm_guest", "spec": {"vmid": 250, "name": "copy", "memory_mb": 128,
    "provision": {"from": "clone", "source": "201"}}}
]
== plan
qemu/250 copy  unknown  1 step
    ensure       not set -> "present"
  1. make qemu/250 from clone 201
     because it is nowhere in the cluster; what else is wanted of it follows once it is there
not managed, not touched: lxc/100 (web, stopped), lxc/101 (db, running), lxc/102 (ct102, stopped), lxc/103 (ct103, stopped), lxc/104 (ct104, stopped), lxc/105 (ct105, running), lxc/106 (ct106, stopped), lxc/107 (ct107, stopped), qemu/200 (vm1, running), qemu/201 (vm2, stopped)
generation 1: 1 to change, 0 held, 0 that cannot be planned, 0 in order, 0 refused
== calls
POST /nodes/pve/qemu/201/clone description=felhom-incarnation: … full=1 name=copy newid=250
POST /nodes/pve/qemu/250/config digest=… memory=128
== status
Ready true (AllReady)
copy: ready
  last: set memory=128 of qemu/250: done
