A container under the lock "backup" is held; when it is gone the work is done.
== node
lock 100 backup
== manifest
[
  {"id": "ct100", "kind": "lxc_guest", "spec": {"vmid": 100, "run_state": "running", "cores": 2}}
]
== plan
lxc/100 ct100  stopped  held
    cores        not set -> 2
  held (lock): lxc/100 has the lock "backup": a backup works on it, or was killed while it did
     to go on: wait until the backup has ended; if no task works on it any more, `pct unlock 100` as root on the node
  not managed of it: arch, memory_mb, name, os_type, rootfs, swap_mb
not managed, not touched: lxc/101 (db, running), lxc/102 (ct102, stopped), lxc/103 (ct103, stopped), lxc/104 (ct104, stopped), lxc/105 (ct105, running), lxc/106 (ct106, stopped), lxc/107 (ct107, stopped), qemu/200 (vm1, running), qemu/201 (vm2, stopped)
generation 1: 0 to change, 1 held, 0 that cannot be planned, 0 in order, 0 refused
== calls
none
== status
Ready false (ResourcesHeld)
Stalled true (ResourcesHeld)
ct100: held
  hold lock: lxc/100 has the lock "backup": a backup works on it, or was killed while it did
  to go on: wait until the backup has ended; if no task works on it any more, `pct unlock 100` as root on the node
  drift cores: 2 wanted, "absent" there
== then
== meanwhile
run explain ct100.cores
== told
$ felhom-agent explain ct100.cores
ct100.cores  lxc/100 on pve  differs
  wanted      2
  said in     $DIR/desired.json, generation 1, resources[0].spec.cores
  now         not set (no key cores)
  read by     GET /nodes/pve/lxc/100/pending
  rule        a whole number from 1 to 8192
              without it the guest has all cores of the node, which no number says
              "absent" deletes the key
              a running guest takes it at once
              to write it a token needs VM.Config.CPU on /vms/100
  not done    (lock) lxc/100 has the lock "backup": a backup works on it, or was killed while it did
              to go on: wait until the backup has ended; if no task works on it any more, `pct unlock 100` as root on the node
  looked at   TIME, N s ago
== calls
none
== status
Ready false (ResourcesHeld)
Stalled true (ResourcesHeld)
ct100: held
  hold lock: lxc/100 has the lock "backup": a backup works on it, or was killed while it did
  to go on: wait until the backup has ended; if no task works on it any more, `pct unlock 100` as root on the node
  drift cores: 2 wanted, "absent" there
== node
lock 100
== calls
PUT /nodes/pve/lxc/100/config cores=2 digest=…
POST /nodes/pve/lxc/100/status/start
== status
Ready true (AllReady)
ct100: ready
  last: start lxc/100: done
