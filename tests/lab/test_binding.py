"""How adapters find their interfaces: claims by ifalias, explicit names, MACs; unbind and rebind; learned addresses.

   h1, h2 (site 1), VMs of Red as each test needs them
"""

import pytest
from lab import Lab, Vm, two_tenants, wait_for


@pytest.fixture(scope="module")
def lab():
    with Lab("bind") as made:
        made.start_controller()
        made.model = two_tenants(made, hosts_per_site=((1, 2),))
        made.add_vm("red-1", made.model["red"]["subnets"][0], made.model["hosts"][0])
        yield made


def adapter(lab: Lab, name: str, **fields) -> dict:
    subnet = lab.model["red"]["subnets"][0]
    return lab.api.create("network-adapters", name=name, vm_name=name, vm_network_id=subnet["vm_network_id"],
                          vm_subnet_id=subnet["id"], tenant_id=subnet["tenant_id"], **fields)


def vm_of(lab: Lab, name: str, made: dict) -> Vm:
    vm = Vm(lab, name, None, made, 24, "10.0.0.1")
    lab.vms[name] = vm
    return vm


def test_a_claim_places_an_adapter_that_is_nowhere(lab):
    vm = vm_of(lab, "claimed", adapter(lab, "claimed"))
    vm.plug(lab.model["hosts"][1])
    vm.wait_bound()
    assert lab.api.get(f"/v1/network-adapters/{vm.id}")["host_id"] == lab.model["hosts"][1].id
    assert lab.vms["red-1"].ping(vm.address)


def test_a_second_claim_is_refused_while_the_first_host_has_the_interface(lab):
    vm, (h1, h2) = lab.vms["claimed"], lab.model["hosts"]
    h1.namespace.run("ip", "link", "add", "second", "type", "veth", "peer", "name", "second-peer")
    h1.namespace.run("ip", "link", "set", "second", "alias", f"skerry:{vm.id}")
    h1.namespace.run("ip", "link", "set", "second", "up")
    event = wait_for("an event names both hosts", lambda: [
        e for e in lab.api.list("/v1/events") if e["object_id"] == vm.id and "h1" in (e["detail"] or "") and "h2" in e["detail"]])
    assert "h1" not in event[0]["message"], "what a tenant reads names no host"
    assert lab.api.get(f"/v1/network-adapters/{vm.id}")["host_id"] == h2.id
    h1.namespace.run("ip", "link", "del", "second")


def test_a_claimed_adapter_moves_with_its_vm(lab):
    vm, (h1, h2) = lab.vms["claimed"], lab.model["hosts"]
    vm.unplug()
    wait_for("the adapter is nowhere", lambda: not lab.api.get(f"/v1/network-adapters/{vm.id}").get("host_id"))
    vm.plug(h1)
    vm.wait_bound()
    wait_for("it is reachable on the other host", lambda: lab.vms["red-1"].ping(vm.address))


def test_explicit_interface(lab):
    h1 = lab.model["hosts"][0]
    vm = vm_of(lab, "explicit", adapter(lab, "explicit", host_id=h1.id, interface="v-explicit"))
    assert not vm.bound()
    vm.plug(h1, alias=False)
    vm.wait_bound()
    assert lab.vms["red-1"].ping(vm.address)


def test_a_tap_by_mac_ignores_the_first_octet(lab):
    h1 = lab.model["hosts"][0]
    made = adapter(lab, "tap", host_id=h1.id)
    h1.namespace.run("ip", "tuntap", "add", "tap0", "mode", "tap")
    h1.namespace.run("ip", "link", "set", "tap0", "address", "fe" + made["mac"][2:])
    status = wait_for("bound by MAC", lambda: (lambda s: s if s.get("bound") else None)(
        lab.api.get(f"/v1/network-adapters/{made['id']}")["status"]))
    assert status["bound_interface"] == "tap0"
    h1.namespace.run("ip", "link", "del", "tap0")
    wait_for("unbound again", lambda: not lab.api.get(f"/v1/network-adapters/{made['id']}")["status"]["bound"])


