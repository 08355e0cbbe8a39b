"""An administrator's day, from nothing, by skerryctl alone: what is typed here is what a person would type.

   Dallas (site 1): h1, h2        Houston (site 2): h3        all three joined to one physical network

   Corp   connected, VLAN 10 in both places           c-1 on h1, c-2 on h2
   Lab    40 sites, VLANs 101 to 140, by one apply    l7-1 on h1, l7-2 on h2 in Lab-7; l8-1 on h2 in Lab-8
   HNV    network virtualization, untagged            r-1 on h1, r-2 on h3 in tenant red's network
"""

import json

import pytest
from lab import MANAGEMENT, Lab, Vm, run, wait_for

SITES = {"dallas": 1, "houston": 2}


class Administrator:
    """skerryctl in the controller's namespace, with a home of its own."""

    def __init__(self, lab: Lab):
        self.lab = lab

    def __call__(self, *words, text: str | None = None, code: int = 0, timeout: float = 60) -> str:
        command = self.lab.controller_namespace.command(self.lab.binary("skerryctl"), *words)
        result = run(*command, check=False, input=text, env=self.lab.environment, timeout=timeout)
        assert result.returncode == code, f"skerryctl {' '.join(map(str, words))}: {result.returncode}\n{result.stdout}{result.stderr}"
        return result.stdout

    def apply(self, *objects: dict) -> None:
        self("apply", "-f", "-", "--wait", text=json.dumps({"items": objects}))

    def get(self, kind: str, name: str) -> dict:
        return json.loads(self("get", kind, name, "-o", "json"))

    def list(self, kind: str, *words) -> list:
        return json.loads(self("get", kind, *words, "-o", "json"))["items"]


def fabric() -> list[dict]:
    objects = [{"kind": "host-group", "name": "Dallas"}, {"kind": "host-group", "name": "Houston"}]
    objects += [
        {"kind": "logical-network", "name": "Corp", "isolation": "connected", "network_virtualization": False},
        {"kind": "logical-network", "name": "HNV", "isolation": "connected", "network_virtualization": True},
    ]
    for place, number in SITES.items():
        group = place.capitalize()
        objects += [
            {"kind": "network-site", "name": f"corp-{place}", "logical_network": "Corp", "host_groups": [group],
             "subnet_vlans": [{"subnet": f"10.10.{number}.0/24", "vlan_id": 10}]},
            {"kind": "ip-pool", "name": f"corp-{place}", "network_site": f"Corp/corp-{place}", "subnet": f"10.10.{number}.0/24",
             "range_start": f"10.10.{number}.10", "range_end": f"10.10.{number}.99"},
            {"kind": "network-site", "name": f"hnv-{place}", "logical_network": "HNV", "host_groups": [group],
             "subnet_vlans": [{"subnet": f"10.83.{number}.0/24", "vlan_id": 0}]},
            {"kind": "ip-pool", "name": f"hnv-{place}", "network_site": f"HNV/hnv-{place}", "subnet": f"10.83.{number}.0/24",
             "range_start": f"10.83.{number}.10", "range_end": f"10.83.{number}.99",
             "gateways": [{"address": f"10.83.{number}.254", "metric": 10}]},
        ]
    return objects


def laboratory() -> list[dict]:
    objects: list[dict] = [{"kind": "logical-network", "name": "Lab", "isolation": "vlan"}]
    for n in range(1, 41):
        objects += [
            {"kind": "network-site", "name": f"Lab-{n}", "logical_network": "Lab", "host_groups": ["Dallas"],
             "subnet_vlans": [{"subnet": f"10.20.{n}.0/24", "vlan_id": 100 + n}]},
            {"kind": "ip-pool", "name": f"lab-{n}", "network_site": f"Lab/Lab-{n}", "subnet": f"10.20.{n}.0/24",
             "range_start": f"10.20.{n}.10", "range_end": f"10.20.{n}.99"},
        ]
    return objects


