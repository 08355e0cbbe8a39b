"""A VM moves and nobody has announced it, as libvirt and QEMU do it by themselves: the target's interface comes up while
the source's is still there, the VM runs on the target, and then the source's interface goes. The claim of the target
waits, and wins the moment the source lets go.

   h1, h2 (site 1)   h3 (site 2)
   "mover" starts on h1; "near" stays on h1, "far" on h3
"""

import json
import os
import socket
import subprocess
import time

import pytest
from guest import MARK, Guest, build_initramfs, debian_kernel
from lab import Lab, LabError, Vm, _die_with_parent, two_tenants, wait_for
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


class MigratingGuest(Guest):
    """A real QEMU guest with one NIC: a tap of the host, which `incoming` makes wait for a migration's stream."""

    def __init__(self, lab, vm, host, kernel, initramfs, incoming=None):
        self.lab, self.name, self.heard, self.commands = lab, f"{vm.name}-{host.name}", "", 0
        self.log = open(lab.directory / f"{self.name}.console", "wb")
        self.monitor = lab.directory / f"{self.name}.qmp"
        host.namespace.run("ip", "tuntap", "add", vm.port, "mode", "tap")
        host.namespace.run("ip", "link", "set", vm.port, "alias", f"skerry:{vm.id}", "up")
        vmlinuz = next((kernel / "boot").glob("vmlinuz-*"))
        self.qemu = subprocess.Popen(
            host.namespace.command("qemu-system-x86_64", "-machine", "q35,accel=tcg", "-cpu", "max", "-m", "256", "-nodefaults",
                                   "-no-reboot", "-display", "none", "-serial", "stdio", "-kernel", vmlinuz, "-initrd", initramfs,
                                   "-append", "console=ttyS0 quiet panic=-1 mitigations=off",
                                   "-netdev", f"tap,id=n0,ifname={vm.port},script=no,downscript=no",
                                   "-device", f"virtio-net-pci,netdev=n0,mac={vm.mac},romfile=",
                                   "-qmp", f"unix:{self.monitor},server=on,wait=off",
                                   *(("-incoming", f"unix:{incoming}") if incoming else ())),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log, preexec_fn=_die_with_parent)
        os.set_blocking(self.qemu.stdout.fileno(), False)
        wait_for("QEMU listens", self.monitor.exists)
        self.qmp = socket.socket(socket.AF_UNIX)
        self.qmp.connect(str(self.monitor))
        self.answers = self.qmp.makefile("r")
        self.ask("qmp_capabilities")
        if not incoming:
            self.expect(f"{MARK}ready", 90)

    def ask(self, command, **arguments):
        self.qmp.sendall(json.dumps({"execute": command, "arguments": arguments}).encode() + b"\n")
        for line in self.answers:
            answer = json.loads(line)
            if "return" in answer or "error" in answer:
                assert "return" in answer, answer
                return answer["return"]
        raise LabError(f"{self.name}: QEMU has closed its monitor")

    def end(self, vm, host):
        self.qemu.kill()
        self.qemu.wait(10)
        host.namespace.run("ip", "link", "del", vm.port, check=False)


class Machine(Vm):
    """The adapter of a VM that QEMU runs: nothing of it is a namespace's."""

    def plug(self, host, alias=True):
        pass


def test_qemu_migrates_by_itself(lab, tmp_path):
    h1, h2, _ = lab.model["hosts"]
    vm = lab.add_vm("machine", lab.model["red"]["subnets"][0], kind=Machine)
    kernel, near, stream = debian_kernel(), lab.vms["near"], tmp_path / "stream"
    build_initramfs(kernel, [], tmp_path / "initramfs")
    source = MigratingGuest(lab, vm, h1, kernel, tmp_path / "initramfs")
    try:
        source.run(f"ip addr add {vm.address}/24 dev eth0; ip link set eth0 mtu 1400 up")
        wait_for("the guest answers", lambda: near.ping(vm.address))
        assert is_bound(vm, h1)
        target = MigratingGuest(lab, vm, h2, kernel, tmp_path / "initramfs", incoming=stream)
        try:
            wait_for("the claim waits", lambda: any(e["reason"] == "ClaimConflict" and e["object_id"] == vm.id
                                                    for e in lab.api.list("/v1/events")))
            source.ask("migrate", uri=f"unix:{stream}")
            wait_for("the migration is complete", lambda: source.ask("query-migrate").get("status") == "completed", 60)
            wait_for("the guest runs on h2", lambda: target.ask("query-status")["status"] == "running")
            started = time.monotonic()
            source.end(vm, h1)
            wait_for("h2 has it", lambda: is_bound(vm, h2), every=0.005)
            bound = time.monotonic() - started
            wait_for("the guest answers", lambda: near.ping(vm.address), every=0.005)
            print(f"QEMU: bound after {bound:.3f} s, answers after {time.monotonic() - started:.3f} s")
            assert bound <= BOUND_S, bound
        finally:
            target.end(vm, h2)
    finally:
        source.end(vm, h1)
