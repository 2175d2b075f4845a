Nesting is written; what is root's alone to change is held, with the line to run as root, and not touched where it is as wanted.
== manifest
[
  {"id": "ct100", "kind": "lxc_guest", "spec": {"vmid": 100, "features": {"keyctl": false, "fuse": "absent"}}},
  {"id": "ct102", "kind": "lxc_guest", "spec": {"vmid": 102, "features": {"nesting": true}}},
  {"id": "ct103", "kind": "lxc_guest", "spec": {"vmid": 103, "features": {"keyctl": true}}}
]
== plan
lxc/100 ct100  stopped  in order
  - the one managed field is as it should be
  not managed of it: arch, memory_mb, name, os_type, rootfs, swap_mb
lxc/102 ct102  stopped  1 step
    features     not set -> {"nesting":true}
  1. set features=nesting=1 of lxc/102
     because features is not set, should be nesting=true
  - whether HA manages it or a backup runs is looked at again right before each step
  not managed of it: arch, memory_mb, name, os_type, rootfs, swap_mb, unprivileged
lxc/103 ct103  stopped  held
    features     not set -> {"keyctl":true}
  held (permission): any feature of a privileged container can be changed only by root@pam itself, by no token, and the backend that runs commands as root does not exist yet
     to go on: `pct set 103 --features 'keyctl=1'` as root on the node
  not managed of it: arch, memory_mb, name, os_type, rootfs, swap_mb
not managed, not touched: lxc/101 (db, running), lxc/104 (ct104, stopped), lxc/105 (ct105, running), lxc/106 (ct106, stopped), lxc/107 (ct107, stopped), qemu/200 (vm1, running), qemu/201 (vm2, stopped)
generation 1: 1 to change, 1 held, 0 that cannot be planned, 1 in order, 0 refused
== calls
PUT /nodes/pve/lxc/102/config digest=… features=nesting=1
== status
Ready false (ResourcesHeld)
Stalled true (ResourcesHeld)
ct100: ready
ct102: ready
  last: set features=nesting=1 of lxc/102: done
ct103: held
  hold permission: any feature of a privileged container can be changed only by root@pam itself, by no token, and the backend that runs commands as root does not exist yet
  to go on: `pct set 103 --features 'keyctl=1'` as root on the node
  drift features: {"keyctl":true} wanted, "absent" there
== node
set 103 features=keyctl=1
== then
== calls
none
== status
Ready true (AllReady)
ct100: ready
ct102: ready
  last: set features=nesting=1 of lxc/102: done
ct103: ready
