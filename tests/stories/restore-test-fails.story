A machine that boots and whose guest agent does not answer has not been proven; it is destroyed all the same.
== node
qemu 210 agent: 1\ncores: 1\nmemory: 64\nname: shop\nnet0: virtio=BC:24:11:00:00:D2,bridge=vmbr0\nscsi0: store:210/vm-210-disk-0.raw,size=1G\nsmbios1: uuid=ee71460a-e6fd-4bbe-95a4-b5a27f46d510\n
backup store 210 1
silent-agents
== manifest
[
  {"id": "vm210", "kind": "vm_guest", "restore_test": {"up_s": 1, "guest_agent": true}, "spec": {"vmid": 210}}
]
== meanwhile
says (qemu/210) is in order
run restore-test 210
run backups
== plan
qemu/210 vm210  stopped  in order
  - run state as it should be
  not managed of it: agent, cores, memory_mb, name, net0, scsi0
not managed, not touched: lxc/100 (web, stopped), lxc/101 (db, running), lxc/102 (ct102, stopped), lxc/103 (ct103, stopped), lxc/104 (ct104, stopped), lxc/105 (ct105, running), lxc/106 (ct106, stopped), lxc/107 (ct107, stopped), qemu/200 (vm1, running), qemu/201 (vm2, stopped)
generation 1: 0 to change, 0 held, 0 that cannot be planned, 1 in order, 0 refused
== told
$ felhom-agent restore-test 210
restore test of 210: failed
  code:     guest_agent
  message:  POST /nodes/pve/qemu/990000/agent/ping: Proxmox answered 500: QEMU guest agent is not running
  volume:   store:backup/vzdump-qemu-210-N.vma.zst
  size:     734003200 bytes
  holds:    scsi0
  check:    ok restored
  check:    ok isolated
  check:    ok boots
  check:    ok stays_up 1 s
  check:    NO guest_agent POST /nodes/pve/qemu/990000/agent/ping: Proxmox answered 500: QEMU guest agent is not running
  check:    ok cleaned
  seconds:  N
exit 1
$ felhom-agent backups
    GUEST  NAME             BACKUP       AGE      SIZE  HOLDS                    LAST RESTORE TEST
      100  web              missing        -         -                           never
      101  db               missing        -         -                           never
      102  ct102            missing        -         -                           never
      103  ct103            missing        -         -                           never
      105  ct105            missing        -         -                           never
      106  ct106            missing        -         -                           never
      107  ct107            missing        -         -                           never
      200  vm1              missing        -         -                           never
      201  vm2              missing        -         -                           never
      210  shop             unproven     1 h   700 MiB  scsi0                    failed TIME
exit 1
== calls
POST /nodes/pve/qemu archive=store:backup/vzdump-qemu-210-N.vma.zst description=felhom-incarnation: … force=0 net0=virtio,bridge=vmbr0,link_down=1 onboot=0 protection=0 storage=store unique=1 vmid=990000
POST /nodes/pve/qemu/990000/status/start
POST /nodes/pve/qemu/990000/agent/ping -> 500 QEMU guest agent is not running
POST /nodes/pve/qemu/990000/status/stop
DELETE /nodes/pve/qemu/990000 destroy-unreferenced-disks=0
== status
Ready true (AllReady)
vm210: ready
