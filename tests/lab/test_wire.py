"""What crosses the fabric, and what must not.

   h1, h2 in site 1; red-1, blue-1 on h1; red-2 on h2 (blue has nobody on h2); `rogue` is plugged into site 1's switch
"""

import pytest
from lab import Lab, two_tenants, wait_for
from wire import Capture, Station, send


@pytest.fixture(scope="module")
def lab():
    with Lab("wire") as made:
        made.start_controller()
        made.model = two_tenants(made, hosts_per_site=((1, 2),))
        h1, h2 = made.model["hosts"]
        made.add_vm("red-1", made.model["red"]["subnets"][0], h1)
        made.add_vm("red-2", made.model["red"]["subnets"][0], h2)
        made.add_vm("red-far", made.model["red"]["subnets"][1], h2)
        made.add_vm("blue-1", made.model["blue"]["subnets"][0], h1)
        made.rogue = Station(made, "rogue", 1, "10.83.1.200")
        try:
            wait_for("red-1 reaches red-2", lambda: made.vms["red-1"].ping(made.vms["red-2"].address))
            yield made
        finally:
            made.rogue.remove()


def pa(lab: Lab, host) -> str:
    return lab.api.list(f"/v1/provider-addresses?host_id={host.id}")[0]["address"]


def drops(host) -> dict[str, int]:
    return {d["reason"]: d["packets"] for d in host.local("stats")["drops"]}


def dropped(lab: Lab, host, reason: str, frames: str, station=None) -> None:
    """The frames are dropped with this reason, and nothing reaches red-1."""
    red = lab.vms["red-1"].namespace
    received = lambda: int(red.run("cat", "/proc/net/dev").stdout.split("eth0:")[1].split()[1])  # noqa: E731
    before, seen = drops(host).get(reason, 0), received()
    (station or lab.rogue).send(frames)
    wait_for(f"a drop with reason {reason}; there are {drops(host)}", lambda: drops(host).get(reason, 0) > before, timeout=5)
    assert received() == seen


def test_tshark_decodes_nvgre_with_the_vsid(lab):
    vsid = lab.model["red"]["subnets"][0]["vsid"]
    h1, h2 = lab.model["hosts"]
    with Capture(lab, "h1-up") as capture:
        assert lab.vms["red-1"].ping(lab.vms["red-2"].address)
        capture.wait(2)
        rows = capture.packets("ip.src", "gre.proto", "gre.key", "gre.flags_and_version", "icmp.type", "ip.flags.df")
    requests = [r for r in rows if r[4] == "8"]
    assert requests, rows
    source, proto, key, flags, _, dont_fragment = requests[0]
    assert source.split("|")[0] == pa(lab, h1) and source.split("|")[1] == lab.vms["red-1"].address
    assert int(proto, 0) == 0x6558
    assert int(key, 0) >> 8 == vsid
    assert int(flags, 0) == 0x2000  # key alone, version 0 (RFC 7637 section 3.2)
    assert dont_fragment.split("|")[0] in ("1", "True")


def test_the_flow_id_spreads_flows(lab):
    with Capture(lab, "h1-up") as capture:
        send(lab.vms["red-1"].namespace, "eth0",
             f"[Ether(dst='{lab.vms['red-2'].mac}', src='{lab.vms['red-1'].mac}')/IP(src='{lab.vms['red-1'].address}',"
             f"dst='{lab.vms['red-2'].address}')/UDP(sport=1000+n, dport=9)/Raw(b'x'*20) for n in range(64)]")
        capture.wait(64)
        flows = {int(row[0], 0) & 0xff for row in capture.packets("gre.key", filter_text="udp.dstport == 9")}
    assert len(flows) > 24


def test_routed_packets_carry_the_other_subnets_vsid(lab):
    with Capture(lab, "h1-up") as capture:
        assert lab.vms["red-1"].ping(lab.vms["red-far"].address)
        capture.wait(2)
        rows = capture.packets("gre.key", "ip.ttl", filter_text="icmp.type == 8")
    assert int(rows[0][0], 0) >> 8 == lab.model["red"]["subnets"][1]["vsid"]
    assert rows[0][1].split("|")[1] == "63"


def test_a_guests_own_tag_never_reaches_the_fabric(lab):
    h1 = lab.model["hosts"][0]
    before = drops(h1).get("guest_vlan_tag", 0)
    red = lab.vms["red-1"]
    with Capture(lab, "h1-up", "") as capture:
        send(red.namespace, "eth0", f"Ether(dst='{lab.vms['red-2'].mac}', src='{red.mac}')/Dot1Q(vlan=77)/"
             f"IP(src='{red.address}', dst='{lab.vms['red-2'].address}')/UDP(dport=9)/Raw(b'tagged')")
        wait_for("the tagged frame is dropped", lambda: drops(h1).get("guest_vlan_tag", 0) > before)
        assert red.ping(lab.vms["red-2"].address)
        assert not capture.packets("frame.number", filter_text="vlan")


