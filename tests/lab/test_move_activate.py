"""A move is switched by :activate, while three others send to the VM: the controller tells the hosts one after the other,
and what is between them must find the VM, whoever has been told and whoever has not.

   h1, h2 (site 1)   h3 (site 2)
   "mover" goes between h1 and h2; "near" stays on h1, "mate" on h2, "far" on h3
"""

import contextlib
import signal
import threading
import time

import pytest
from lab import Lab, two_tenants, wait_for
from movable import RATE, Movable, adapter, migrate, wait_done
from traffic import Stream

MOVES = 20
STREAM_RATE = 2 * RATE
SWITCHED = ("source_record", "not_local", "sender_address", "unbound", "unknown_destination", "straggler_loop")


@pytest.fixture(scope="module")
def lab():
    with Lab("mact") as made:
        made.start_controller()
        made.model = two_tenants(made, hosts_per_site=((1, 2), (2, 1)))
        h1, h2, h3 = made.model["hosts"]
        same, other = made.model["red"]["subnets"]
        made.add_vm("mover", same, h1, kind=Movable)
        made.add_vm("near", same, h1)
        made.add_vm("mate", same, h2)
        made.add_vm("far", other, h3)  # what it sends is routed
        yield made


def dropped(lab) -> dict:
    found = {}
    for host in lab.model["hosts"]:
        for row in host.local("stats")["drops"]:
            if row["reason"] in SWITCHED:
                key = host.name, row["reason"]
                found[key] = found.get(key, 0) + row["packets"]
    return found


def new_drops(lab, before: dict) -> dict:
    return {key: count - before.get(key, 0) for key, count in dropped(lab).items() if count != before.get(key, 0)}


def activate(lab, vm, i: int, talks: list) -> None:
    """One whole move. The VM is paused while it changes hosts, and goes on at a moment that is another one each time."""
    h1, h2, _ = lab.model["hosts"]
    source, target = vm.host, h2 if vm.host is h1 else h1
    vm.appear(target)
    location = migrate(vm, target)
    wait_for("the target has the interface", lambda: adapter(vm)["status"].get("target_interface"))
    for stream in talks:
        stream.sender.send_signal(signal.SIGSTOP)
    vm.run_on(target, announce=False)
    told = threading.Thread(target=lab.api, args=("POST", f"/v1/network-adapters/{vm.id}:activate"))
    told.start()
    time.sleep(0.0005 * i)  # not a wait: moves the VM's first frame through the moments in which the hosts are told
    for stream in talks:
        stream.sender.send_signal(signal.SIGCONT)
    told.join()
    wait_done(vm, location)
    assert adapter(vm)["host_id"] == target.id
    vm.vanish(source)


@pytest.mark.parametrize("talks", [False, True], ids=["silent", "talking"])
def test_nothing_is_lost(lab, talks):
    vm, near, mate, far = (lab.vms[name] for name in ("mover", "near", "mate", "far"))
    others = (near, mate, far)
    for other in others:
        assert vm.ping(other.address)
    before = dropped(lab)
    with contextlib.ExitStack() as stack:
        there = [stack.enter_context(Stream(o, vm, STREAM_RATE, 7001 + i)) for i, o in enumerate(others)]
        back = [stack.enter_context(Stream(vm, o, STREAM_RATE)) for o in others if talks]
        for i in range(MOVES):
            activate(lab, vm, i, back)
        sent = lost = 0
        for stream in there + back:
            made, missing = stream.stop()
            print("from", "the VM" if stream in back else "others", made, missing, stream.missing)
            sent, lost = sent + made, lost + missing
    print(f"{MOVES} moves, {sent} packets, {lost} lost; {new_drops(lab, before)}")
    assert lost == 0 and not new_drops(lab, before)
