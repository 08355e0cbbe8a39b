"""An interface of a guest that no adapter is on is closed: nothing of the guest reaches the host's own network stack, and
nothing of the host reaches the guest, however the port came to be unbound.

   h1, h2, h3 (site 1); blue-2 on h2 and blue-3 on h3 are another tenant's; every case has a VM of Red on h1.
   h1 forwards, and believes every source address: what a careless host does.
"""

import contextlib
import json
import re
import signal
import socket

import pytest
from lab import MANAGEMENT, ROOT, Lab, Process, Vm, run, two_tenants, wait_for
from wire import send


@pytest.fixture(scope="module")
def lab():
    with Lab("closed", agent_flags=("--audit-interval", "1s")) as made:
        made.start_controller()
        made.model = two_tenants(made, hosts_per_site=((1, 3),))
        h1, h2, h3 = made.model["hosts"]
        for name in ("all", "default"):
            h1.namespace.sysctl(f"net.ipv4.conf.{name}.rp_filter", 0)
        h1.namespace.sysctl("net.ipv4.ip_forward", 1)
        made.add_vm("blue-2", made.model["blue"]["subnets"][0], h2)
        made.add_vm("blue-3", made.model["blue"]["subnets"][0], h3)
        made.count = 0
        made.management = f"{MANAGEMENT}.{10 + h1.number}"
        made.addresses = [made.api.list(f"/v1/provider-addresses?host_id={h.id}")[0]["address"] for h in (h1, h2, h3)]
        yield made


def adapter(lab: Lab, **fields) -> dict:
    subnet = lab.model["red"]["subnets"][0]
    lab.count += 1
    name = f"red-{lab.count}"
    return lab.api.create("network-adapters", name=name, vm_name=name, vm_network_id=subnet["vm_network_id"],
                          vm_subnet_id=subnet["id"], tenant_id=subnet["tenant_id"], **fields)


def machine(lab: Lab, made: dict) -> Vm:
    vm = Vm(lab, made["name"], None, made, 24, "10.0.0.1")
    lab.vms[vm.name] = vm
    return vm


def placed(lab: Lab, alias: bool = True, **fields) -> Vm:
    vm = machine(lab, adapter(lab, host_id=lab.model["hosts"][0].id, **fields))
    vm.plug(lab.model["hosts"][0], alias=alias)
    vm.wait_bound()
    return vm


def dropped(host, vm: Vm) -> int:
    rows = [r for r in host.local("stats")["drops"] if r["reason"] == "port_closed"]
    return sum(i["packets"] for r in rows for i in r["interfaces"] if i["interface"] == vm.port)


def echoes(host) -> int:
    """ICMP echo requests that the host's own network stack took."""
    lines = [line.split() for line in host.namespace.run("cat", "/proc/net/snmp").stdout.splitlines() if line.startswith("Icmp:")]
    return int(dict(zip(*lines))["InEchos"])


def mac(namespace, interface: str) -> str:
    words = namespace.run("ip", "-o", "link", "show", interface).stdout.split()
    return words[words.index("link/ether") + 1]


class Listener:
    """Everything that an interface of a namespace receives."""

    def __init__(self, namespace, interface: str):
        self.socket = namespace.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        self.socket.bind((interface, 3))
        self.socket.setblocking(False)

    def heard(self, word: bytes) -> bool:
        with contextlib.suppress(BlockingIOError):
            while True:
                frame, where = self.socket.recvfrom(4096)
                if where[2] != socket.PACKET_OUTGOING and word in frame:
                    return True
        return False


