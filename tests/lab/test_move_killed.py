"""An agent is killed in the middle of a move, alone or with the controller: what the kernel was told is enough, the VM
loses no packet, and the records end right.

   h1, h2 (site 1)   h3 (site 2)
   "mover" goes between h1 and h2; "near" stays on h1, "far" on h3
"""

import time

import pytest
from lab import Lab, two_tenants, wait_for
from movable import RATE, Movable, Watch, adapter, migrate, wait_done
from traffic import Stream


@pytest.fixture(scope="module")
def lab():
    with Lab("killed") as made:
        made.start_controller()
        made.model = two_tenants(made, hosts_per_site=((1, 2), (2, 1)))
        h1, _, h3 = made.model["hosts"]
        subnet = made.model["red"]["subnets"][0]
        vm = made.add_vm("mover", subnet, h1, kind=Movable)
        for name, host in (("near", h1), ("far", h3)):
            other = made.add_vm(name, subnet, host)
            wait_for(f"{name} reaches mover", lambda other=other: other.ping(vm.address))
        yield made


def others_reach(vm: Movable) -> None:
    for name in ("near", "far"):
        assert vm.lab.vms[name].ping(vm.address), f"{name} does not reach mover"


def run_on(vm: Movable, target) -> None:
    """The VM goes on there, and soon no frame for it comes anywhere else."""
    watch, old = Watch(vm, vm.card(target)), Watch(vm, vm.card(vm.host))
    vm.run_on(target)
    wait_for("frames reach the VM on its new host", lambda: watch.received)
    others_reach(vm)
    since = time.time()
    others_reach(vm)
    watch.stop()
    old.stop()
    assert (old.last or 0) < since, "frames still reach the VM's old interface"


def expect_records(lab: Lab, vm: Movable, target) -> None:
    """Model and hosts say that it is there, and nothing of the move is left."""
    wait_for("it is bound there", lambda: adapter(vm)["status"]["bound"])
    made = adapter(vm)
    assert made["host_id"] == target.id and not made["status"].get("target_host_id"), made
    records = lab.api.get(f"/v1/lookup-records?network_adapter_id={vm.id}")["items"]
    assert [record["host_id"] for record in records] == [target.id], records
    revision = lab.api.revision
    assert lab.api.get(f"/v1/realizations/{revision}?wait=realized&timeout=20s")["state"] == "realized"
    for host in lab.model["hosts"]:
        wait_for(f"{host.name} is in sync", lambda host=host: host.local("status")["revision"] >= revision)
        here = [port for port in host.local("ports")["items"] if port["adapter_id"] == vm.id and not port["closed"]]
        assert bool(here) == (host is target), (host.name, here)
    others_reach(vm)


@pytest.mark.parametrize("with_controller", (False, True), ids=("alone", "with the controller"))
@pytest.mark.parametrize("when", ("before the first frame", "after it"))
@pytest.mark.parametrize("who", ("source", "target"))
def test_killed(lab, who, when, with_controller):
    vm, far = lab.vms["mover"], lab.vms["far"]
    h1, h2, _ = lab.model["hosts"]
    source, target = vm.host, h2 if vm.host is h1 else h1
    victim = source if who == "source" else target

    def kill():
        victim.agent.kill()
        if with_controller:
            lab.controller.kill()

    with Stream(far, vm, RATE) as there, Stream(vm, far, RATE) as back:
        vm.appear(target)
        location = migrate(vm, target)
        wait_for("the target has the interface", lambda: adapter(vm)["status"].get("target_interface"))
        if when == "before the first frame":
            kill()
            run_on(vm, target)
        else:
            run_on(vm, target)
            kill()
        if with_controller:
            lab.controller.start()
            lab.wait_ready()
        if who == "source":  # nothing waits for it
            wait_for("the controller knows", lambda: adapter(vm)["host_id"] == target.id)
        victim.start()
        wait_done(vm, location)
        expect_records(lab, vm, target)
        for stream in (there, back):
            sent, lost = stream.stop()
            assert lost == 0, (sent, lost, stream.missing)
    vm.vanish(source)
