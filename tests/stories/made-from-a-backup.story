A container that is nowhere is made from a backup, with an address of its own, and started.
== node
lxc 110 arch: amd64\nhostname: shop\nmemory: 128\nnet0: name=eth0,bridge=vmbr0,hwaddr=BC:24:11:00:00:6E,ip=dhcp,type=veth\nostype: debian\nrootfs: store:110/vm-110-disk-0.raw,size=1G\nswap: 0\n
backup store 110 1
== manifest
[
  {"id": "again", "kind": "lxc_guest", "spec": {"vmid": 150, "run_state": "running", "name": "again",
    "provision": {"from": "backup", "source": "$BACKUP", "storage": "store"}}}
]
== plan
lxc/150 again  unknown  1 step
    ensure       not set -> "present"
  1. make lxc/150 from backup store:backup/vzdump-lxc-110-N.tar.zst
     because it is nowhere in the cluster; what else is wanted of it follows once it is there
not managed, not touched: lxc/100 (web, stopped), lxc/101 (db, running), lxc/102 (ct102, stopped), lxc/103 (ct103, stopped), lxc/104 (ct104, stopped), lxc/105 (ct105, running), lxc/106 (ct106, stopped), lxc/107 (ct107, stopped), lxc/110 (shop, stopped), qemu/200 (vm1, running), qemu/201 (vm2, stopped)
generation 1: 1 to change, 0 held, 0 that cannot be planned, 0 in order, 0 refused
== calls
POST /nodes/pve/lxc description=felhom-incarnation: … force=0 ostemplate=store:backup/vzdump-lxc-110-N.tar.zst restore=1 storage=store unique=1 vmid=150
PUT /nodes/pve/lxc/150/config digest=… hostname=again
POST /nodes/pve/lxc/150/status/start
== status
Ready true (AllReady)
again: ready
  last: start lxc/150: done
