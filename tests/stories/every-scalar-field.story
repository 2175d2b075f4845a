Each field is written by its own name, in one call.
== manifest
[
  {"id": "ct100", "kind": "lxc_guest", "spec": {"vmid": 100, "name": "front", "description": "the web server\n", "tags": ["Prod", "web"], "cores": 2, "memory_mb": 256, "swap_mb": 128, "on_boot": true, "startup": {"order": 1, "up_s": 30, "down_s": 60}, "protection": true}}
]
== plan
lxc/100 ct100  stopped  1 step
    name         "web" -> "front"
    description  not set -> "the web server"
    tags         [] -> ["prod","web"]
    cores        not set -> 2
    memory_mb    128 -> 256
    swap_mb      512 -> 128
    on_boot      false -> true
    startup      not set -> {"down_s":60,"order":1,"up_s":30}
    protection   false -> true
  1. set cores=2, description, hostname=front, memory=256, onboot=1, protection=1, startup=order=1,up=30,down=60, swap=128, tags=prod;web of lxc/100
     because name is "web", should be "front"; description is not set, should be "the web server"; tags is empty, should be [prod web]; cores is not set, should be 2; memory_mb is 128, should be 256; swap_mb is 512, should be 128; on_boot is false, should be true; startup is not set, should be order=1,up=30,down=60; protection is false, should be true
  - whether HA manages it or a backup runs is looked at again right before each step
  not managed of it: arch, os_type, rootfs
not managed, not touched: lxc/101 (db, running), lxc/102 (ct102, stopped), lxc/103 (ct103, stopped), lxc/104 (ct104, stopped), lxc/105 (ct105, running), lxc/106 (ct106, stopped), lxc/107 (ct107, stopped), qemu/200 (vm1, running), qemu/201 (vm2, stopped)
generation 1: 1 to change, 0 held, 0 that cannot be planned, 0 in order, 0 refused
== calls
PUT /nodes/pve/lxc/100/config cores=2 description=the web server digest=… hostname=front memory=256 onboot=1 protection=1 startup=order=1,up=30,down=60 swap=128 tags=prod;web
== status
Ready true (AllReady)
ct100: ready
  last: set cores=2, description, hostname=front, memory=256, onboot=1, protection=1, startup=order=1,up=30,down=60, swap=128, tags=prod;web of lxc/100: done
