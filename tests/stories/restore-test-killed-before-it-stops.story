Killed while the restored guest is to be stopped: it is stopped and destroyed by whoever comes next.
== node
lxc 110 arch: amd64\nhostname: shop\nmemory: 128\nnet0: name=eth0,bridge=vmbr0,hwaddr=BC:24:11:00:00:6E,ip=dhcp,type=veth\nostype: debian\nrootfs: store:110/vm-110-disk-0.raw,size=1G\nswap: 0\n
backup store 110 1
fault {"method":"POST","path":"/lxc/990000/status/stop","count":1,"action":"hold_work"}
== manifest
[
  {"id": "ct110", "kind": "lxc_guest", "restore_test": {"up_s": 1}, "spec": {"vmid": 110}}
]
== meanwhile
says (lxc/110) is in order
ask /v1/restore-test/110
called POST /nodes/pve/lxc/990000/status/stop
crash
answer
answered POST /nodes/pve/lxc/990000/status/stop
start
gone 990000
== plan
lxc/110 ct110  stopped  in order
  - run state as it should be
  not managed of it: arch, memory_mb, name, net0, os_type, rootfs, swap_mb
not managed, not touched: lxc/100 (web, stopped), lxc/101 (db, running), lxc/102 (ct102, stopped), lxc/103 (ct103, stopped), lxc/104 (ct104, stopped), lxc/105 (ct105, running), lxc/106 (ct106, stopped), lxc/107 (ct107, stopped), qemu/200 (vm1, running), qemu/201 (vm2, stopped)
generation 1: 0 to change, 0 held, 0 that cannot be planned, 1 in order, 0 refused
== calls
POST /nodes/pve/lxc description=felhom-incarnation: … force=0 net0=name=eth0,bridge=vmbr0,ip=dhcp,type=veth,link_down=1 onboot=0 ostemplate=store:backup/vzdump-lxc-110-N.tar.zst protection=0 restore=1 storage=store unique=1 vmid=990000
POST /nodes/pve/lxc/990000/status/start
POST /nodes/pve/lxc/990000/status/stop
DELETE /nodes/pve/lxc/990000 destroy-unreferenced-disks=0
== status
Ready true (AllReady)
ct110: ready