def networks() -> list[dict]:
    return [
        {"kind": "tenant", "name": "it", "logical_networks": ["Corp", "Lab"],
         "port_classifications": ["High bandwidth", "Medium bandwidth"]},
        {"kind": "tenant", "name": "red", "logical_networks": ["HNV"], "port_classifications": ["Low bandwidth"]},
        {"kind": "vm-network", "name": "it/corp", "logical_network": "Corp", "isolation": "none"},
        {"kind": "vm-network", "name": "it/lab-7", "logical_network": "Lab", "isolation": "vlan",
         "network_site": "Lab/Lab-7", "vlan_id": 107},
        {"kind": "vm-network", "name": "it/lab-8", "logical_network": "Lab", "isolation": "vlan",
         "network_site": "Lab/Lab-8", "vlan_id": 108},
        {"kind": "vm-network", "name": "red/net", "logical_network": "HNV"},
        {"kind": "vm-subnet", "name": "red/net/front", "prefix": "10.0.0.0/24"},
        {"kind": "ip-pool", "name": "red-front", "vm_subnet": "red/net/front", "subnet": "10.0.0.0/24",
         "range_start": "10.0.0.10", "range_end": "10.0.0.99"},
    ]


def switch() -> list[dict]:
    sites = [f"{n}/{n.lower()}-{p}" for n in ("Corp", "HNV") for p in SITES] + [f"Lab/Lab-{n}" for n in range(1, 41)]
    profiles = {"High bandwidth": "High bandwidth adapter", "Medium bandwidth": "Medium bandwidth adapter",
                "Low bandwidth": "Low bandwidth adapter"}
    return [
        {"kind": "uplink-port-profile", "name": "datacenter", "network_sites": sites, "network_virtualization": True},
        {"kind": "logical-switch", "name": "fabric", "type": "external", "uplink_port_profiles": ["datacenter"],
         "virtual_ports": [{"classification_id": c, "profile_id": p, "is_default": c == "Medium bandwidth"}
                           for c, p in profiles.items()]},
    ]


@pytest.fixture(scope="module")
def day():
    with Lab("day") as lab:
        lab.start_controller()
        lab.ctl = Administrator(lab)
        lab.ctl("login", f"https://{MANAGEMENT}.1:8443", "--ca", lab.directory / "controller" / "ca.pem", "--token-file",
                lab.directory / "controller" / "admin.token")
        yield lab


def add_host(lab: Lab, name: str, place: str) -> None:
    host = lab.add_host(name, SITES[place])
    words = lab.ctl("host", "join-command", "--host-group", place.capitalize()).split()
    host.join(next(word.strip("'") for word in words if "skerry://" in word))
    host.start()


def start_vm(lab: Lab, name: str, network: str, host: str, **fields) -> Vm:
    """The adapter by apply, the VM as a namespace with the address that it was given."""
    lab.ctl.apply({"kind": "network-adapter", "name": f"{network}/{name}", "vm_name": name, "host": host, **fields})
    adapter = lab.ctl.get("network-adapter", f"{network}/{name}")
    address = adapter["ip_addresses"][0]
    vm = Vm(lab, name, None, adapter, 24, address.rsplit(".", 1)[0] + ".1")
    vm.mtu = 1400
    lab.vms[name] = vm
    vm.plug(lab.hosts[host])
    vm.wait_bound()
    return vm


def test_morning_the_fabric(day):
    day.ctl.apply(*fabric())
    day.ctl.apply(*laboratory())
    assert len(day.ctl.list("network-sites", "--logical-network", "Lab")) == 40
    day.ctl.apply(*networks())
    day.ctl.apply(*switch())
    # The same once more changes nothing.
    everything = fabric() + laboratory() + networks() + switch()
    day.ctl("diff", "-f", "-", text=json.dumps({"items": everything}))


def test_hosts_join_and_get_the_switch(day):
    for name, place in (("h1", "dallas"), ("h2", "dallas"), ("h3", "houston")):
        add_host(day, name, place)
    for name in day.hosts:
        uplinks = json.dumps([{"interface": "up0", "uplink_port_profile_id": day.ctl.get("uplink-port-profile", "datacenter")["id"]}])
        day.ctl("create", "host-switch", "fabric", "--host", name, "--logical-switch", "fabric", "--uplinks", uplinks, "--wait")
    jobs = day.ctl.list("jobs", "--kind", "deploy_host_switch")
    assert [j["state"] for j in jobs] == ["succeeded"] * 3, jobs
    for shown in day.ctl.list("host-switches"):
        assert shown["status"]["realization"]["state"] == "realized", shown


