What a running guest does not take at once is pending until somebody restarts it; nobody does that by himself.
== manifest
[
  {"id": "vm200", "kind": "vm_guest", "spec": {"vmid": 200, "memory_mb": 128, "cores": 2}}
]
== plan
qemu/200 vm200  running  1 step
    cores        1 -> 2
    memory_mb    64 -> 128
  1. set cores=2, memory=128 of qemu/200
     because cores is 1, should be 2 (a running guest takes it at its next start); memory_mb is 64, should be 128 (a running guest takes it at its next start)
  - whether HA manages it or a backup runs is looked at again right before each step
  not managed of it: boot, kvm, name, scsi0, scsihw
not managed, not touched: lxc/100 (web, stopped), lxc/101 (db, running), lxc/102 (ct102, stopped), lxc/103 (ct103, stopped), lxc/104 (ct104, stopped), lxc/105 (ct105, running), lxc/106 (ct106, stopped), lxc/107 (ct107, stopped), qemu/201 (vm2, stopped)
generation 1: 1 to change, 0 held, 0 that cannot be planned, 0 in order, 0 refused
== calls
POST /nodes/pve/qemu/200/config cores=2 digest=… memory=128
== status
Ready true (AllReady)
vm200: ready
  pending_reboot: cores
  pending_reboot: memory_mb
  warnings: cores: 2 is written, 1 runs until the guest is next started
  warnings: memory_mb: 128 is written, 64 runs until the guest is next started
  last: set cores=2, memory=128 of qemu/200: done
== then
== meanwhile
run explain vm200.memory_mb
== told
$ felhom-agent explain vm200.memory_mb
vm200.memory_mb  qemu/200 on pve  pending reboot
  wanted      128
  said in     $DIR/desired.json, generation 1, resources[0].spec.memory_mb
  now         64 (memory: 64)
  next start  128 (memory: 128)
  read by     GET /nodes/pve/qemu/200/pending
  rule        a whole number from 16 to 67108864; current=4096 and 4096 are the same
              while it is not there, it is 512
              a running guest takes it at its next start
              to write it a token needs VM.Config.Memory on /vms/200
  not done    (restart_never) it is written and holds from the next start on; only a guest that should run is restarted for it
              to go on: restart it by hand, or say "restart": "window" or "allowed" in the resource
  looked at   TIME, N s ago
== calls
none
== status
Ready true (AllReady)
vm200: ready
  pending_reboot: cores
  pending_reboot: memory_mb
  warnings: cores: 2 is written, 1 runs until the guest is next started
  warnings: memory_mb: 128 is written, 64 runs until the guest is next started
  last: set cores=2, memory=128 of qemu/200: done
