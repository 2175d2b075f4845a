Killed while the guest is being made: the task is waited for, and nothing is made twice.
== node
hangs vzcreate
== manifest
[
  {"id": "new", "kind": "lxc_guest", "spec": {"vmid": 150, "run_state": "running",
    "provision": {"from": "template", "source": "local:vztmpl/alpine-mini_3.20_amd64.tar.gz", "storage": "store"}}}
]
== meanwhile
called GET /nodes/pve/tasks/UPID
crash
start
says a task of ours is under way
mend
== plan
lxc/150 new  unknown  1 step
    ensure       not set -> "present"
  1. make lxc/150 from template local:vztmpl/alpine-mini_3.20_amd64.tar.gz
     because it is nowhere in the cluster; what else is wanted of it follows once it is there
not managed, not touched: lxc/100 (web, stopped), lxc/101 (db, running), lxc/102 (ct102, stopped), lxc/103 (ct103, stopped), lxc/104 (ct104, stopped), lxc/105 (ct105, running), lxc/106 (ct106, stopped), lxc/107 (ct107, stopped), qemu/200 (vm1, running), qemu/201 (vm2, stopped)
generation 1: 1 to change, 0 held, 0 that cannot be planned, 0 in order, 0 refused
== calls
POST /nodes/pve/lxc description=felhom-incarnation: … ostemplate=local:vztmpl/alpine-mini_3.20_amd64.tar.gz storage=store unprivileged=1 vmid=150
POST /nodes/pve/lxc/150/status/start
== status
Ready true (AllReady)
new: ready
  last: start lxc/150: done