def attack(lab: Lab, vm: Vm) -> list[str]:
    """Scapy frames: the host asked for its addresses and pinged at them, and a packet of another tenant's host forged."""
    h1, (own_pa, pa2, pa3) = lab.model["hosts"][0], lab.addresses
    port, own = mac(h1.namespace, vm.port), mac(vm.namespace, "eth0")
    targets = (lab.management, own_pa)
    arp = [f"Ether(dst='ff:ff:ff:ff:ff:ff',src='{own}')/ARP(psrc='{vm.address or '10.0.0.77'}',hwsrc='{own}',pdst='{t}')" for t in targets]
    ping = [f"Ether(dst='{port}',src='{own}')/IP(src='{vm.address or '10.0.0.77'}',dst='{t}')/ICMP()" for t in targets]
    blue2, blue3 = lab.vms["blue-2"], lab.vms["blue-3"]
    vsid = lab.model["blue"]["subnets"][0]["vsid"]
    forged = (f"Ether(dst='{port}',src='{own}')/IP(src='{pa3}',dst='{pa2}')"
              f"/GRE(proto=0x6558,key_present=1,key={vsid << 8})/Ether(dst='{blue2.mac}',src='{blue3.mac}')"
              f"/IP(src='{blue3.address}',dst='{blue2.address}')/UDP(sport=9,dport=9)/Raw(b'forged')")
    return [*arp, *ping, forged]


def assert_closed(lab: Lab, vm: Vm) -> None:
    """Each frame is counted as dropped, and none had an effect."""
    h1 = lab.model["hosts"][0]
    wait_for(f"{vm.port} is listed as closed", lambda: closed_row(h1, vm))
    frames = attack(lab, vm)
    answers, victim = Listener(vm.namespace, "eth0"), Listener(lab.vms["blue-2"].namespace, "eth0")
    pinged, before = echoes(h1), dropped(h1, vm)
    send(vm.namespace, "eth0", f"[{','.join(frames)}]")
    wait_for(f"all {len(frames)} frames are counted as port_closed", lambda: dropped(h1, vm) >= before + len(frames), timeout=5)
    assert echoes(h1) == pinged, "the host's stack was pinged"
    assert not victim.heard(b"forged"), "another tenant was reached"
    assert not answers.heard(b"\x08\x06"), "the host answered"
    # The other direction: a frame that the host itself sends; the kernel may tell it that the frame was dropped.
    with h1.namespace.socket(socket.AF_PACKET, socket.SOCK_RAW) as host, contextlib.suppress(OSError):
        host.bind((vm.port, 0))
        host.send(b"\xff" * 6 + bytes(6) + b"\x88\xb5from the host".ljust(60))
    wait_for("what the host sends is counted too", lambda: dropped(h1, vm) > before + len(frames), timeout=5)
    assert not answers.heard(b"from the host")


def closed_row(host, vm: Vm) -> dict | None:
    return next((p for p in host.local("ports")["items"] if p["interface"] == vm.port and p["closed"]), None)


def programs(host, vm: Vm) -> tuple:
    return tuple(bool(re.search(r"pref 49152 bpf.*port_closed", host.namespace.run("tc", "filter", "show", "dev", vm.port, way).stdout))
                 for way in ("ingress", "egress"))


# ---- how a port comes to be unbound ----


def deleted(lab, vm):
    lab.api.delete("network-adapters", vm.id)


def placed_elsewhere(lab, vm):
    lab.api.patch("network-adapters", vm.id, wait=False, host_id=lab.model["hosts"][1].id)


def placed_nowhere(lab, vm):
    lab.api.patch("network-adapters", vm.id, host_id=None)


def deleted_and_alias_removed(lab, vm):
    lab.api.delete("network-adapters", vm.id)
    lab.model["hosts"][0].namespace.run("ip", "link", "set", vm.port, "alias", "")


@pytest.mark.parametrize("unbind", [deleted, placed_elsewhere, placed_nowhere, deleted_and_alias_removed],
                         ids=lambda f: f.__name__)
def test_an_unbound_port_is_closed(lab, unbind):
    vm = placed(lab)
    unbind(lab, vm)
    assert_closed(lab, vm)
    vm.unplug()


def test_a_claim_that_is_taken_back(lab):
    h1 = lab.model["hosts"][0]
    vm = machine(lab, adapter(lab))
    vm.plug(h1)
    vm.wait_bound()
    h1.namespace.run("ip", "link", "set", vm.port, "alias", "")
    assert_closed(lab, vm)
    h1.namespace.run("ip", "link", "set", vm.port, "alias", f"skerry:{vm.id}")
    wait_for("bound again, it reaches its gateway", lambda: vm.ping("10.0.0.1"))
    vm.unplug()


