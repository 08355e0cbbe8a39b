"""What ./quickstart runs: the lab with tenants Red and Blue, for a person to look at, or to prove itself (--check).

                 controller
                     |  management network
      +--------------+---------------+
      h1             h2              h3          hypervisor hosts
      | 10.83.1.0/24 |               | 10.83.2.0/24
      +---- Dallas --+---- router ---+ Houston
   red-1 red-gw      red-2           red-3       10.0.0.2 ...  in Red's VM network
   blue-1            blue-2          blue-3      10.0.0.2 ...  the same addresses in Blue's
"""

import argparse
import os
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lab import Lab, LabError, run, two_tenants, wait_for  # noqa: E402

COLOUR = sys.stdout.isatty()


def paint(text: str, code: str) -> str:
    return f"\033[{code}m{text}\033[0m" if COLOUR else text


def say(text: str) -> None:
    print(f"  {paint('·', '36')} {text}", flush=True)


def build_clouds(lab: Lab) -> dict:
    say("controller starts")
    lab.start_controller()
    model = two_tenants(lab, say=say)
    learning = lab.api.find("port-classifications", "Guest dynamic IP")
    for tenant in ("red", "blue"):
        subnets = model[tenant]["subnets"]
        say(f"VMs {tenant}-1, {tenant}-2, {tenant}-3 on h1, h2, h3 and {tenant}-far in the second VM subnet")
        for number, host in enumerate(model["hosts"], 1):
            lab.add_vm(f"{tenant}-{number}", subnets[0], host)
        lab.add_vm(f"{tenant}-far", subnets[1], model["hosts"][2])
    say("VM red-learn on h2, whose address nobody tells the controller")
    lab.add_vm("red-learn", model["red"]["subnets"][0], model["hosts"][1], ip_addresses=[], classification_id=learning["id"])
    return model


class Check:
    def __init__(self) -> None:
        self.failed = 0

    def __call__(self, what: str, fn) -> None:
        start = time.monotonic()
        try:
            good, why = bool(fn()), ""
        except LabError as error:
            good, why = False, f"\n      {error}"
        word = paint("ok  ", "32") if good else paint("FAIL", "31")
        print(f"  {word} {what} ({time.monotonic() - start:.2f} s){why}", flush=True)
        self.failed += not good


def broadcast_reaches(lab: Lab) -> bool:
    """One broadcast frame from red-1 arrives at each VM of its subnet, and at nobody else."""
    receive = ("import socket,sys; s=socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(('', 9999));"
               "print('ready', flush=True); s.settimeout(float(sys.argv[1])); print(s.recvfrom(99)[0].decode(), flush=True)")
    send = ("import socket; s=socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.setsockopt(socket.SOL_SOCKET,"
            "socket.SO_BROADCAST, 1); s.sendto(b'hello', ('10.0.0.255', 9999))")
    listeners = {}
    for name, seconds in (("red-2", 5), ("red-3", 5), ("blue-2", 0.7)):
        listeners[name] = lab.vms[name].namespace.popen("/usr/bin/python3", "-c", receive, str(seconds), stdout=subprocess.PIPE,
                                                        stderr=subprocess.DEVNULL)
        listeners[name].stdout.readline()
    lab.vms["red-1"].namespace.run("/usr/bin/python3", "-c", send)
    heard = {name: "hello" in process.communicate(timeout=10)[0] for name, process in listeners.items()}
    return heard == {"red-2": True, "red-3": True, "blue-2": False}


def learns(lab: Lab) -> bool:
    vm = lab.vms["red-learn"]
    vm.namespace.run("ip", "addr", "add", "10.0.0.77/24", "dev", "eth0")
    vm.ping("10.0.0.1")
    wait_for("the lookup record of 10.0.0.77 is there", lambda: any(
        r["customer_address"] == "10.0.0.77" and r["type"] == "dynamic" for r in lab.api.list("/v1/lookup-records")))
    wait_for("red-3 reaches the learned address", lambda: lab.vms["red-3"].ping("10.0.0.77", timeout=1))
    return True


def repairs(lab: Lab) -> bool:
    """Somebody deletes our filter of red-2's port: seen, repaired, and a foreign filter beside it stays."""
    vm = lab.vms["red-2"]
    host = vm.host.namespace
    host.run("tc", "filter", "add", "dev", vm.port, "ingress", "prio", "1", "protocol", "all", "u32", "match", "u32", "0", "0",
             "action", "ok", check=False)
    before = host.run("tc", "filter", "show", "dev", vm.port, "ingress").stdout
    if "bpf" not in before:
        raise LabError(f"no eBPF filter on {vm.port}:\n{before}")
    host.run("tc", "filter", "del", "dev", vm.port, "ingress", "prio", "49152")
    wait_for("the filter is back", lambda: "bpf" in host.run("tc", "filter", "show", "dev", vm.port, "ingress").stdout, timeout=3)
    host.run("tc", "filter", "del", "dev", vm.port, "ingress", "prio", "1", check=False)
    return vm.ping(lab.vms["red-1"].address)


