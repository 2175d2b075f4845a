What a VM gets by cloud-init: user, keys and addresses, each as Proxmox writes it.
== node
set 201 ipconfig0=gw=10.0.0.1,ip=10.0.0.2/24
== manifest
[
  {"id": "vm201", "kind": "vm_guest", "spec": {"vmid": 201, "cloud_init": {"user": "me", "ssh_keys": ["ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABgQ me@home"],
    "ip": [{"key": "ipconfig0", "ip": "dhcp", "gw": "absent"}, {"key": "ipconfig1", "ip": "10.0.1.2/24"}]}}}
]
== plan
qemu/201 vm201  stopped  1 step
    cloud_init.user not set -> "me"
    cloud_init.ssh_keys [] -> ["ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABgQ me@home…
    ipconfig0    {"gw":"10.0.0.1","ip":"10.0.0.2/24"} -> {"gw":"absent","ip":"dhcp"}
    ipconfig1    not set -> {"ip":"10.0.1.2/24"}
  1. set ciuser=me, ipconfig0=ip=dhcp, ipconfig1=ip=10.0.1.2/24, sshkeys=ssh-rsa%20AAAAB3NzaC1yc2EAAAADAQABAAABgQ%20me%40home of qemu/201
     because cloud_init.user is not set, should be "me"; cloud_init.ssh_keys is empty, should be [ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABgQ me@home]; ipconfig0 is ip="10.0.0.2/24",gw="10.0.0.1", should be ip="dhcp",gw=not set; ipconfig1 is not set, should be ip="10.0.1.2/24"
  - whether HA manages it or a backup runs is looked at again right before each step
  not managed of it: boot, kvm, memory_mb, name, scsi0
not managed, not touched: lxc/100 (web, stopped), lxc/101 (db, running), lxc/102 (ct102, stopped), lxc/103 (ct103, stopped), lxc/104 (ct104, stopped), lxc/105 (ct105, running), lxc/106 (ct106, stopped), lxc/107 (ct107, stopped), qemu/200 (vm1, running)
generation 1: 1 to change, 0 held, 0 that cannot be planned, 0 in order, 0 refused
== calls
POST /nodes/pve/qemu/201/config ciuser=me digest=… ipconfig0=ip=dhcp ipconfig1=ip=10.0.1.2/24 sshkeys=ssh-rsa%20AAAAB3NzaC1yc2EAAAADAQABAAABgQ%20me%40home
== status
Ready true (AllReady)
vm201: ready
  last: set ciuser=me, ipconfig0=ip=dhcp, ipconfig1=ip=10.0.1.2/24, sshkeys=ssh-rsa%20AAAAB3NzaC1yc2EAAAADAQABAAABgQ%20me%40home of qemu/201: done
