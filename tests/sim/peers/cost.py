"""Runs each client once, as a process, and prints what its look at the node cost.

usage: cost.py PLACE AGENT GUESTS      (PLACE has the ready.json of the simulated node)
"""

import json
import os
import sys
import time
import urllib.request
from urllib.parse import urlsplit

PROXMOXER = """
import sys
from proxmoxer import ProxmoxAPI
host, port, ca, user, token, secret = sys.argv[1:]
node = ProxmoxAPI(host, port=port, user=user, token_name=token, token_value=secret, verify_ssl=ca, timeout=60).nodes("pve")
rows = [("lxc", row["vmid"]) for row in node.lxc.get()] + [("qemu", row["vmid"]) for row in node.qemu.get()]
assert all(node(kind)(vmid).pending.get() for kind, vmid in rows)
"""


def calls(ready, method):
    request = urllib.request.Request(ready["admin_url"] + "/calls", method=method)
    with urllib.request.urlopen(request) as answer:
        return answer.read()


def run(ready, command, environment):
    """Wall and CPU in seconds, peak memory in MB, calls; of the process and whatever it started."""
    calls(ready, "DELETE")
    start = time.monotonic()
    child = os.fork()
    if child == 0:
        null = os.open(os.devnull, os.O_RDWR)
        os.dup2(null, 1)
        os.execvpe(command[0], command, environment)
    _, status, usage = os.wait4(child, 0)
    wall = time.monotonic() - start
    if os.waitstatus_to_exitcode(status) != 0:
        return None
    seen = json.loads(calls(ready, "GET"))
    return wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, len(seen)


def agent(place, ready, binary, guests):
    resources = [{"id": f"guest-{vmid}", "kind": "lxc_guest",
                  "spec": {"vmid": vmid, "run_state": "stopped" if vmid % 2 else "running", "cores": 1,
                           "memory_mb": 256, "tags": ["bench"]}} for vmid in range(100, 100 + guests)]
    desired = {"api_version": "felhom/v1", "host_id": "bench", "generation": 1, "resources": resources}
    config = {"hub": {"host_id": "bench", "url": "http://127.0.0.1:9", "api_key": "none"},
              "proxmox": {"url": ready["url"], "token_id": ready["token_id"], "token_secret": ready["token_secret"],
                          "node": "pve", "pin_sha256": ready["pin_sha256"]},
              "desired": {"source": "file", "file": os.path.join(place, "desired.json")}}
    for name, document in (("desired.json", desired), ("agent.json", config)):
        with open(os.open(os.path.join(place, name), os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="utf-8") as file:
            json.dump(document, file)
    # Ends with 3 if anything differed.
    return [binary, "--config", os.path.join(place, "agent.json"), "plan", "--json", "--exit-code"]


def main():
    place, binary, guests = sys.argv[1], sys.argv[2], int(sys.argv[3])
    with open(os.path.join(place, "ready.json"), encoding="utf-8") as file:
        ready = json.loads(file.readline())
    url = urlsplit(ready["url"])
    user, token = ready["token_id"].split("!")
    python = [sys.executable, "-c", PROXMOXER, url.hostname, str(url.port), ready["ca"], user, token, ready["token_secret"]]
    folder = os.path.dirname(sys.executable)
    arguments = {"api_host": url.hostname, "api_port": url.port, "api_user": user, "api_token_id": token,
                 "api_token_secret": ready["token_secret"], "validate_certs": True, "node": "pve", "type": "all",
                 "config": "current"}
    ansible = [os.path.join(folder, "ansible"), "localhost", "-c", "local", "-m", "community.proxmox.proxmox_vm_info",
               "-e", f"ansible_python_interpreter={sys.executable}", "-a", json.dumps(arguments)]
    environment = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": os.path.join(os.path.dirname(folder), "collections"),
                   "REQUESTS_CA_BUNDLE": ready["ca"], "HOME": place,
                   "ANSIBLE_LOCALHOST_WARNING": "False", "ANSIBLE_INVENTORY_UNPARSED_WARNING": "False"}
    print(f"one look at {guests} guests in order, as a process of its own, against one simulated node:")
    ours = None
    for name, command in (("felhom-agent", agent(place, ready, binary, guests)), ("proxmoxer", python),
                          ("ansible community.proxmox", ansible)):
        cost = run(ready, command, environment)
        if cost is None:
            print(f"  {name}: not measured, it failed")
            continue
        ours = ours or cost
        wall, cpu, memory, count = cost
        ratio = "" if cost is ours else \
            f"; {wall / ours[0]:.1f} times our wall, {cpu / ours[1]:.1f} times our CPU, {memory / ours[2]:.1f} times our memory"
        print(f"  {name}: {count} calls, {wall * 1e3:.0f} ms wall, {cpu * 1e3:.0f} ms CPU, {memory:.1f} MB{ratio}")


if __name__ == "__main__":
    main()
