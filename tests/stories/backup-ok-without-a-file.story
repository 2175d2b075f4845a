The task says OK and there is no file: a failure.
== node
lxc 110 arch: amd64\nhostname: shop\nmemory: 128\nnet0: name=eth0,bridge=vmbr0,hwaddr=BC:24:11:00:00:6E,ip=dhcp,type=veth\nostype: debian\nrootfs: store:110/vm-110-disk-0.raw,size=1G\nswap: 0\n
leaves-nothing
== manifest
[
  {"id": "ct110", "kind": "lxc_guest", "backup": {"storage": "store"}, "spec": {"vmid": 110}}
]
== meanwhile
says (lxc/110) is in order
run backup 110
== plan
lxc/110 ct110  stopped  in order
  - run state as it should be
  not managed of it: arch, memory_mb, name, net0, os_type, rootfs, swap_mb
not managed, not touched: lxc/100 (web, stopped), lxc/101 (db, running), lxc/102 (ct102, stopped), lxc/103 (ct103, stopped), lxc/104 (ct104, stopped), lxc/105 (ct105, running), lxc/106 (ct106, stopped), lxc/107 (ct107, stopped), qemu/200 (vm1, running), qemu/201 (vm2, stopped)
generation 1: 0 to change, 0 held, 0 that cannot be planned, 1 in order, 0 refused
== told
$ felhom-agent backup 110
backup of 110: failed
  code:     backup_missing
  message:  Proxmox says it is done, and storage store has no new backup of lxc/110
  seconds:  N
exit 1
== calls
POST /nodes/pve/vzdump lockwait=60 mode=snapshot remove=0 storage=store vmid=110
== status
Ready true (AllReady)
ct110: ready
