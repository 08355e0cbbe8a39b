"""VLAN and untagged networks beside tunnels over a tagged site, on one uplink.

   h1 up0 --+-- switch s1 --+-- up0 h2        VLAN 100: provider addresses, and tunnels of tenant red
            |               |                 VLAN 10:  lan-1 on h1, lan-2 on h2, lan-3 on h2 (network "staff")
            +--- peer ------+                 VLAN 20:  other-1 on h2 (network "guests")
                                              untagged: open-1 on h1; the peer is a machine without Skerry
"""

import socket
import struct
import time

import pytest
from lab import Lab, Namespace, wait_for
from scapy.all import ARP, IP, UDP, Dot1Q, Ether
from traffic import Stream
from vlans import machine, network_of, site_of

SOL_PACKET, PACKET_AUXDATA, VLAN_VALID = 263, 8, 1 << 4


def pool_of(lab, site, subnet, prefix, gateway=None):
    gateways = [{"address": gateway, "metric": 10}] if gateway else []
    return lab.api.create("ip-pools", name=f"pool-{prefix}", network_site_id=site["id"], subnet=subnet,
                          range_start=f"{prefix}.10", range_end=f"{prefix}.99", gateways=gateways)


@pytest.fixture(scope="module")
def lab():
    with Lab("vlan") as made:
        made.start_controller()
        api = made.api
        made.group = api.create("host-groups", name="Dallas", parent_id=api.find("host-groups", "All hosts")["id"],
                                claims=True)
        made.site(1)
        made.physical.run("ip", "addr", "flush", "dev", "s1")  # a plain switch: nobody routes here
        provider = api.create("logical-networks", name="provider", isolation="connected", network_virtualization=True)
        tagged = site_of(made, provider, made.group, "hnv", [{"subnet": "10.83.1.0/24", "vlan_id": 100}])
        pool_of(made, tagged, "10.83.1.0/24", "10.83.1")
        made.h = []
        for number in (1, 2):
            host = made.add_host(f"h{number}", 1)
            host.join(made.join_string(made.group["id"]))
            host.start()
            made.h.append(host)
        made.owner = api.create("tenants", name="red", logical_network_ids=[provider["id"]])
        red = api.create("vm-networks", name="red", tenant_id=made.owner["id"], logical_network_id=provider["id"])
        subnet = api.create("vm-subnets", name="red", tenant_id=made.owner["id"], vm_network_id=red["id"], prefix="10.0.0.0/24")
        api.create("ip-pools", name="red-pool", vm_subnet_id=subnet["id"], subnet="10.0.0.0/24", range_start="10.0.0.2",
                   range_end="10.0.0.200")
        h1, h2 = made.h
        made.red = [made.add_vm("red-1", subnet, h1), made.add_vm("red-2", subnet, h2)]
        made.peer = Namespace("vlan-peer")
        made.plug(made.peer, "eth0", "s1", "peer", "10.30.0.1/24")
        yield made
        made.peer.remove()


@pytest.fixture(scope="module")
def lan(lab):
    """Adds the VLANs and the untagged network to the lab."""
    h1, h2 = lab.h
    lan = lab.api.create("logical-networks", name="lan", isolation="vlan", network_virtualization=False)
    floor = site_of(lab, lan, lab.group, "floor", [{"subnet": "10.10.0.0/24", "vlan_id": 10},
                                                   {"subnet": "10.20.0.0/24", "vlan_id": 20}])
    plain = lab.api.create("logical-networks", name="open", isolation="connected", network_virtualization=False)
    site_of(lab, plain, lab.group, "open", [{"subnet": "10.30.0.0/24", "vlan_id": 0}])
    lab.api.patch("tenants", lab.owner["id"],
                  logical_network_ids=[*lab.owner["logical_network_ids"], lan["id"], plain["id"]])
    lab.network = staff = network_of(lab, lan, "staff", isolation="vlan", network_site_id=floor["id"], vlan_id=10)
    guests = network_of(lab, lan, "guests", isolation="vlan", network_site_id=floor["id"], vlan_id=20)
    open_network = network_of(lab, plain, "open", isolation="none")
    lab.staff = [machine(lab, "lan-1", staff, h1, "10.10.0.5"), machine(lab, "lan-2", staff, h2, "10.10.0.6"),
                 machine(lab, "lan-3", staff, h2, "10.10.0.7")]
    lab.guest = machine(lab, "other-1", guests, h2, "10.10.0.8")  # an address of the other VLAN's subnet
    lab.open = machine(lab, "open-1", open_network, h1, "10.30.0.5")
    return lab