def test_an_alias_that_names_no_adapter(lab):
    h1 = lab.model["hosts"][0]
    vm = machine(lab, adapter(lab))
    vm.plug(h1, alias=False)
    h1.namespace.run("ip", "link", "set", vm.port, "alias", "skerry:web-1")
    assert_closed(lab, vm)
    assert "names no adapter" in closed_row(h1, vm)["closed"]
    vm.unplug()


# ---- agents that were away ----


@contextlib.contextmanager
def controller_away(lab):
    lab.controller.signal(signal.SIGSTOP)
    try:
        yield
    finally:
        lab.controller.signal(signal.SIGCONT)


def start_alone(host) -> None:
    """Without the controller: what the agent does by itself."""
    host.socket.unlink(missing_ok=True)
    host.agent.start()
    wait_for("the agent answers on its socket", lambda: host.agent.check() or host.socket.exists())


def test_a_vm_that_starts_while_the_agent_is_down(lab):
    h1 = lab.model["hosts"][0]
    vm = machine(lab, adapter(lab))
    h1.agent.kill()
    vm.plug(h1)
    with controller_away(lab):
        start_alone(h1)
        assert_closed(lab, vm)
    wait_for("claimed and bound when the controller is back", lambda: vm.ping("10.0.0.1"))
    vm.unplug()


def test_a_reboot_with_a_damaged_cache(lab):
    h1 = lab.model["hosts"][0]
    vm = placed(lab)
    h1.agent.kill()
    (h1.state / "cache").write_bytes(b"\x00" * 4096)
    address = lab.addresses[0]
    h1.forget_fast_path()
    h1.namespace.run("ip", "addr", "add", f"{address}/24", "dev", "up0")  # the attack needs one to ask for
    with controller_away(lab):
        start_alone(h1)
        closed = wait_for("closed", lambda: closed_row(h1, vm))
        assert "not on this host" in closed["closed"]
        frames = [f"Ether(dst='{mac(h1.namespace, vm.port)}')/IP(dst='{address}')/ICMP()"] * 3
        pinged, before = echoes(h1), dropped(h1, vm)
        send(vm.namespace, "eth0", f"[{','.join(frames)}]")
        wait_for("counted", lambda: dropped(h1, vm) >= before + len(frames), timeout=5)
        assert echoes(h1) == pinged
    wait_for("the controller is back and the port open", lambda: vm.ping("10.0.0.1"), timeout=30)
    vm.unplug()


def test_filters_deleted_while_the_agent_is_dead(lab):
    """Without an alias: only the agent's own memory says that the interface was bound here."""
    h1 = lab.model["hosts"][0]
    vm = placed(lab, alias=False, interface=f"v-red-{lab.count + 1}")
    lab.api.delete("network-adapters", vm.id)
    wait_for("closed", lambda: programs(h1, vm) == (True, True))
    h1.agent.kill()
    h1.namespace.run("tc", "qdisc", "del", "dev", vm.port, "clsact")
    h1.start()
    assert_closed(lab, vm)
    # And under a running agent, whatever the host's remediation is.
    lab.api.patch("hosts", h1.id, remediation="manual")
    h1.namespace.run("tc", "qdisc", "del", "dev", vm.port, "clsact")
    wait_for("closed again", lambda: programs(h1, vm) == (True, True))
    lab.api.patch("hosts", h1.id, remediation="auto")
    vm.unplug()


# ---- told, released, opened ----


def findings(lab, host, vm) -> list:
    return [i for i in lab.api.list(f"/v1/compliance?host_id={host.id}") if i["object_kind"] == "interface" and i["object"] == vm.port]