def test_noon_traffic_in_each(day):
    corp = [start_vm(day, f"c-{n}", "it/corp", f"h{n}", classification="Medium bandwidth") for n in (1, 2)]
    seven = [start_vm(day, f"l7-{n}", "it/lab-7", f"h{n}") for n in (1, 2)]
    eight = start_vm(day, "l8-1", "it/lab-8", "h2")
    red = [start_vm(day, f"r-{n}", "red/net", host, vm_subnet="red/net/front") for n, host in ((1, "h1"), (2, "h3"))]
    assert corp[0].address.startswith("10.10.1.") and seven[0].address.startswith("10.20.7."), (corp[0].address, seven[0].address)
    for a, b in (corp, seven, red):
        wait_for(f"{a.name} reaches {b.name}", lambda a=a, b=b: a.ping(b.address))
        assert b.ping(a.address)
    # Lab-8 with an address of Lab-7: another VLAN stays another VLAN.
    eight.namespace.run("ip", "addr", "add", "10.20.7.200/24", "dev", "eth0")
    assert not eight.ping(seven[0].address, timeout=1)
    assert not seven[0].ping("10.20.7.200", timeout=1)
    for name in ("it/corp/c-1", "it/lab-7/l7-1", "red/net/r-1"):
        assert day.ctl.get("network-adapter", name)["status"]["realization"]["state"] == "realized"
    assert "reaches" in day.ctl("explain", "red/net/r-1", "red/net/r-2")


def test_somebody_changes_a_host_by_hand(day):
    day.ctl("apply", "-f", "-", "--wait", text="kind: host\nname: h1\nremediation: manual\n")
    host = day.hosts["h1"].namespace
    [address] = [p["address"] for p in day.ctl.list("provider-addresses", "--host", "h1")]
    host.run("ip", "addr", "del", f"{address}/24", "dev", "up0")
    rows = wait_for("the drift is seen", lambda: day.ctl.list("compliance", "--host", "h1"))
    assert any(address in json.dumps(row) for row in rows), rows
    day.ctl("host", "remediate", "h1", "--wait")
    wait_for("h1 is as it should be", lambda: not day.ctl.list("compliance", "--host", "h1"))
    assert address in host.run("ip", "-4", "addr", "show", "up0").stdout
    day.ctl("apply", "-f", "-", "--wait", text="kind: host\nname: h1\nremediation: auto\n")


def test_a_vm_moves(day):
    vm, other = day.vms["r-1"], day.vms["r-2"]
    words = day.ctl("act", "network-adapter", "red/net/r-1", "migrate", "--host", "h2").split()
    job = words[0].split("/")[1]
    wait_for("the move waits for the VM", lambda: day.ctl.get("network-adapter", "red/net/r-1")["status"]["target_host_id"])
    vm.unplug()
    vm.plug(day.hosts["h2"])
    vm.announce()
    day.ctl("job", "wait", job, "--timeout", "30s")
    assert vm.ping(other.address) and other.ping(vm.address)


def test_evening_a_drain(day):
    words = day.ctl("host", "drain", "h2").split()
    job = words[0].split("/")[1]
    hosts = {h["id"]: h["name"] for h in day.ctl.list("hosts")}
    moved = set()

    def drained() -> bool:
        for adapter in day.ctl.list("network-adapters", "--host", "h2"):
            target = adapter["status"].get("target_host_id")
            vm = day.vms[adapter["name"]]
            if target and vm.name not in moved:
                moved.add(vm.name)
                vm.unplug()
                vm.plug(day.hosts[hosts[target]])
                vm.announce()
        return day.ctl.get("job", job)["state"] in ("succeeded", "failed")

    wait_for("the drain has ended", drained, timeout=60)
    state = day.ctl.get("job", job)
    assert state["state"] == "succeeded", json.dumps(state)
    assert not day.ctl.list("network-adapters", "--host", "h2")
    assert day.ctl.get("host", "h2")["state"] == "maintenance"
    assert moved == {"c-2", "l7-2", "l8-1", "r-1"}
    wait_for("Corp goes on", lambda: day.vms["c-1"].ping(day.vms["c-2"].address))
    wait_for("red goes on", lambda: day.vms["r-1"].ping(day.vms["r-2"].address))
    assert not day.ctl.list("compliance")