def tags_at_peer(lab):
    """A socket at the peer that hears everything on the switch, tags beside the frames."""
    lab.peer.run("ip", "link", "set", "eth0", "promisc", "on")
    wire = lab.peer.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    wire.bind(("eth0", 3))
    wire.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
    wire.settimeout(5)
    return wire


def next_frame(wire):
    data, control, _, _ = wire.recvmsg(2048, 256)
    for level, kind, value in control:
        if (level, kind) == (SOL_PACKET, PACKET_AUXDATA):
            status, _, _, _, _, tag, _ = struct.unpack("IIIHHHH", value[:20])
            return data, tag & 0xFFF if status & VLAN_VALID else 0
    return data, 0


def iperf(server, client, address):
    listening = server.namespace.popen("iperf3", "-s", "-1", stdout=-3)
    try:
        return wait_for("iperf3 runs", lambda: client.namespace.run(
            "iperf3", "-c", address, "-n", "32M", check=False).returncode == 0, timeout=20)
    finally:
        listening.kill()
        listening.wait(5)


def test_tunnels_carry_the_sites_tag(lab):
    one, two = lab.red
    wire = tags_at_peer(lab)
    lab.physical.run("ip", "link", "set", "s1", "type", "bridge", "ageing_time", "0")  # a hub: the peer hears all
    try:
        assert one.ping(two.address, count=3)
        tags = set()
        for _ in range(50):
            data, tag = next_frame(wire)
            if data[12:14] == b"\x08\x00" and data[23] == 47:
                tags.add(tag)
                if len(tags) and tag == 100:
                    break
        assert tags == {100}, tags
    finally:
        lab.physical.run("ip", "link", "set", "s1", "type", "bridge", "ageing_time", "30000")
        wire.close()
    assert iperf(two, one, two.address)


def test_an_agent_of_a_tagged_site_is_killed(lab):
    h1 = lab.h[0]
    with Stream(lab.red[0], lab.red[1]) as tunnel:
        tunnel.goes_on()
        h1.agent.kill()
        h1.start()
        wait_for("its tables are settled", lambda: h1.local("status")["session"] == "connected")
        tunnel.goes_on()
        sent, lost = tunnel.stop()
        assert sent > 500 and lost == 0, (sent, lost, tunnel.missing)
    assert "uplink_egress" in h1.namespace.run("tc", "filter", "show", "dev", "up0", "egress").stdout


def test_one_vlan_over_two_hosts(lan):
    one, two, three = lan.staff
    assert one.ping(two.address, count=3) and two.ping(three.address) and three.ping(one.address)
    assert iperf(two, one, two.address)


def test_another_vlan_is_another_network(lan):
    assert not lan.guest.ping(lan.staff[0].address, timeout=1) and not lan.guest.ping(lan.staff[1].address, timeout=1)
    assert not lan.staff[1].ping(lan.guest.address, timeout=1)


def test_untagged_machines_reach_what_is_not_ours(lan):
    assert lan.open.ping("10.30.0.1", count=3)
    assert lan.peer.run("ping", "-c", "2", "-W", "2", lan.open.address, check=False).returncode == 0


def test_a_machine_with_a_tag_of_its_own_reaches_the_vlan(lan):
    """The peer speaks VLAN 10 by itself: asks by ARP, and is answered with the tag."""
    wire = tags_at_peer(lan)
    mac = "02:aa:00:00:00:01"
    ask = Ether(src=mac, dst="ff:ff:ff:ff:ff:ff") / Dot1Q(vlan=10) / ARP(
        op=1, hwsrc=mac, psrc="10.10.0.200", pdst=lan.staff[0].address)
    wire.send(bytes(ask))
    end = time.monotonic() + 5
    while time.monotonic() < end:
        data, tag = next_frame(wire)
        frame = Ether(data)
        if ARP in frame and frame[ARP].op == 2 and frame[ARP].pdst == "10.10.0.200":
            assert tag == 10 and frame.src == lan.staff[0].mac
            break
    else:
        raise AssertionError("nobody answered")
    wire.close()


def drops(host, reason: str) -> int:
    return sum(d["packets"] for d in host.local("stats")["drops"] if d["reason"] == reason)


