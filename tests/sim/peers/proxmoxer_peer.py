"""The public Python client proxmoxer against the simulated node, over TLS with a token.

It is not ours and was written against real nodes: what it makes of the answers is a second opinion on the simulator.
Prints what it saw, one line a check; exits 1 if anything was not as on a real node.

usage: proxmoxer_peer.py READY.json      (the line the simulated node prints when it is ready)
"""

import json
import sys
from urllib.parse import urlsplit

from proxmoxer import AuthenticationError, ProxmoxAPI, ResourceException
from proxmoxer.tools import Tasks

failed = 0


def check(what, found, expected):
    """Says whether a value is the expected one, and counts if not."""
    global failed
    if found == expected:
        print(f"ok    {what}: {found!r}")
    else:
        failed += 1
        print(f"WRONG {what}: {found!r}, expected {expected!r}")


def refusal(what, status, text, call, errors=None):
    """The call is refused with this status, reason and, for bad parameters, these errors."""
    try:
        found = call()
    except ResourceException as err:
        # `content` is the reason phrase, where a real node has its text.
        check(what, (err.status_code, err.content, err.errors), (status, text, errors))
    else:
        check(what, found, f"{status} {text}")


def task(proxmox, what, upid, kind, vmid, exit_text="OK"):
    """Waits for a task with the client's own tools; gives its log."""
    parts = Tasks.decode_upid(upid)
    check(f"{what}: UPID", (parts["node"], parts["type"], parts["id"], parts["user"]), ("pve", kind, vmid, "root@pam"))
    status = Tasks.blocking_status(proxmox, upid, timeout=60, polling_interval=0.05)
    check(f"{what}: end", status and status["exitstatus"], exit_text)
    return Tasks.decode_log(proxmox.nodes("pve").tasks(upid).log.get(limit=0))


def connect(ready, name, secret):
    user, token = name.split("!")
    url = urlsplit(ready["url"])
    return ProxmoxAPI(url.hostname, port=url.port, user=user, token_name=token, token_value=secret,
                      verify_ssl=ready["ca"], timeout=30)


def lists(proxmox):
    check("version", proxmox.version.get()["release"], "9.2")
    check("nodes", [(row["node"], row["status"]) for row in proxmox.nodes.get()], [("pve", "online")])
    guests = {row["vmid"]: (row["name"], row["status"]) for row in proxmox.nodes("pve").lxc.get()}
    check("containers", sorted(guests), list(range(100, 108)))
    check("container 100", guests[100], ("web", "stopped"))
    check("container 101", guests[101], ("db", "running"))
    check("machines", sorted(row["vmid"] for row in proxmox.nodes("pve").qemu.get()), [200, 201])
    rows = proxmox.cluster.resources.get(type="vm")
    check("resources", sorted(row["id"] for row in rows)[:2], ["lxc/100", "lxc/101"])
    check("next id", proxmox.cluster.nextid.get(), "108")


def config(proxmox):
    guest = proxmox.nodes("pve").lxc(100)
    before = guest.config.get()
    check("memory", before["memory"], 128)
    check("put", guest.config.put(memory=256, description="seen by a peer: 100%\nGrüße", tags="b;A,b",
                                  digest=before["digest"]), None)
    after = guest.config.get()
    check("read back", (after["memory"], after["description"], after["tags"]),
          (256, "seen by a peer: 100%\nGrüße\n", "a;b"))
    refusal("an old digest", 500, "detected modified configuration - file changed by other user? Try again.",
            lambda: guest.config.put(memory=128, digest=before["digest"]))
    refusal("two bad parameters", 400, "Parameter verification failed.",
            lambda: guest.config.put(memory="abc", nosuch=1),
            {"memory": "type check ('integer') failed - got 'abc'",
             "nosuch": "property is not defined in schema and the schema does not allow additional properties"})
    check("delete", guest.config.put(delete="tags"), None)
    check("deleted", "tags" in guest.config.get(), False)
    refusal("a missing guest", 500, "Configuration file 'nodes/pve/lxc/999.conf' does not exist",
            proxmox.nodes("pve").lxc(999).config.get)
    machine = proxmox.nodes("pve").qemu(200)
    task(proxmox, "a machine's options", machine.config.post(description="asynchronous"), "qmconfig", "200")
    check("a machine's memory is text", machine.config.get()["memory"], "64")


