A token that sees and may not write.
== node
allow Audit VM.Audit,Sys.Audit,Datastore.Audit /
== agent
config proxmox.token_id "felhom@pve!agent"
config proxmox.token_secret_file "$DIR/narrow"
== manifest
[
  {"id": "ct100", "kind": "lxc_guest", "spec": {"vmid": 100, "cores": 2, "run_state": "running"}}
]
== plan
lxc/100 ct100  stopped  held
    run_state    "stopped" -> "running"
    cores        not set -> 2
  held (permission): felhom@pve!agent lacks VM.Config.CPU on /vms/100, VM.PowerMgmt on /vms/100 for what is to be done to lxc/100; nothing of it is begun
     to go on: pveum role add Felhom-vms-100 --privs "Datastore.Audit Sys.Audit VM.Audit VM.Config.CPU VM.PowerMgmt" || pveum role modify Felhom-vms-100 --privs "Datastore.Audit Sys.Audit VM.Audit VM.Config.CPU VM.PowerMgmt"; pveum acl modify /vms/100 --users 'felhom@pve' --tokens 'felhom@pve!agent' --roles Felhom-vms-100
  - whether HA manages it or a backup runs is looked at again right before each step
  not managed of it: arch, memory_mb, name, os_type, rootfs, swap_mb
not managed, not touched: lxc/101 (db, running), lxc/102 (ct102, stopped), lxc/103 (ct103, stopped), lxc/104 (ct104, stopped), lxc/105 (ct105, running), lxc/106 (ct106, stopped), lxc/107 (ct107, stopped), qemu/200 (vm1, running), qemu/201 (vm2, stopped)
generation 1: 0 to change, 1 held, 0 that cannot be planned, 0 in order, 0 refused
== calls
none
== status
Ready false (ResourcesHeld)
Stalled true (ResourcesHeld)
ct100: held
  hold permission: felhom@pve!agent lacks VM.Config.CPU on /vms/100, VM.PowerMgmt on /vms/100 for what is to be done to lxc/100; nothing of it is begun
  to go on: pveum role add Felhom-vms-100 --privs "Datastore.Audit Sys.Audit VM.Audit VM.Config.CPU VM.PowerMgmt" || pveum role modify Felhom-vms-100 --privs "Datastore.Audit Sys.Audit VM.Audit VM.Config.CPU VM.PowerMgmt"; pveum acl modify /vms/100 --users 'felhom@pve' --tokens 'felhom@pve!agent' --roles Felhom-vms-100
  drift run_state: "running" wanted, "stopped" there
  drift cores: 2 wanted, "absent" there