def heard_of(liar, hearer, claims: list, last) -> list:
    """Sends the claims and then `last`, which passes; what of them the other one heard."""
    ear = hearer.namespace.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    ear.bind(("eth0", 3))
    ear.settimeout(5)
    with ear, liar.namespace.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as mouth:
        mouth.bind(("eth0", 0))
        for frame in [*claims, last]:
            mouth.send(bytes(frame))
        found = []
        while True:
            data = ear.recv(2048)
            if data.startswith(bytes(last)):
                return found
            found += [claim for claim in claims if data.startswith(bytes(claim))]


def test_a_port_without_addresses_is_no_vm_on_another_host(lan):
    liar, hearer = lan.staff[0], lan.staff[2]
    h1, h2 = lan.h
    owner = machine(lan, "owner", lan.network, h2, "10.10.0.50", ip_addresses=["10.10.0.50"])
    claims = [Ether(src=liar.mac, dst=hearer.mac) / ARP(op=2, hwsrc=liar.mac, psrc=owner.address, hwdst=hearer.mac,
                                                        pdst=hearer.address),
              Ether(src=liar.mac, dst=hearer.mac) / IP(src=owner.address, dst=hearer.address) / UDP(sport=9, dport=9)]
    own = Ether(src=liar.mac, dst=hearer.mac) / ARP(op=2, hwsrc=liar.mac, psrc=liar.address, hwdst=hearer.mac,
                                                    pdst=hearer.address)
    before = drops(h1, "arp_spoofed"), drops(h1, "source_address")
    assert not heard_of(liar, hearer, claims, own)
    assert (drops(h1, "arp_spoofed"), drops(h1, "source_address")) == (before[0] + 1, before[1] + 1)
    assert owner.ping(hearer.address) and owner.ping(liar.address)
    lan.api.patch("network-adapters", owner.id, ip_addresses=["10.10.0.51"])
    assert heard_of(liar, hearer, claims, own) == claims, "it is nobody's any more"


def test_provider_addresses_are_out_of_reach(lan):
    pa = lan.h[1].local("provider-addresses")["items"][0]["address"]
    lan.open.namespace.run("ip", "route", "replace", pa, "dev", "eth0")
    assert not lan.open.ping(pa, timeout=1)
    drops = lan.h[0].local("stats")
    assert "provider" in str(drops), drops


def test_an_agent_that_is_killed_loses_no_frame(lan):
    """Of VLANs and of tunnels over the tagged site alike; the uplink stays as it is."""
    h1 = lan.h[0]
    with Stream(lan.staff[0], lan.staff[1]) as vlan, Stream(lan.red[0], lan.red[1]) as tunnel:
        for stream in (vlan, tunnel):
            stream.goes_on()
        h1.agent.kill()
        h1.start()
        wait_for("its tables are settled", lambda: h1.local("status")["session"] == "connected")
        for stream in (vlan, tunnel):
            stream.goes_on()
            sent, lost = stream.stop()
            assert sent > 500 and lost == 0, (sent, lost, stream.missing)
    link = h1.namespace.run("ip", "link", "show", "dev", "up0").stdout
    assert "PROMISC" in link and "altname skerry-promiscuous" in link, link
    assert "uplink_egress" in h1.namespace.run("tc", "filter", "show", "dev", "up0", "egress").stdout


def test_somebody_takes_the_egress_program_away(lan):
    h1 = lan.h[0]
    h1.namespace.run("tc", "filter", "del", "dev", "up0", "egress")
    h1.namespace.run("ip", "link", "set", "up0", "promisc", "off")

    def told():
        fields = {item["field"] for item in h1.local("drift")["items"]}
        return {"uplink_egress", "promiscuous"} <= fields or not fields
    wait_for("the agent has seen it", told, timeout=15)
    lan.api("POST", f"/v1/hosts/{h1.id}:remediate", {})
    wait_for("it is put back", lambda: not h1.local("drift")["items"] and "uplink_egress" in h1.namespace.run(
        "tc", "filter", "show", "dev", "up0", "egress").stdout, timeout=15)
    assert "PROMISC" in h1.namespace.run("ip", "link", "show", "dev", "up0").stdout
    assert lan.staff[0].ping(lan.staff[1].address) and lan.red[0].ping(lan.red[1].address)


def test_uninstall_takes_everything_away(lan):
    h1 = lan.h[0]
    h1.agent.stop()
    h1.namespace.run(lan.binary("skerry-agent"), "uninstall", "--state-directory", h1.state, "--pin-directory", h1.pins,
                     env=lan.environment)
    link = h1.namespace.run("ip", "link", "show", "dev", "up0").stdout
    assert "PROMISC" not in link and "altname" not in link, link
    assert "bpf" not in h1.namespace.run("tc", "filter", "show", "dev", "up0", "egress").stdout
