"""Drift: somebody changes a host by hand; it is seen, told and put back, and what is not ours stays.

   h1, h2 (site 1): red-1 on h1, red-2 on h2; the audit of the tables runs every second here
"""

import struct
import time

import pytest
from lab import Lab, two_tenants, wait_for


@pytest.fixture(scope="module")
def lab():
    with Lab("drift", agent_flags=("--audit-interval", "1s")) as made:
        made.start_controller()
        made.model = two_tenants(made, hosts_per_site=((1, 2),))
        for number, host in enumerate(made.model["hosts"], 1):
            made.add_vm(f"red-{number}", made.model["red"]["subnets"][0], host)
        wait_for("red-1 reaches red-2", lambda: reaches(made))
        yield made


def reaches(lab: Lab) -> bool:
    return lab.vms["red-1"].ping(lab.vms["red-2"].address, timeout=1)


def manual(lab: Lab, host) -> None:
    lab.api.patch("hosts", host.id, remediation="manual")


def items(lab: Lab, host) -> list:
    return lab.api.list(f"/v1/compliance?host_id={host.id}")


def delete_filter(lab, host):
    host.namespace.run("tc", "filter", "del", "dev", lab.vms["red-1"].port, "ingress", "prio", "49152")


def delete_qdisc(lab, host):
    host.namespace.run("tc", "qdisc", "del", "dev", lab.vms["red-1"].port, "clsact")


def delete_address(lab, host):
    address = lab.api.list(f"/v1/provider-addresses?host_id={host.id}")[0]["address"]
    host.namespace.run("ip", "addr", "del", f"{address}/24", "dev", "up0")


def uplink_down(lab, host):
    host.namespace.run("ip", "link", "set", "up0", "down")


def port_down(lab, host):
    host.namespace.run("ip", "link", "set", lab.vms["red-1"].port, "down")


def uplink_filter(lab, host):
    host.namespace.run("tc", "filter", "del", "dev", "up0", "ingress", "prio", "49152")


def map_entry(lab, host):
    """The record that says where red-2's MAC is, deleted from the kernel's map."""
    vsid = lab.model["red"]["subnets"][0]["vsid"]
    mac = bytes(int(part, 16) for part in lab.vms["red-2"].mac.split(":"))
    key = struct.pack("<I6s2x", vsid, mac)
    run = ["bpftool", "map", "delete", "pinned", str(host.pins / "records_mac"), "key", *(str(b) for b in key)]
    host.namespace.run(*run)


CHANGES = [
    (delete_filter, "filter", 1.0),
    (delete_qdisc, "filter", 1.0),
    (delete_address, "provider-address", 1.0),
    (uplink_down, "uplink", 1.0),
    (port_down, "port", 1.0),
    (uplink_filter, "filter", 1.0),
    (map_entry, "map-entry", 3.0),
]


LEFT = [change for change in CHANGES if change[0] not in (delete_filter, delete_qdisc)]


@pytest.mark.parametrize("change,kind,seconds", LEFT, ids=[c[0].__name__ for c in LEFT])
def test_seen_told_left_and_remediated(lab, change, kind, seconds):
    host = lab.model["hosts"][0]
    manual(lab, host)
    change(lab, host)
    begin = time.monotonic()
    found = wait_for(f"{change.__name__} is in /v1/compliance", lambda: [i for i in items(lab, host) if i["object_kind"] == kind])
    assert time.monotonic() - begin < seconds + 0.5
    assert found[0]["host_id"] == host.id and found[0]["expected"] and found[0]["found"] and found[0]["since"]
    lab.api("POST", f"/v1/hosts/{host.id}:remediate")
    wait_for("nothing differs any more", lambda: not items(lab, host))
    wait_for("traffic is back", lambda: reaches(lab))


@pytest.mark.parametrize("change", [delete_filter, delete_qdisc])
def test_a_guest_is_kept_out_of_the_host_in_manual_too(lab, change):
    host = lab.model["hosts"][0]
    manual(lab, host)
    before = host.program_ids()
    change(lab, host)
    wait_for("our program is back", lambda: host.program_ids() == before)
    wait_for("nothing differs any more", lambda: not items(lab, host))
    assert reaches(lab)


@pytest.mark.parametrize("change", [c[0] for c in CHANGES], ids=[c[0].__name__ for c in CHANGES])
def test_repaired_by_itself(lab, change):
    host = lab.model["hosts"][0]
    lab.api.patch("hosts", host.id, remediation="auto")
    change(lab, host)
    begin = time.monotonic()
    wait_for("traffic is back", lambda: reaches(lab), timeout=10)
    assert time.monotonic() - begin < 4
    wait_for("nothing differs any more", lambda: not items(lab, host))


def test_an_uplink_that_loses_its_carrier_is_told_until_it_is_back(lab):
    host = lab.model["hosts"][0]
    lab.api.patch("hosts", host.id, remediation="auto")
    port = f"{host.name}-up"  # the switch's end of the cable
    lab.physical.run("ip", "link", "set", port, "down")
    try:
        [found] = wait_for("it is in /v1/compliance", lambda: [i for i in items(lab, host) if i["field"] == "carrier"])
        assert (found["object_kind"], found["object"], found["found"]) == ("uplink", "up0", "lost"), found
    finally:
        lab.physical.run("ip", "link", "set", port, "up")
    wait_for("nothing differs any more", lambda: not items(lab, host))
    wait_for("traffic is back", lambda: reaches(lab))