def test_it_is_told_and_an_administrator_may_release_it(lab):
    h1 = lab.model["hosts"][0]
    vm = placed(lab)
    assert not findings(lab, h1, vm)
    lab.api.delete("network-adapters", vm.id)
    [row] = wait_for("a compliance row", lambda: findings(lab, h1, vm))
    assert (row["object"], row["object_id"], row["field"]) == (vm.port, vm.id, "closed")
    assert "not on this host" in row["found"]
    wait_for("an event", lambda: [e for e in lab.api.list("/v1/events") if e["reason"] == "PortClosed" and vm.port in e["message"] + (e["detail"] or "")])
    h1.local("release", vm.port)
    wait_for("the row is gone", lambda: not findings(lab, h1, vm))
    assert programs(h1, vm) == (False, False) and not closed_row(h1, vm)
    # A release outlives the agent; the interface is the host's own from then on.
    h1.agent.kill()
    h1.start()
    assert programs(h1, vm) == (False, False)
    refused = h1.namespace.run(lab.binary("skerryctl"), "host", "local", "release", vm.port, "--socket", h1.socket, check=False)
    assert refused.returncode == 3 and "is not closed" in refused.stderr, refused.stderr
    vm.unplug()


def test_each_closed_interface_has_an_event(lab):
    """Two within a minute: what happens again is counted in one row, but this happened to another interface."""
    vms = [placed(lab), placed(lab)]
    for vm in vms:
        lab.api.delete("network-adapters", vm.id)
    for vm in vms:
        wait_for(f"an event about {vm.port}", lambda v=vm: [
            e for e in lab.api.list("/v1/events") if e["reason"] == "PortClosed" and f"{v.port} " in e["message"]])
        vm.unplug()


def test_a_bound_port_cannot_be_released(lab):
    h1, vm = lab.model["hosts"][0], placed(lab)
    refused = h1.namespace.run(lab.binary("skerryctl"), "host", "local", "release", vm.port, "--socket", h1.socket, check=False)
    assert refused.returncode == 4 and "bound to an adapter" in refused.stderr, refused.stderr
    assert vm.ping("10.0.0.1")
    vm.unplug()


def test_an_uplink_is_never_closed(lab):
    """Also one with an alias; and an interface that was a guest's opens when it becomes one."""
    h1 = lab.model["hosts"][0]
    vm = placed(lab)
    h1.namespace.run("ip", "link", "set", "up0", "alias", f"skerry:{vm.id}")
    h1.agent.kill()
    with controller_away(lab):
        start_alone(h1)
        assert vm.ping("10.0.0.1") and lab.vms["blue-2"].ping(lab.vms["blue-3"].address)
        assert not [p for p in h1.local("ports")["items"] if p["interface"] == "up0"]
    h1.namespace.run("ip", "link", "set", "up0", "alias", "")
    lab.api.delete("network-adapters", vm.id)
    wait_for("closed", lambda: closed_row(h1, vm))
    lab.api.patch("hosts", h1.id, wait=False, uplinks=[{"name": n, "interface": n} for n in ("up0", vm.port)])
    wait_for("not closed as an uplink", lambda: programs(h1, vm) == (False, False))
    lab.api.patch("hosts", h1.id, wait=False, uplinks=[{"name": "up0", "interface": "up0"}])
    vm.unplug()


# ---- while no agent runs ----


@pytest.fixture()
def guard(lab):
    """skerry-guard.service on h1."""
    h1 = lab.model["hosts"][0]
    process = Process(lab, "guard", h1.namespace, lab.binary("skerry-agent"), "guard", "--pin-directory", h1.pins)
    process.start()
    lab.processes.append(process)
    yield process
    process.check()
    process.kill()


def counted(host, vm: Vm) -> int:
    """As dropped(), read from the kernel: no agent answers."""
    reasons = re.findall(r"X\((\w+),", (ROOT / "include/skerry/abi/drop_reasons.h").read_text().split("#define", 1)[1])
    ifindex = int(host.namespace.run("ip", "-o", "link", "show", vm.port).stdout.split(":")[0])
    entries = json.loads(run("bpftool", "-j", "map", "dump", "pinned", host.pins / "drops").stdout)
    rows = [e["formatted"] for e in entries if e["formatted"]["key"] == {"reason": reasons.index("PORT_CLOSED"), "ifindex": ifindex}]
    return sum(cpu["value"] for row in rows for cpu in row["values"])


