"""A VM moves and nobody has announced it, as libvirt and QEMU do it by themselves: the target's interface comes up while
the source's is still there, the VM runs on the target, and then the source's interface goes. The claim of the target
waits, and wins the moment the source lets go.

   h1, h2 (site 1)   h3 (site 2)
   "mover" starts on h1; "near" stays on h1, "far" on h3
"""

import time

import pytest
from lab import Lab, two_tenants, wait_for
from movable import Movable, adapter
from traffic import Stream

BOUND_S = 1.0


@pytest.fixture(scope="module")
def lab():
    with Lab("unannounced") as made:
        made.start_controller()
        made.model = two_tenants(made, hosts_per_site=((1, 2), (2, 1)))
        h1, _, h3 = made.model["hosts"]
        subnet = made.model["red"]["subnets"][0]
        made.add_vm("mover", subnet, h1, placed=False, kind=Movable)
        made.add_vm("near", subnet, h1)
        made.add_vm("far", subnet, h3)
        yield made


def is_bound(vm, host):
    now = adapter(vm)
    return now["host_id"] == host.id and now["status"].get("bound")


def claims(lab):
    """Events of claims of the VM's adapter: how often each reason has happened."""
    reasons = {}
    for event in lab.api.list("/v1/events"):
        if event["reason"].startswith("Claim"):
            reasons[event["reason"]] = reasons.get(event["reason"], 0) + event.get("count", 1)
    return reasons


def begin(lab, vm, target):
    """The target's interface is up, its claim has come to the controller, and the VM runs there."""
    before = claims(lab).get("ClaimConflict", 0)
    vm.appear(target)
    wait_for("the claim waits", lambda: claims(lab).get("ClaimConflict", 0) > before)
    vm.run_on(target)


def let_go(lab, vm, source, target):
    """The source's interface goes: how long until the adapter is bound on the target, and until packets flow."""
    near = lab.vms["near"]
    started = time.monotonic()
    vm.vanish(source)
    wait_for(f"{target.name} has it", lambda: is_bound(vm, target), every=0.005)
    bound = time.monotonic() - started
    wait_for("a packet arrives", lambda: near.ping(vm.address), every=0.005)
    return bound, time.monotonic() - started


def test_there_and_back_twice(lab):
    vm, (h1, h2, _) = lab.vms["mover"], lab.model["hosts"]
    for source, target in ((h1, h2), (h2, h1), (h1, h2), (h2, h1)):
        begin(lab, vm, target)
        assert is_bound(vm, source), "while both interfaces exist it stays"
        bound, flowing = let_go(lab, vm, source, target)
        print(f"{source.name} -> {target.name}: bound after {bound:.3f} s, packets after {flowing:.3f} s")
        assert bound <= BOUND_S, bound
        with Stream(lab.vms["far"], vm, 500) as stream:
            stream.goes_on(100)
            sent, lost = stream.stop()
        assert not lost, (sent, lost)
    assert claims(lab).get("ClaimTaken", 0) >= 1
    assert not [e for e in lab.api.list("/v1/compliance") if e["object_id"] == vm.id]


@pytest.mark.parametrize("killed", ["source", "target"])
def test_an_agent_is_killed_in_between(lab, killed):
    vm, (h1, h2, _) = lab.vms["mover"], lab.model["hosts"]
    begin(lab, vm, h2)
    host = h1 if killed == "source" else h2
    host.agent.kill()
    vm.vanish(h1)
    host.start(wait=False)
    wait_for("h2 has it", lambda: is_bound(vm, h2))
    wait_for("packets flow", lambda: lab.vms["near"].ping(vm.address))
    begin(lab, vm, h1)
    let_go(lab, vm, h2, h1)


def test_while_the_controller_is_away(lab):
    vm, (h1, h2, _) = lab.vms["mover"], lab.model["hosts"]
    vm.appear(h2)
    lab.controller.kill()
    vm.run_on(h2)
    vm.vanish(h1)
    lab.controller.start()
    lab.wait_ready()
    wait_for("h2 has it", lambda: is_bound(vm, h2))
    wait_for("packets flow", lambda: lab.vms["near"].ping(vm.address))
    begin(lab, vm, h1)
    lab.controller.kill()
    lab.controller.start()
    lab.wait_ready()
    let_go(lab, vm, h2, h1)
