What is not understood is refused by itself, naming place, finding and what is allowed; the others proceed.
== manifest
[
  {"id": "later", "kind": "time_machine", "spec": {}},
  {"id": "ct100", "kind": "lxc_guest", "spec": {"vmid": 100, "memory_mb": "plenty"}},
  {"id": "ct101", "kind": "lxc_guest", "spec": {"vmid": 101, "colour": "red"}},
  {"id": "ct102", "kind": "lxc_guest", "spec": {"vmid": 102, "cores": 2}}
]
== plan
lxc/102 ct102  stopped  1 step
    cores        not set -> 2
  1. set cores=2 of lxc/102
     because cores is not set, should be 2
  - whether HA manages it or a backup runs is looked at again right before each step
  not managed of it: arch, memory_mb, name, os_type, rootfs, swap_mb, unprivileged
ct100  refused
  ! spec.memory_mb: found "plenty", allowed is a whole number from 16 to 67108864, or "absent"
ct101  refused
  ! spec.colour: unknown field, allowed are vmid, ensure, run_state, data_bearing, name, description, tags, cores, cpu_limit, cpu_units, memory_mb, swap_mb, on_boot, startup, protection, nameserver, search_domain, features, unprivileged, arch, os_type, cmode, tty, console, entrypoint, timezone, nets, rootfs, mounts, provision
later  refused
  ! kind: found "time_machine", allowed are "lxc_guest" and "vm_guest"
not managed, not touched: lxc/100 (web, stopped), lxc/101 (db, running), lxc/103 (ct103, stopped), lxc/104 (ct104, stopped), lxc/105 (ct105, running), lxc/106 (ct106, stopped), lxc/107 (ct107, stopped), qemu/200 (vm1, running), qemu/201 (vm2, stopped)
generation 1: 1 to change, 0 held, 0 that cannot be planned, 0 in order, 3 refused
== calls
PUT /nodes/pve/lxc/102/config cores=2 digest=…
== status
Ready false (ResourcesRefused)
Degraded true (ResourcesRefused)
Stalled true (ResourcesRefused)
ct100: invalid_spec
  error invalid_spec (not tried again): spec.memory_mb: found "plenty", allowed is a whole number from 16 to 67108864, or "absent"
ct101: invalid_spec
  error invalid_spec (not tried again): spec.colour: unknown field, allowed are vmid, ensure, run_state, data_bearing, name, description, tags, cores, cpu_limit, cpu_units, memory_mb, swap_mb, on_boot, startup, protection, nameserver, search_domain, features, unprivileged, arch, os_type, cmode, tty, console, entrypoint, timezone, nets, rootfs, mounts, provision
ct102: ready
  last: set cores=2 of lxc/102: done
later: unknown_resource
  error unknown_resource (not tried again): kind: found "time_machine", allowed are "lxc_guest" and "vm_guest"
