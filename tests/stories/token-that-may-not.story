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
lxc/100 ct100  stopped  2 steps
    run_state    "stopped" -> "running"
    cores        not set -> 2
  1. set cores=2 of lxc/100
     because cores is not set, should be 2
  2. start lxc/100
     because it is stopped and should run
  - whether HA manages it or a backup runs is looked at again right before each step
not managed, not touched: lxc/101 (db, running), lxc/102 (ct102, stopped), lxc/103 (ct103, stopped), lxc/104 (ct104, stopped), lxc/105 (ct105, running), lxc/106 (ct106, stopped), lxc/107 (ct107, stopped), qemu/200 (vm1, running), qemu/201 (vm2, stopped)
generation 1: 1 to change, 0 held, 0 that cannot be planned, 0 in order, 0 refused
== calls
PUT /nodes/pve/lxc/100/config cores=2 digest=… -> 403 Permission check failed (/vms/100, VM.Config.Disk|VM.Config.CPU|VM.Config.Memory|VM.Config.Network|VM.Config.Options)
== status
Ready false (ResourcesFailed)
Degraded true (ResourcesFailed)
Stalled true (ResourcesFailed)
ct100: failed
  error permission (not tried again): the token may not do this: it lacks VM.Config.Disk or VM.Config.CPU or VM.Config.Memory or VM.Config.Network or VM.Config.Options on /vms/100
  drift run_state: "running" wanted, "stopped" there
  drift cores: 2 wanted, "absent" there
  last: set cores=2 of lxc/100: failed
