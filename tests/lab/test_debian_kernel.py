"""Debian 12's own kernel (6.1), whose verifier is stricter: one more hypervisor of the lab runs it in QEMU.

   h1 (namespace) --- site 1 switch --- tap --- [ QEMU: Debian's cloud kernel, skerry-agent, VMs as namespaces ]
"""

import os
import pathlib

import pytest
from guest import Guest, build_initramfs, debian_kernel
from lab import MANAGEMENT, ROOT, Lab, two_tenants, wait_for

# The sanitizers' shadow memory is slow under software emulation: the release build runs in the guest.
BUILD = pathlib.Path(os.environ.get("SKERRY_GUEST_BUILD", ROOT / "build" / "release"))


@pytest.fixture(scope="module")
def lab():
    with Lab("k61") as made:
        made.start_controller()
        yield made


def add_guest_vm(guest: Guest, name: str, adapter: dict, address: str) -> None:
    """A VM as a namespace inside the guest, bound by ifalias."""
    for line in (
        f"ip2 netns add {name}",
        f"ip2 link add v-{name} type veth peer name eth0 netns {name}",
        f"ip2 netns exec {name} ip link set eth0 address {adapter['mac']} mtu 1458 up",
        f"ip2 netns exec {name} ip addr add {address}/24 dev eth0",
        f"ip2 netns exec {name} ip route add default via 10.0.0.1",
        f"ip2 link set v-{name} alias skerry:{adapter['id']}",
        f"ip2 link set v-{name} up",
    ):
        guest.run(line)


def test_a_debian_12_host_enrols_and_its_vms_talk(lab):
    model = two_tenants(lab, hosts_per_site=((1, 1),))
    near = lab.add_vm("red-near", model["red"]["subnets"][0], model["hosts"][0])
    kernel = debian_kernel()
    initramfs = lab.directory / "initramfs.gz"
    programs = [BUILD / "skerry-agent", pathlib.Path("/bin/ip")]
    release = build_initramfs(kernel, programs, initramfs)
    guest = Guest(lab, "k", 1, 9, kernel, initramfs)
    try:
        assert guest.run("uname -r")[1].endswith(release)
        guest.run(f"ip2 addr add {MANAGEMENT}.99/24 dev eth0 && ip2 link set eth0 up && ip2 link set eth1 name up0")
        join = lab.join_string(model["host_groups"][1]["id"])
        guest.run(f"echo '{join}' | skerry-agent join - --name debian --uplink up0 --state-directory /run/skerry", timeout=60)
        guest.run("skerry-agent run --state-directory /run/skerry --socket /run/agent.sock --pin-directory /sys/fs/bpf/skerry"
                  " >/run/agent.log 2>&1 &")
        host = lab.api.find("hosts", "debian")

        def online():
            if not lab.api.get(f"/v1/hosts/{host['id']}")["status"].get("online"):
                return False
            return True

        try:
            wait_for("the Debian host is online", online, timeout=60)
        except Exception:
            print(guest.run("cat /run/agent.log", check=False)[1])
            raise
        assert lab.api.get(f"/v1/hosts/{host['id']}")["status"]["kernel"].startswith("6.1.")
        adapters = {}
        for name in ("ga", "gb"):
            subnet = model["red"]["subnets"][0]
            adapters[name] = lab.api.create(
                "network-adapters", name=name, vm_name=name, vm_network_id=subnet["vm_network_id"], vm_subnet_id=subnet["id"],
                tenant_id=subnet["tenant_id"], host_id=host["id"])
            assert adapters[name]["status"]["realization"]["state"] == "realized", guest.run("cat /run/agent.log")[1]
            add_guest_vm(guest, name, adapters[name], adapters[name]["ip_addresses"][0])
        for name in adapters:
            wait_for(f"{name} is bound", lambda n=name: lab.api.get(f"/v1/network-adapters/{adapters[n]['id']}")["status"]["bound"],
                     timeout=30)
        a, b = (adapters[n]["ip_addresses"][0] for n in ("ga", "gb"))
        guest.run(f"ip2 netns exec ga ping -c 2 -W 5 {b}")
        guest.run(f"ip2 netns exec ga ping -c 2 -W 5 {near.address}")
        guest.run(f"ip2 netns exec gb ping -c 2 -W 5 -s 1430 {near.address}")
        assert near.ping(a, timeout=5) and near.ping(b, timeout=5)
    finally:
        guest.stop()
