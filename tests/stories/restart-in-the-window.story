In the maintenance window a VM is restarted for what waits.
== node
run 201
== agent
config agent.maintenance_window "daily 00:00-24:00"
== manifest
[
  {"id": "vm201", "kind": "vm_guest", "restart": "window", "spec": {"vmid": 201, "run_state": "running", "cores": 2}}
]
== plan
qemu/201 vm201  running  1 step
    cores        1 -> 2
  1. set cores=2 of qemu/201
     because cores is 1, should be 2 (a running guest takes it at its next start)
  - whether HA manages it or a backup runs is looked at again right before each step
  not managed of it: boot, kvm, memory_mb, name, scsi0
not managed, not touched: lxc/100 (web, stopped), lxc/101 (db, running), lxc/102 (ct102, stopped), lxc/103 (ct103, stopped), lxc/104 (ct104, stopped), lxc/105 (ct105, running), lxc/106 (ct106, stopped), lxc/107 (ct107, stopped), qemu/200 (vm1, running)
generation 1: 1 to change, 0 held, 0 that cannot be planned, 0 in order, 0 refused
== calls
POST /nodes/pve/qemu/201/config cores=2 digest=…
POST /nodes/pve/qemu/201/status/reboot timeout=180
== status
Ready true (AllReady)
vm201: ready
  last: reboot qemu/201, which may take 180 s to shut down: done