def test_two_interfaces_with_one_mac_are_ambiguous(lab):
    h1 = lab.model["hosts"][0]
    made = adapter(lab, "twice", host_id=h1.id)
    status = lambda: lab.api.get(f"/v1/network-adapters/{made['id']}")["status"]
    h1.agent.kill()  # both are there when it looks: neither has been bound before
    for name in ("twin0", "twin1"):
        h1.namespace.run("ip", "tuntap", "add", name, "mode", "tap")
        h1.namespace.run("ip", "link", "set", name, "address", made["mac"])
    h1.start()
    wait_for("ambiguous_binding", lambda: status().get("bound_reason") == "ambiguous_binding")
    h1.namespace.run("ip", "link", "del", "twin1")
    wait_for("one is left and bound", lambda: status().get("bound_interface") == "twin0")
    # What is bound stays bound when another of its MAC appears, also over a restart of the agent.
    h1.agent.kill()
    h1.namespace.run("ip", "tuntap", "add", "twin1", "mode", "tap")
    h1.namespace.run("ip", "link", "set", "twin1", "address", made["mac"])
    h1.start()
    h1.namespace.run("ip", "link", "set", "twin1", "up")
    marker = adapter(lab, "marker", host_id=h1.id, interface="up0")  # what comes after is told after
    wait_for("the agent has looked", lambda: lab.api.get(f"/v1/network-adapters/{marker['id']}")["status"]
             .get("bound_reason") == "interface_is_uplink")
    assert status()["bound"] and status()["bound_interface"] == "twin0"
    h1.namespace.run("ip", "link", "del", "twin0")
    wait_for("the other takes over", lambda: status().get("bound_interface") == "twin1")
    h1.namespace.run("ip", "link", "del", "twin1")
    lab.api.delete("network-adapters", marker["id"])


def test_an_uplink_never_binds(lab):
    h1 = lab.model["hosts"][0]
    made = adapter(lab, "greedy", host_id=h1.id, interface="up0")
    wait_for("the reason says so", lambda: lab.api.get(f"/v1/network-adapters/{made['id']}")["status"].get("bound_reason") ==
             "interface_is_uplink")
    assert lab.vms["red-1"].ping("10.0.0.1")


def test_a_guest_with_another_mac_is_told(lab):
    """Bound, realized, and dead: the host alone sees why, and says so."""
    h1 = lab.model["hosts"][0]
    vm = vm_of(lab, "masked", adapter(lab, "masked", host_id=h1.id))
    vm.plug(h1)
    vm.wait_bound()
    status = lambda: lab.api.get(f"/v1/network-adapters/{vm.id}")["status"]
    assert not status().get("bound_reason")
    vm.namespace.run("ip", "link", "set", "eth0", "address", "02:00:00:00:99:01")
    vm.namespace.run("ping", "-c", "1", "-W", "1", "10.0.0.1", check=False)
    reason = wait_for("the host says what it sees", lambda: status().get("bound_reason"))
    assert status()["bound"] and "02:00:00:00:99:01" in reason and vm.adapter["mac"] in reason
    events = [e for e in lab.api.list("/v1/events") if e["object_id"] == vm.id and e["reason"] == "GuestMacDiffers"]
    assert len(events) == 1 and "02:00:00:00:99:01" in events[0]["message"]
    vm.unplug()


def test_unbind_and_rebind_with_the_agent_away(lab):
    vm, h1 = lab.vms["red-1"], lab.model["hosts"][0]
    h1.agent.kill()
    vm.unplug()
    vm.plug(h1)
    h1.start()
    wait_for("bound to the new interface", lambda: vm.ping("10.0.0.1"))


def test_learned_addresses_reach_other_hosts_and_age_out(lab):
    learning = lab.api.find("port-classifications", "Guest dynamic IP")
    vm = vm_of(lab, "learn", adapter(lab, "learn", host_id=lab.model["hosts"][1].id, ip_addresses=[],
                                    classification_id=learning["id"]))
    vm.plug(lab.model["hosts"][1])
    vm.wait_bound()
    vm.namespace.run("ip", "addr", "add", "10.0.0.150/24", "dev", "eth0")
    vm.ping("10.0.0.1")

    def learned():
        return [r for r in lab.api.list("/v1/lookup-records") if r["customer_address"] == "10.0.0.150"]

    assert wait_for("a dynamic record", learned)[0]["type"] == "dynamic"
    wait_for("reachable from the other host", lambda: lab.vms["red-1"].ping("10.0.0.150", timeout=1))


def test_an_address_that_is_somebody_elses_is_not_learned(lab):
    """First owner keeps it; the event names both."""
    vm = lab.vms["learn"]
    taken = lab.vms["red-1"].address
    vm.namespace.run("ip", "addr", "add", f"{taken}/32", "dev", "lo", check=False)
    vm.namespace.run("arping", "-c", "1", "-w", "1", "-U", "-I", "eth0", "-S", taken, taken, check=False)
    records = [r for r in lab.api.list("/v1/lookup-records") if r["customer_address"] == taken and
               r["vm_subnet_id"] == vm.adapter["vm_subnet_id"]]
    assert [r["network_adapter_id"] for r in records] == [lab.vms["red-1"].id]
