The files of a folder are one desired state; one that names what another one does is named, and all stays as it was.
== agent
config desired.file null
config desired.folder "$DIR/desired.d"
part 10-web.json [{"id": "ct100", "kind": "lxc_guest", "spec": {"vmid": 100, "cores": 2}}]
part 20-files.json [{"id": "ct102", "kind": "lxc_guest", "spec": {"vmid": 102, "cores": 3}}]
run plan
== meanwhile
says desired state: generation 2
== told
$ felhom-agent plan
lxc/100 ct100  stopped  1 step
    cores        not set -> 2
  1. set cores=2 of lxc/100
     because cores is not set, should be 2
  - whether HA manages it or a backup runs is looked at again right before each step
  not managed of it: arch, memory_mb, name, os_type, rootfs, swap_mb
lxc/102 ct102  stopped  1 step
    cores        not set -> 3
  1. set cores=3 of lxc/102
     because cores is not set, should be 3
  - whether HA manages it or a backup runs is looked at again right before each step
  not managed of it: arch, memory_mb, name, os_type, rootfs, swap_mb, unprivileged
not managed, not touched: lxc/101 (db, running), lxc/103 (ct103, stopped), lxc/104 (ct104, stopped), lxc/105 (ct105, running), lxc/106 (ct106, stopped), lxc/107 (ct107, stopped), qemu/200 (vm1, running), qemu/201 (vm2, stopped)
generation 2: 2 to change, 0 held, 0 that cannot be planned, 0 in order, 0 refused
== calls
PUT /nodes/pve/lxc/100/config cores=2 digest=…
PUT /nodes/pve/lxc/102/config cores=3 digest=…
== status
Ready true (AllReady)
ct100: ready
  last: set cores=2 of lxc/100: done
ct102: ready
  last: set cores=3 of lxc/102: done
== then
== meanwhile
part 20-files.json [{"id": "ct102", "kind": "lxc_guest", "spec": {"vmid": 102, "cores": 4}}, {"id": "ct100", "kind": "lxc_guest", "spec": {"vmid": 103, "cores": 4}}]
says 20-files.json
run plan
== told
$ felhom-agent plan
felhom-agent: 20-files.json: two resources have the id "ct100"
exit 1
== calls
none
== status
Ready true (AllReady)
StaleManifest true (ManifestRefused)
  20-files.json: two resources have the id "ct100"
ct100: ready
  last: set cores=2 of lxc/100: done
ct102: ready
  last: set cores=3 of lxc/102: done
