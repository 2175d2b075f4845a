A worker that died half-way leaves a locked guest, which is held until somebody has looked.
== node
dies vzcreate
== manifest
[
  {"id": "new", "kind": "lxc_guest", "spec": {"vmid": 150, "cores": 2,
    "provision": {"from": "template", "source": "local:vztmpl/alpine-mini_3.20_amd64.tar.gz", "storage": "store"}}}
]
== plan
lxc/150 new  unknown  1 step
    ensure       not set -> "present"
  1. make lxc/150 from template local:vztmpl/alpine-mini_3.20_amd64.tar.gz
     because it is nowhere in the cluster; what else is wanted of it follows once it is there
not managed, not touched: lxc/100 (web, stopped), lxc/101 (db, running), lxc/102 (ct102, stopped), lxc/103 (ct103, stopped), lxc/104 (ct104, stopped), lxc/105 (ct105, running), lxc/106 (ct106, stopped), lxc/107 (ct107, stopped), qemu/200 (vm1, running), qemu/201 (vm2, stopped)
generation 1: 1 to change, 0 held, 0 that cannot be planned, 0 in order, 0 refused
== calls
POST /nodes/pve/lxc cores=2 description=felhom-incarnation: … ostemplate=local:vztmpl/alpine-mini_3.20_amd64.tar.gz storage=store unprivileged=1 vmid=150
== status
Ready false (ResourcesHeld)
Stalled true (ResourcesHeld)
new: held
  hold lock: lxc/150 has the lock "create": it is being created or restored
  to go on: wait; if no task works on it any more, `pct unlock 150` as root on the node, after looking at what is there of it
  drift cores: 2 wanted, "absent" there
  last: make lxc/150 from template local:vztmpl/alpine-mini_3.20_amd64.tar.gz: failed
