A backup that is not there fails the making with the words of Proxmox.
== manifest
[
  {"id": "again", "kind": "lxc_guest", "spec": {"vmid": 150, "name": "again",
    "provision": {"from": "backup", "source": "store:backup/vzdump-lxc-101-none.tar.zst", "storage": "store"}}}
]
== plan
lxc/150 again  unknown  1 step
    ensure       not set -> "present"
  1. make lxc/150 from backup store:backup/vzdump-lxc-101-none.tar.zst
     because it is nowhere in the cluster; what else is wanted of it follows once it is there
not managed, not touched: lxc/100 (web, stopped), lxc/101 (db, running), lxc/102 (ct102, stopped), lxc/103 (ct103, stopped), lxc/104 (ct104, stopped), lxc/105 (ct105, running), lxc/106 (ct106, stopped), lxc/107 (ct107, stopped), qemu/200 (vm1, running), qemu/201 (vm2, stopped)
generation 1: 1 to change, 0 held, 0 that cannot be planned, 0 in order, 0 refused
== calls
POST /nodes/pve/lxc description=felhom-incarnation: … force=0 ostemplate=store:backup/vzdump-lxc-101-none.tar.zst restore=1 storage=store unique=1 vmid=150
== status
Ready false (ResourcesFailed)
Reconciling true (InProgress)
Degraded true (ResourcesFailed)
again: failed
  error task_failed (tried again): the task failed: unable to restore CT 150 - volume 'store:backup/vzdump-lxc-101-none.tar.zst' does not exist (its log: recovering backed-up configuration from 'store:backup/vzdump-lxc-101-none.tar.zst')
  drift ensure: "present" wanted, "absent" there
  last: make lxc/150 from backup store:backup/vzdump-lxc-101-none.tar.zst: failed
