What somebody left pending and is wanted is not written again.
== node
append 200 \n[PENDING]\nmemory: 128\n
== manifest
[
  {"id": "vm200", "kind": "vm_guest", "spec": {"vmid": 200, "memory_mb": 128}}
]
== plan
qemu/200 vm200  running  in order
    memory_mb    128 wanted, 64 running, 128 pending (next start)
  - memory_mb: 128 is written, 64 runs until the guest is next started
  - the one managed field is as it should be
  not managed of it: boot, kvm, name, scsi0, scsihw
not managed, not touched: lxc/100 (web, stopped), lxc/101 (db, running), lxc/102 (ct102, stopped), lxc/103 (ct103, stopped), lxc/104 (ct104, stopped), lxc/105 (ct105, running), lxc/106 (ct106, stopped), lxc/107 (ct107, stopped), qemu/201 (vm2, stopped)
generation 1: 0 to change, 0 held, 0 that cannot be planned, 1 in order, 0 refused
== calls
none
== status
Ready true (AllReady)
vm200: ready
  pending_reboot: memory_mb
  warnings: memory_mb: 128 is written, 64 runs until the guest is next started