def check(lab: Lab) -> int:
    vms, result = lab.vms, Check()
    for tenant in ("red", "blue"):
        address = {n: vms[f"{tenant}-{n}"].address for n in (1, 2, 3, "far")}
        result(f"{tenant}: ping across hosts, same site      {address[1]} -> {address[2]}",
               lambda t=tenant, a=address: vms[f"{t}-1"].ping(a[2]))
        result(f"{tenant}: ping across hosts, across sites   {address[1]} -> {address[3]}",
               lambda t=tenant, a=address: vms[f"{t}-1"].ping(a[3]))
        result(f"{tenant}: ping across VM subnets            {address[1]} -> {address['far']}",
               lambda t=tenant, a=address: vms[f"{t}-1"].ping(a["far"]))
        result(f"{tenant}: the gateway answers               {address[1]} -> 10.0.0.1",
               lambda t=tenant: vms[f"{t}-1"].ping("10.0.0.1"))
        result(f"{tenant}: full-size packets, not fragmented", lambda t=tenant, a=address: vms[f"{t}-1"].ping(
            a[3], size=1458 - 28, flags=("-M", "do")))
    result("red and blue have the same addresses", lambda: vms["red-2"].address == vms["blue-2"].address)
    result("isolation: with red-2 unplugged, red-1 does not reach blue-2's 10.0.0.x", lambda: isolated(lab))
    result("broadcast reaches the VM subnet on every host, and no other tenant", lambda: broadcast_reaches(lab))
    result("an address nobody configured is learned and reachable", lambda: learns(lab))
    result("drift: a deleted filter is seen and repaired", lambda: repairs(lab))
    return result.failed


def isolated(lab: Lab) -> bool:
    red, blue = lab.vms["red-2"], lab.vms["blue-2"]
    red.namespace.run("ip", "link", "set", "eth0", "down")
    try:
        blue_counter = ("nstat", "-asz", "IcmpInEchos")
        before = blue.namespace.run(*blue_counter).stdout
        crossed = lab.vms["red-1"].ping(blue.address, count=3, timeout=0.5)
        return not crossed and blue.namespace.run(*blue_counter).stdout == before
    finally:
        red.namespace.run("ip", "link", "set", "eth0", "up")
        red.namespace.run("ip", "route", "replace", "default", "via", red.gateway)


def expose(lab: Lab) -> None:
    """A veth from this machine to the management network, so that a browser and skerryctl reach the API."""
    run("ip", "link", "del", "skerry-lab", check=False)
    lab.physical.run("ip", "link", "add", "user", "type", "veth", "peer", "name", "skerry-lab", "netns", str(os.getpid()))
    lab.physical.run("ip", "link", "set", "user", "master", "mg", "up")
    run("ip", "addr", "add", "198.18.0.250/24", "dev", "skerry-lab")
    run("ip", "link", "set", "skerry-lab", "up")


def show(lab: Lab) -> None:
    print(f"\n{paint('Running', '1')}")
    print("  hosts   " + ", ".join(f"{h.name} (site {h.site}, id {h.id})" for h in lab.hosts.values()))
    for tenant in ("red", "blue"):
        print(f"  {tenant:<7} " + ", ".join(f"{v.name} {v.address or 'learned'}" for n, v in lab.vms.items() if n.startswith(tenant)))
    token = lab.directory / "controller" / "admin.token"
    ctl = lab.binary("skerryctl")
    print(f"\n  REST API              https://198.18.0.1:8443/v1/  (certificate: {token.parent / 'ca.pem'})")
    print(f"  administrator's token {token}")
    print(f"\n{paint('Worth trying next', '1')} (in another terminal)")
    print(f"  {ctl} login https://198.18.0.1:8443 --ca {token.parent / 'ca.pem'} --token-file {token}")
    print(f"  {ctl} get network-adapters")
    print(f"  {ctl} get lookup-records")
    print(f"  nsenter --net=/run/netns/{lab.vms['red-1'].namespace.name} ping 10.0.0.3")
    h1 = lab.hosts["h1"]
    print(f"  nsenter --net=/run/netns/{h1.namespace.name} {ctl} host local records --socket {h1.socket}")
    print("\nCtrl-C takes all of it down.", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description="Runs the whole system in a lab on this machine.")
    parser.add_argument("--check", action="store_true", help="prove that it works, print a line for each proof, end")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    name = "skcheck" if options.check else "skerry"
    try:
        with Lab(name) as lab:
            print(paint("Building two clouds on one machine", "1"), flush=True)
            build_clouds(lab)
            if options.check:
                print(paint("Checks", "1"), flush=True)
                failed = check(lab)
                print("every check passed" if not failed else f"{failed} checks failed")
                return 1 if failed else 0
            expose(lab)
            show(lab)
            signal.pause()
    except KeyboardInterrupt:
        print("\ntaken down")
    except LabError as error:
        print(f"quickstart: {error}", file=sys.stderr)
        return 1
    return 0


sys.exit(main())