def test_a_replaced_program_is_seen_and_put_back(lab):
    host, port = lab.model["hosts"][0], lab.vms["red-1"].port
    lab.api.patch("hosts", host.id, remediation="auto")
    before = host.program_ids()
    # Somebody else's program in our place, same priority and handle: it accepts everything.
    host.namespace.run("tc", "filter", "replace", "dev", port, "ingress", "prio", "49152", "handle", "1", "bpf", "da",
                       "bytecode", "1,6 0 0 0")
    wait_for("our program is back", lambda: host.program_ids() == before)
    assert reaches(lab)


def test_foreign_filters_stay_and_are_told(lab):
    host, port = lab.model["hosts"][0], lab.vms["red-1"].port
    # A program that passes everything on, as the kernel's class of filters without a module of its own.
    host.namespace.run("tc", "filter", "add", "dev", port, "ingress", "prio", "7", "protocol", "all", "bpf", "da",
                       "bytecode", "1,6 0 0 4294967295")
    [found] = wait_for("it is in /v1/compliance", lambda: items(lab, host))
    assert (found["object_kind"], found["object"], found["field"]) == ("filter", port, "port_ingress.others"), found
    assert found["expected"] == "none" and found["found"].startswith("1 "), found
    before = host.namespace.run("tc", "filter", "show", "dev", port, "ingress", "prio", "7").stdout
    assert before
    delete_filter(lab, host)
    wait_for("traffic is back", lambda: reaches(lab))
    assert host.namespace.run("tc", "filter", "show", "dev", port, "ingress", "prio", "7").stdout == before
    host.namespace.run("tc", "filter", "del", "dev", port, "ingress", "prio", "7")
    wait_for("nothing differs any more", lambda: not items(lab, host))


def test_drift_is_shown_on_the_host_too(lab):
    host = lab.model["hosts"][0]
    manual(lab, host)
    delete_address(lab, host)
    wait_for("skerryctl host local drift shows it", lambda: any(
        i["object_kind"] == "provider-address" for i in host.local("drift")["items"]))
    lab.api("POST", f"/v1/hosts/{host.id}:remediate")
    wait_for("it is gone", lambda: not host.local("drift")["items"])


def flags(lab: Lab, host, vm) -> list:
    """What the port's guard does in the kernel."""
    [port] = [p for p in host.local("ports")["items"] if p["adapter_id"] == vm.id]
    return port["flags"]


def held(lab: Lab, host) -> list:
    return [i for i in items(lab, host) if i["object_kind"] == "virtual-port-profile"]


def test_a_changed_profile_waits_for_its_remediation(lab):
    """The whole chain: PATCH of a profile, rows, reports and restarts that leave them alone, :remediate, the kernel."""
    host, vm, api = lab.model["hosts"][0], lab.vms["red-1"], lab.api
    profile = api.create("virtual-port-profiles", name="strict", security={"mac_spoofing": False})
    kind = api.create("port-classifications", name="Strict", virtual_port_profile_id=profile["id"])
    tenant = api.get(f"/v1/tenants/{lab.model['red']['tenant']['id']}")
    api.patch("tenants", tenant["id"], port_classification_ids=[*tenant["port_classification_ids"], kind["id"]])
    api.patch("network-adapters", vm.id, classification_id=kind["id"])
    manual(lab, host)
    wait_for("nothing differs", lambda: not items(lab, host))
    assert "mac_spoofing" not in flags(lab, host, vm)
    api.patch("virtual-port-profiles", profile["id"], wait=False, security={"mac_spoofing": True})
    [row] = held(lab, host)
    assert (row["field"], row["expected"], row["found"], row["object_id"]) == ("security.mac_spoofing", "true", "false", profile["id"])
    # Whole reports, of this agent and of a new one, and with something else that differs: the row is not theirs.
    delete_address(lab, host)
    wait_for("the address is missed", lambda: [i for i in items(lab, host) if i["object_kind"] == "provider-address"])
    host.agent.kill()
    host.start()
    lab.controller.kill()
    lab.controller.start()
    lab.wait_ready()
    wait_for("h1 is back", host.online)
    wait_for("its port is there", lambda: any(p["adapter_id"] == vm.id and p["bound"] for p in host.local("ports")["items"]))
    assert [r["id"] for r in held(lab, host)] == [row["id"]]
    assert "mac_spoofing" not in flags(lab, host, vm), "what is held back is not in force"
    job = api("POST", f"/v1/hosts/{host.id}:remediate")
    wait_for("the job has ended", lambda: api.get(f"/v1/jobs/{job['id']}")["state"] == "succeeded")
    assert not held(lab, host)
    wait_for("it is in force", lambda: "mac_spoofing" in flags(lab, host, vm))
    wait_for("nothing differs any more", lambda: not items(lab, host))
    wait_for("traffic is back", lambda: reaches(lab))
    # And with `auto` at once.
    api.patch("hosts", host.id, remediation="auto")
    api.patch("virtual-port-profiles", profile["id"], security={"mac_spoofing": False})
    assert not held(lab, host) and "mac_spoofing" not in flags(lab, host, vm)
