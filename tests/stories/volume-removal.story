A mount that should not be there waits for a signature, once the rest is done.
== node
set 100 mp0=store:100/vm-100-disk-1.raw,mp=/data,size=1G
== manifest
[
  {"id": "ct100", "kind": "lxc_guest", "spec": {"vmid": 100, "cores": 2, "mounts": [{"key": "mp0", "ensure": "absent"}]}}
]
== plan
lxc/100 ct100  stopped  1 step
    cores        not set -> 2
    mp0          "store:100/vm-100-disk-1.raw,mp=/data,size=1G" -> not set
  1. set cores=2 of lxc/100
     because cores is not set, should be 2
  - then: mp0 (store:100/vm-100-disk-1.raw,mp=/data,size=1G) should not be there; to detach it needs consent
  - whether HA manages it or a backup runs is looked at again right before each step
  not managed of it: arch, memory_mb, name, os_type, rootfs, swap_mb
not managed, not touched: lxc/101 (db, running), lxc/102 (ct102, stopped), lxc/103 (ct103, stopped), lxc/104 (ct104, stopped), lxc/105 (ct105, running), lxc/106 (ct106, stopped), lxc/107 (ct107, stopped), qemu/200 (vm1, running), qemu/201 (vm2, stopped)
generation 1: 1 to change, 0 held, 0 that cannot be planned, 0 in order, 0 refused
== calls
PUT /nodes/pve/lxc/100/config cores=2 digest=…
== status
Ready false (ResourcesHeld)
Stalled true (ResourcesHeld)
ct100: held
  hold needs_signature: mp0 (store:100/vm-100-disk-1.raw,mp=/data,size=1G) should not be there; to detach it needs consent
  to go on: `felhom-agent op draft volume-detach --vmid 100 --key mp0`, then have it signed
  drift mp0: "absent" wanted, "store:100/vm-100-disk-1.raw,mp=/data,size=1G" there
  last: set cores=2 of lxc/100: done
