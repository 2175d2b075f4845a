One part of a network card is written with all the others, its address among them.
== node
set 100 net0=name=eth0,bridge=vmbr0,hwaddr=BC:24:11:00:00:01,ip=dhcp,type=veth
set 201 net0=virtio=BC:24:11:00:00:02,bridge=vmbr0,firewall=1
== manifest
[
  {"id": "ct100", "kind": "lxc_guest", "spec": {"vmid": 100, "nets": [{"key": "net0", "vlan": 30}]}},
  {"id": "vm201", "kind": "vm_guest", "spec": {"vmid": 201, "nets": [{"key": "net0", "bridge": "vmbr1", "firewall": false}]}}
]
== plan
lxc/100 ct100  stopped  1 step
    net0         {} -> {"vlan":30}
  1. set net0=bridge=vmbr0,hwaddr=BC:24:11:00:00:01,ip=dhcp,name=eth0,type=veth,tag=30 of lxc/100
     because net0 is as by default, should be vlan=30
  - whether HA manages it or a backup runs is looked at again right before each step
  not managed of it: arch, memory_mb, name, os_type, rootfs, swap_mb
qemu/201 vm201  stopped  1 step
    net0         {"bridge":"vmbr0","firewall":true} -> {"bridge":"vmbr1","firewall":false}
  1. set net0=virtio=BC:24:11:00:00:02,bridge=vmbr1 of qemu/201
     because net0 is bridge="vmbr0",firewall=true, should be bridge="vmbr1",firewall=false
  - whether HA manages it or a backup runs is looked at again right before each step
  not managed of it: boot, kvm, memory_mb, name, scsi0
not managed, not touched: lxc/101 (db, running), lxc/102 (ct102, stopped), lxc/103 (ct103, stopped), lxc/104 (ct104, stopped), lxc/105 (ct105, running), lxc/106 (ct106, stopped), lxc/107 (ct107, stopped), qemu/200 (vm1, running)
generation 1: 2 to change, 0 held, 0 that cannot be planned, 0 in order, 0 refused
== calls
PUT /nodes/pve/lxc/100/config digest=… net0=bridge=vmbr0,hwaddr=BC:24:11:00:00:01,ip=dhcp,name=eth0,type=veth,tag=30
POST /nodes/pve/qemu/201/config digest=… net0=virtio=BC:24:11:00:00:02,bridge=vmbr1
== status
Ready true (AllReady)
ct100: ready
  last: set net0=bridge=vmbr0,hwaddr=BC:24:11:00:00:01,ip=dhcp,name=eth0,type=veth,tag=30 of lxc/100: done
vm201: ready
  last: set net0=virtio=BC:24:11:00:00:02,bridge=vmbr1 of qemu/201: done