@pytest.mark.parametrize("rebooted", [False, True], ids=["agent stopped", "rebooted"])
def test_no_window_while_the_agent_is_down(lab, guard, rebooted):
    h1 = lab.model["hosts"][0]
    vm = machine(lab, adapter(lab))
    h1.agent.kill()
    if rebooted:
        guard.kill()
        h1.forget_fast_path()
        h1.namespace.run("ip", "addr", "add", f"{lab.addresses[0]}/24", "dev", "up0")
        guard.start()
    vm.plug(h1)
    wait_for("closed without an agent", lambda: programs(h1, vm) == (True, True))
    frames = attack(lab, vm)
    answers, victim = Listener(vm.namespace, "eth0"), Listener(lab.vms["blue-2"].namespace, "eth0")
    pinged, before = echoes(h1), counted(h1, vm)
    send(vm.namespace, "eth0", f"[{','.join(frames)}]")
    wait_for("every frame is counted", lambda: counted(h1, vm) >= before + len(frames))
    assert echoes(h1) == pinged and not victim.heard(b"forged") and not answers.heard(b"\x08\x06")
    h1.start()
    wait_for("the agent opens what it binds, both ways", lambda: vm.ping("10.0.0.1"))
    assert dropped(h1, vm) >= len(frames), "the agent goes on counting where the guard began"
    vm.unplug()


def test_the_guard_never_takes_what_an_agent_has(lab, guard):
    h1 = lab.model["hosts"][0]
    vms = [machine(lab, adapter(lab)) for _ in range(5)]
    for vm in vms:
        vm.plug(h1)
    for vm in vms:
        wait_for(f"{vm.name} is bound and open both ways", lambda v=vm: v.ping("10.0.0.1"))
        assert programs(h1, vm) == (False, False)
    # An interface that an administrator released stays released, also for a guard that starts anew.
    lab.api.delete("network-adapters", vms[0].id)
    wait_for("closed", lambda: closed_row(h1, vms[0]))
    h1.local("release", vms[0].port)
    started = guard.log.read_text().count("guard started")
    guard.kill()
    guard.start()
    wait_for("the guard has looked at everything", lambda: guard.log.read_text().count("guard started") == started + 1)
    assert programs(h1, vms[0]) == (False, False)
    for vm in vms:
        vm.unplug()


def test_the_documented_settings_close_what_has_no_alias(lab):
    """docs/operate.md: an interface that nobody knows yet, on a host that forwards and has these as its defaults."""
    h1 = lab.model["hosts"][0]
    settings = re.findall(r"^    (net\.ipv\S+) = (\d)$", (ROOT / "docs/operate.md").read_text(), re.M)
    assert len(settings) == 4
    before = {key: h1.namespace.run("sysctl", "-n", key).stdout.strip() for key, _ in settings}
    for key, value in settings:
        h1.namespace.sysctl(key, value)
    vm = machine(lab, adapter(lab))
    vm.plug(h1, alias=False)
    for key, value in before.items():
        h1.namespace.sysctl(key, value)
    assert programs(h1, vm) == (False, False)

    def refused() -> int:
        """By the reverse path, and what would have to be forwarded."""
        found = 0
        for file, group, name in (("netstat", "TcpExt:", "IPReversePathFilter"), ("snmp", "Ip:", "InAddrErrors")):
            names, values = (line.split() for line in h1.namespace.run("cat", f"/proc/net/{file}").stdout.splitlines()
                             if line.startswith(group))
            found += int(values[names.index(name)])
        return found

    answers, victim = Listener(vm.namespace, "eth0"), Listener(lab.vms["blue-2"].namespace, "eth0")
    pinged, count = echoes(h1), refused()
    send(vm.namespace, "eth0", f"[{','.join(attack(lab, vm))}]")  # two ARP requests, then three packets
    wait_for("the kernel refused every packet", lambda: refused() >= count + 3)
    assert echoes(h1) == pinged and not victim.heard(b"forged") and not answers.heard(b"\x08\x06")
    vm.unplug()
