Killed when the guest was made and the rest of what is wanted is being written: it is written once, and the guest is started.
== node
fault {"method":"PUT","path":"/lxc/150/config","count":1,"action":"hold_work"}
== manifest
[
  {"id": "new", "kind": "lxc_guest", "spec": {"vmid": 150, "run_state": "running", "description": "made", "startup": {"order": 3},
    "provision": {"from": "template", "source": "local:vztmpl/alpine-mini_3.20_amd64.tar.gz", "storage": "store"}}}
]
== meanwhile
called PUT /nodes/pve/lxc/150/config
crash
answer
answered PUT /nodes/pve/lxc/150/config
start
== plan
lxc/150 new  unknown  1 step
    ensure       not set -> "present"
  1. make lxc/150 from template local:vztmpl/alpine-mini_3.20_amd64.tar.gz
     because it is nowhere in the cluster; what else is wanted of it follows once it is there
not managed, not touched: lxc/100 (web, stopped), lxc/101 (db, running), lxc/102 (ct102, stopped), lxc/103 (ct103, stopped), lxc/104 (ct104, stopped), lxc/105 (ct105, running), lxc/106 (ct106, stopped), lxc/107 (ct107, stopped), qemu/200 (vm1, running), qemu/201 (vm2, stopped)
generation 1: 1 to change, 0 held, 0 that cannot be planned, 0 in order, 0 refused
== calls
POST /nodes/pve/lxc description=made\nfelhom-incarnation: … ostemplate=local:vztmpl/alpine-mini_3.20_amd64.tar.gz startup=order=3 storage=store unprivileged=1 vmid=150
PUT /nodes/pve/lxc/150/config description=made digest=…
POST /nodes/pve/lxc/150/status/start
== status
Ready true (AllReady)
new: ready
  last: start lxc/150: done
