Where only the report of drift is wanted nothing is written.
== manifest
[
  {"id": "ct100", "kind": "lxc_guest", "drift": "report", "spec": {"vmid": 100, "cores": 2, "memory_mb": 256}}
]
== plan
lxc/100 ct100  stopped  differs, reported only
    cores        not set -> 2
    memory_mb    128 -> 256
  - cores, memory_mb: not corrected, because drift is only to be reported
  not managed of it: arch, name, os_type, rootfs, swap_mb
not managed, not touched: lxc/101 (db, running), lxc/102 (ct102, stopped), lxc/103 (ct103, stopped), lxc/104 (ct104, stopped), lxc/105 (ct105, running), lxc/106 (ct106, stopped), lxc/107 (ct107, stopped), qemu/200 (vm1, running), qemu/201 (vm2, stopped)
generation 1: 0 to change, 0 held, 0 that cannot be planned, 1 in order, 0 refused
== calls
none
== status
Ready true (AllReady)
ct100: ready
  drift cores: 2 wanted, "absent" there
  drift memory_mb: 256 wanted, 128 there
  warnings: cores, memory_mb: not corrected, because drift is only to be reported
