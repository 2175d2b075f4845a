A list that comes empty proves nothing.
== node
empty-lists
== manifest
[
  {"id": "ct100", "kind": "lxc_guest", "spec": {"vmid": 100, "cores": 2}}
]
== plan
lxc/100 ct100  unknown  cannot be planned
  ! guest_not_visible: lxc/100 is not in the node's list, which proves nothing: a token without VM.Audit on /vms/100 sees the same list (its configuration can be read, but the guest list does not have it)
generation 1: 0 to change, 0 held, 1 that cannot be planned, 0 in order, 0 refused
== calls
none
== status
Ready false (ResourcesFailed)
Reconciling true (InProgress)
Degraded true (ResourcesFailed)
ct100: failed
  error guest_not_visible (tried again): lxc/100 is not in the node's list, which proves nothing: a token without VM.Audit on /vms/100 sees the same list (its configuration can be read, but the guest list does not have it)
