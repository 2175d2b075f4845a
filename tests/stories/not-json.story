A document that is no JSON is refused whole, and the one before stays in force.
== manifest
[
  {"id": "ct100", "kind": "lxc_guest", "spec": {"vmid": 100, "cores": 2}}
]
== plan
lxc/100 ct100  stopped  1 step
    cores        not set -> 2
  1. set cores=2 of lxc/100
     because cores is not set, should be 2
  - whether HA manages it or a backup runs is looked at again right before each step
  not managed of it: arch, memory_mb, name, os_type, rootfs, swap_mb
not managed, not touched: lxc/101 (db, running), lxc/102 (ct102, stopped), lxc/103 (ct103, stopped), lxc/104 (ct104, stopped), lxc/105 (ct105, running), lxc/106 (ct106, stopped), lxc/107 (ct107, stopped), qemu/200 (vm1, running), qemu/201 (vm2, stopped)
generation 1: 1 to change, 0 held, 0 that cannot be planned, 0 in order, 0 refused
== calls
PUT /nodes/pve/lxc/100/config cores=2 digest=…
== status
Ready true (AllReady)
ct100: ready
  last: set cores=2 of lxc/100: done
== node
set 100 cores=4
== meanwhile
writes {"api_version": "felhom/v1",
says the manifest is not JSON
== calls
PUT /nodes/pve/lxc/100/config cores=2 digest=…
== status
Ready true (AllReady)
StaleManifest true (ManifestRefused)
  the manifest is not JSON: EOF while parsing a value at line 1 column 28
ct100: ready
  last: set cores=2 of lxc/100: done
