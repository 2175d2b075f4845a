Another address, and a card that should go, wait for a signature: the lease goes with them.
== node
set 100 net0=name=eth0,bridge=vmbr0,hwaddr=BC:24:11:00:00:01,ip=dhcp,type=veth
set 201 net0=virtio=BC:24:11:00:00:02,bridge=vmbr0
== manifest
[
  {"id": "ct100", "kind": "lxc_guest", "spec": {"vmid": 100, "nets": [{"key": "net0", "mac": "BC:24:11:00:00:07"}]}},
  {"id": "vm201", "kind": "vm_guest", "spec": {"vmid": 201, "nets": [{"key": "net0", "ensure": "absent"}]}}
]
== plan
lxc/100 ct100  stopped  held
    net0         {"mac":"BC:24:11:00:00:01"} -> {"mac":"BC:24:11:00:00:07"}
  held (needs_signature): set net0=bridge=vmbr0,ip=dhcp,name=eth0,type=veth,hwaddr=BC:24:11:00:00:07 of lxc/100: net0 would lose the hardware address, and the address lease with it
     to go on: `felhom-agent op draft config --vmid 100 --put net0=bridge=vmbr0,ip=dhcp,name=eth0,type=veth,hwaddr=BC:24:11:00:00:07`, then have it signed
  not managed of it: arch, memory_mb, name, os_type, rootfs, swap_mb
qemu/201 vm201  stopped  held
    net0         {"bridge":"vmbr0","mac":"BC:24:11:00:00:02","mod… -> not set
  held (needs_signature): delete net0 of qemu/201: net0 would lose the hardware address, and the address lease with it
     to go on: `felhom-agent op draft config --vmid 201 --delete net0`, then have it signed
  not managed of it: boot, kvm, memory_mb, name, scsi0
not managed, not touched: lxc/101 (db, running), lxc/102 (ct102, stopped), lxc/103 (ct103, stopped), lxc/104 (ct104, stopped), lxc/105 (ct105, running), lxc/106 (ct106, stopped), lxc/107 (ct107, stopped), qemu/200 (vm1, running)
generation 1: 0 to change, 2 held, 0 that cannot be planned, 0 in order, 0 refused
== calls
none
== status
Ready false (ResourcesHeld)
Stalled true (ResourcesHeld)
ct100: held
  hold needs_signature: set net0=bridge=vmbr0,ip=dhcp,name=eth0,type=veth,hwaddr=BC:24:11:00:00:07 of lxc/100: net0 would lose the hardware address, and the address lease with it
  to go on: `felhom-agent op draft config --vmid 100 --put net0=bridge=vmbr0,ip=dhcp,name=eth0,type=veth,hwaddr=BC:24:11:00:00:07`, then have it signed
  drift net0: {"mac":"BC:24:11:00:00:07"} wanted, {"mac":"BC:24:11:00:00:01"} there
vm201: held
  hold needs_signature: delete net0 of qemu/201: net0 would lose the hardware address, and the address lease with it
  to go on: `felhom-agent op draft config --vmid 201 --delete net0`, then have it signed
  drift net0: "absent" wanted, {"bridge":"vmbr0","mac":"BC:24:11:00:00:02","model":"virtio"} there
