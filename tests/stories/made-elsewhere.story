A guest that is to be made and is on another node is left there, and no second one is made.
== node
lxc 150 arch: amd64\nhostname: old\nmemory: 128\nostype: debian\nrootfs: store:150/vm-150-disk-0.raw,size=1G\n
elsewhere 150
== manifest
[
  {"id": "new", "kind": "lxc_guest", "spec": {"vmid": 150, "run_state": "running",
    "provision": {"from": "template", "source": "local:vztmpl/alpine-mini_3.20_amd64.tar.gz", "storage": "store"}}}
]
== plan
lxc/150 new  unknown  held
  held (moved): lxc/150 is on node pve2 now
     to go on: let the agent of pve2 have it, or move it back
not managed, not touched: lxc/100 (web, stopped), lxc/101 (db, running), lxc/102 (ct102, stopped), lxc/103 (ct103, stopped), lxc/104 (ct104, stopped), lxc/105 (ct105, running), lxc/106 (ct106, stopped), lxc/107 (ct107, stopped), qemu/200 (vm1, running), qemu/201 (vm2, stopped)
generation 1: 0 to change, 1 held, 0 that cannot be planned, 0 in order, 0 refused
== calls
none
== status
Ready false (ResourcesHeld)
Stalled true (ResourcesHeld)
new: held
  hold moved: lxc/150 is on node pve2 now
  to go on: let the agent of pve2 have it, or move it back
