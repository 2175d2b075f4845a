A node that does not answer: nothing is known, and nothing is said of it; then all is done.
== node
down
== manifest
[
  {"id": "ct100", "kind": "lxc_guest", "spec": {"vmid": 100, "run_state": "running"}}
]
== plan
felhom-agent: GET /cluster/status was not sent: cannot reach $NODE: the connection was not made: connection refused
see whether the address is right and pveproxy runs (systemctl status pveproxy)
exit 75
== calls
none
== status
Ready unknown (ProxmoxUnreachable)
Reconciling true (InProgress)
Degraded true (ProxmoxUnreachable)
ct100: failed
  error unreadable (tried again): its configuration could not be read: not read: the node did not answer before
== node
up
== calls
POST /nodes/pve/lxc/100/status/start
== status
Ready true (AllReady)
ct100: ready
  last: start lxc/100: done
