Killed while a start is under way: its task is found again, and nothing is started twice.
== node
hangs vzstart
== manifest
[
  {"id": "ct100", "kind": "lxc_guest", "spec": {"vmid": 100, "run_state": "running"}}
]
== meanwhile
called GET /nodes/pve/tasks/UPID
crash
start
says a task of ours is under way
mend
