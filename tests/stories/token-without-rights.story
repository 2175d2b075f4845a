To a token that sees nothing no guest is gone.
== node
allow Nothing Sys.Audit /nodes
== agent
config proxmox.token_id "felhom@pve!agent"
config proxmox.token_secret_file "$DIR/narrow"
== manifest
[
  {"id": "ct100", "kind": "lxc_guest", "spec": {"vmid": 100, "cores": 2}},
  {"id": "ct998", "kind": "lxc_guest", "spec": {"vmid": 998, "run_state": "running"}}
]
== plan
lxc/100 ct100  unknown  cannot be planned
  ! guest_not_visible: lxc/100 is not in the node's list, which proves nothing: a token without VM.Audit on /vms/100 sees the same list (the token may not do this: it lacks VM.Audit on /vms/100)
lxc/998 ct998  unknown  cannot be planned
  ! guest_not_visible: lxc/998 is not in the node's list, which proves nothing: a token without VM.Audit on /vms/998 sees the same list (the token may not do this: it lacks VM.Audit on /vms/998)
generation 1: 0 to change, 0 held, 2 that cannot be planned, 0 in order, 0 refused
== calls
none
== status
Ready false (ResourcesFailed)
Reconciling true (InProgress)
Degraded true (ResourcesFailed)
ct100: failed
  error guest_not_visible (tried again): lxc/100 is not in the node's list, which proves nothing: a token without VM.Audit on /vms/100 sees the same list (the token may not do this: it lacks VM.Audit on /vms/100)
ct998: failed
  error guest_not_visible (tried again): lxc/998 is not in the node's list, which proves nothing: a token without VM.Audit on /vms/998 sees the same list (the token may not do this: it lacks VM.Audit on /vms/998)