def encapsulated(lab: Lab, source: str, vsid: int, inner_source: str, extra: str = "", outer: str = "", destination=None) -> str:
    h1, red = lab.model["hosts"][0], lab.vms["red-1"]
    mac = lab.rogue.mac_of(pa(lab, h1))
    return (f"Ether(dst='{destination or mac}')/IP(src='{source}', dst='{pa(lab, h1)}'{outer})/"
            f"GRE(key_present=1, proto=0x6558, key={vsid << 8})/Ether(dst='{red.mac}', src='{inner_source}')/"
            f"IP(src='{lab.vms['red-2'].address}', dst='{red.address}')/UDP(dport=9)/Raw(b'x'*64{extra})")


def test_from_an_unknown_outer_source(lab):
    vsid = lab.model["red"]["subnets"][0]["vsid"]
    dropped(lab, lab.model["hosts"][0], "not_a_member", encapsulated(lab, "10.83.1.200", vsid, lab.vms["red-2"].mac))


def test_from_a_host_that_is_not_a_member_of_the_vm_network(lab):
    """h2 has no adapter of Blue: what it sends with Blue's VSID goes nowhere."""
    vsid, h2 = lab.model["blue"]["subnets"][0]["vsid"], lab.model["hosts"][1]
    dropped(lab, lab.model["hosts"][0], "not_a_member", encapsulated(lab, pa(lab, h2), vsid, lab.vms["red-2"].mac))


def test_with_a_foreign_vsid(lab):
    h2 = lab.model["hosts"][1]
    dropped(lab, lab.model["hosts"][0], "unknown_vsid", encapsulated(lab, pa(lab, h2), 99999, lab.vms["red-2"].mac))


def test_with_an_inner_source_that_lives_elsewhere(lab):
    vsid, h2 = lab.model["red"]["subnets"][0]["vsid"], lab.model["hosts"][1]
    dropped(lab, lab.model["hosts"][0], "source_record", encapsulated(lab, pa(lab, h2), vsid, "02:00:00:00:00:99"))


def test_fragmented(lab):
    vsid, h2 = lab.model["red"]["subnets"][0]["vsid"], lab.model["hosts"][1]
    frame = encapsulated(lab, pa(lab, h2), vsid, lab.vms["red-2"].mac, outer=", flags='MF'")
    dropped(lab, lab.model["hosts"][0], "outer_fragment", frame)


def test_truncated(lab):
    h1, h2 = lab.model["hosts"]
    mac = lab.rogue.mac_of(pa(lab, h1))
    dropped(lab, h1, "truncated", f"Ether(dst='{mac}')/IP(src='{pa(lab, h2)}', dst='{pa(lab, h1)}', proto=47)/Raw(bytes.fromhex("
            "'20006558001389000200'))")


def test_to_a_group_mac(lab):
    """An encapsulated packet in a frame to a group address is for nobody."""
    vsid, h2 = lab.model["red"]["subnets"][0]["vsid"], lab.model["hosts"][1]
    frame = encapsulated(lab, pa(lab, h2), vsid, lab.vms["red-2"].mac, destination="01:00:5e:00:00:05")
    dropped(lab, lab.model["hosts"][0], "not_addressed", frame)


def test_what_is_not_ours_passes(lab):
    """The host's own traffic on the uplink is not touched."""
    assert lab.rogue.namespace.run("ping", "-c", "1", "-W", "1", pa(lab, lab.model["hosts"][0]), check=False).returncode == 0


def test_a_guest_may_not_use_anothers_mac_or_address(lab):
    h1, red, peer = lab.model["hosts"][0], lab.vms["red-1"], lab.vms["red-2"]
    for reason, mac, address in (("source_mac", "02:00:00:00:00:98", red.address), ("source_address", red.mac, "10.0.0.99")):
        before = drops(h1).get(reason, 0)
        send(red.namespace, "eth0", f"Ether(dst='{peer.mac}', src='{mac}')/IP(src='{address}', dst='{peer.address}')/UDP(dport=9)")
        wait_for(f"dropped with {reason}", lambda r=reason, b=before: drops(h1).get(r, 0) > b)


def test_too_big_is_told(lab):
    """A packet larger than the path with DF: the guest hears ICMP fragmentation needed with the right MTU."""
    red = lab.vms["red-1"]
    red.namespace.run("ip", "link", "set", "eth0", "mtu", "1500")
    try:
        red.namespace.run("ip", "route", "flush", "cache")
        red.ping(lab.vms["red-2"].address, size=1472, flags=("-M", "do"), timeout=1)
        shown = wait_for("the guest has learned the path's MTU", lambda: [
            line for line in red.namespace.run("ip", "route", "get", lab.vms["red-2"].address).stdout.splitlines() if "mtu 1458" in line])
        assert shown
    finally:
        red.namespace.run("ip", "link", "set", "eth0", "mtu", str(red.mtu))
