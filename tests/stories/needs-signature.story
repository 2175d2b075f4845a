What should not exist waits for a signature, and is not even shut down.
== manifest
[
  {"id": "ct101", "kind": "lxc_guest", "ensure": "absent", "spec": {"vmid": 101, "run_state": "running", "cores": 2}}
]
== plan
lxc/101 ct101  running  held
    ensure       "present" -> not set
  held (needs_signature): destroy lxc/101: the guest with its snapshots and its volumes rootfs (btr:101/subvol-101-disk-0.subvol, 0T)
     to go on: `felhom-agent op draft destroy --vmid 101 --backup`, then have it signed
not managed, not touched: lxc/100 (web, stopped), lxc/102 (ct102, stopped), lxc/103 (ct103, stopped), lxc/104 (ct104, stopped), lxc/105 (ct105, running), lxc/106 (ct106, stopped), lxc/107 (ct107, stopped), qemu/200 (vm1, running), qemu/201 (vm2, stopped)
generation 1: 0 to change, 1 held, 0 that cannot be planned, 0 in order, 0 refused
== calls
none
== status
Ready false (ResourcesHeld)
Stalled true (ResourcesHeld)
ct101: held
  hold needs_signature: destroy lxc/101: the guest with its snapshots and its volumes rootfs (btr:101/subvol-101-disk-0.subvol, 0T)
  to go on: `felhom-agent op draft destroy --vmid 101 --backup`, then have it signed
  drift ensure: "absent" wanted, "present" there