def power(proxmox):
    guest = proxmox.nodes("pve").lxc(100)
    task(proxmox, "start", guest.status.start.post(), "vzstart", "100")
    check("running", guest.status.current.get()["status"], "running")
    refusal("start again", 500, "CT 100 already running", guest.status.start.post)
    log = task(proxmox, "shutdown of a deaf one", proxmox.nodes("pve").lxc(105).status.shutdown.post(timeout=4),
               "vzshutdown", "105", "container did not stop")
    check("its log ends", log.splitlines()[-1], "TASK ERROR: container did not stop")
    task(proxmox, "stop", guest.status.stop.post(), "vzstop", "100")
    task(proxmox, "start of a missing one", proxmox.nodes("pve").lxc(999).status.start.post(), "vzstart", "999",
         "Configuration file 'nodes/pve/lxc/999.conf' does not exist")


def snapshots(proxmox):
    snapshots = proxmox.nodes("pve").lxc(101).snapshot
    task(proxmox, "snapshot", snapshots.post(snapname="peer", description="two\nlines"), "vzsnapshot", "101")
    rows = {row["name"]: row for row in snapshots.get()}
    check("snapshots", sorted(rows), ["current", "peer", "s1"])
    check("of which", (rows["peer"]["description"], rows["current"]["parent"]), ("two\nlines\n", "peer"))
    task(proxmox, "the same name", snapshots.post(snapname="peer"), "vzsnapshot", "101",
         "snapshot name 'peer' already used")
    task(proxmox, "delete it", snapshots("peer").delete(), "vzdelsnapshot", "101")
    check("it is gone", sorted(row["name"] for row in snapshots.get()), ["current", "s1"])
    task(proxmox, "none on a raw file", proxmox.nodes("pve").lxc(100).snapshot.post(snapname="peer"), "vzsnapshot",
         "100", "snapshot feature is not available")


def backups(proxmox):
    node = proxmox.nodes("pve")
    log = task(proxmox, "backup", node.vzdump.post(vmid=100, storage="store", mode="stop", compress="zstd"), "vzdump",
               "100")
    check("its log ends", log.splitlines()[-1], "TASK OK")
    volumes = node.storage("store").content.get(content="backup", vmid=100)
    check("volumes", [(row["vmid"], row["subtype"], row["format"]) for row in volumes], [(100, "lxc", "tar.zst")])
    task(proxmox, "backup of a locked one", node.vzdump.post(vmid=107, storage="store", mode="stop"), "vzdump", "107",
         "job errors")
    task(proxmox, "delete the volume", node.storage("store").content(volumes[0]["volid"]).delete(), "imgdel",
         "100@store")
    check("it is gone", node.storage("store").content.get(content="backup", vmid=100), [])


def rights(ready):
    limited = connect(ready, "agent@pve!sep", "44444444-4444-4444-8444-444444444444")
    check("a limited token's list", [row["vmid"] for row in limited.nodes("pve").lxc.get()], [101])
    refusal("and no more", 403, "Permission check failed (/vms/100, VM.Audit)", limited.nodes("pve").lxc(100).config.get)
    try:
        connect(ready, "root@pam!agent", "11111111-1111-4111-8111-111111111112").version.get()
    except (AuthenticationError, ResourceException) as err:
        check("a wrong secret", getattr(err, "status_code", 401), 401)
    else:
        check("a wrong secret", "let in", "401")


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        ready = json.loads(file.readline())
    proxmox = connect(ready, ready["token_id"], ready["token_secret"])
    for part in (lists, config, power, snapshots, backups):
        part(proxmox)
    rights(ready)
    print(f"peers: {failed} of the answers were not as a real node gives them" if failed else "peers: all as on a real node")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
