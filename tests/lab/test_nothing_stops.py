"""Traffic goes on whatever happens to the daemons: 1,000 packets a second between two VMs on two hosts, none lost.

   red-1 on h1 (site 1)  === 1,000 datagrams a second ===>  red-2 on h2 (site 2)
"""

import time

import pytest
from lab import ROOT, Lab, run, two_tenants, wait_for
from traffic import Stream


RECONNECT_S = 45  # an agent that found nobody for long tries again after at most 30 s


@pytest.fixture(scope="module")
def lab():
    with Lab("stops") as made:
        made.start_controller()
        model = two_tenants(made, hosts_per_site=((1, 1), (2, 1)))
        made.model = model
        for number, host in enumerate(model["hosts"], 1):
            made.add_vm(f"red-{number}", model["red"]["subnets"][0], host)
        wait_for("red-1 reaches red-2", lambda: made.vms["red-1"].ping(made.vms["red-2"].address))
        yield made


def stream(lab: Lab) -> Stream:
    return Stream(lab.vms["red-1"], lab.vms["red-2"])


def test_agents_killed_and_restarted_20_times_each(lab):
    with stream(lab) as running:
        for _ in range(20):
            for host in lab.hosts.values():
                host.agent.kill()
                host.start()
        sent, lost = running.stop()
    assert sent > 1000
    assert lost == 0, f"{lost} of {sent}: {running.missing}"


def test_controller_killed_and_restarted_5_times(lab):
    with stream(lab) as running:
        for _ in range(5):
            lab.controller.kill()
            lab.controller.start()
            lab.wait_ready()
            for host in lab.hosts.values():
                wait_for(f"{host.name} is back", host.online, timeout=RECONNECT_S)
        sent, lost = running.stop()
    assert lost == 0, f"{lost} of {sent}: {running.missing}"


def test_a_minute_without_a_controller(lab):
    """Traffic goes on and local changes still bind from the cache."""
    with stream(lab) as running:
        lab.controller.kill()
        vm = lab.vms["red-2"]
        time.sleep(60)  # the condition itself: a controller away for this long
        sent, lost = running.stop()
        assert lost == 0, f"{lost} of {sent}: {running.missing}"
    host = vm.host
    vm.unplug()
    vm.plug(host)
    wait_for("the restarted VM is bound from the cache", lambda: vm.ping(lab.vms["red-1"].address, timeout=1))
    lab.controller.start()
    lab.wait_ready()
    for each in lab.hosts.values():
        wait_for(f"{each.name} is back", each.online, timeout=RECONNECT_S)


def test_agent_starts_from_cache_while_the_controller_is_away(lab):
    """A rebooted host: pins gone, controller gone; the cache brings the fast path back within a second or so."""
    host = lab.hosts["h2"]
    lab.controller.kill()
    host.agent.kill()
    host.forget_fast_path()
    assert not lab.vms["red-1"].ping(lab.vms["red-2"].address, timeout=0.3)
    begin = time.monotonic()
    host.agent.start()
    wait_for("the fast path is back from the cache", lambda: lab.vms["red-1"].ping(lab.vms["red-2"].address, timeout=0.2))
    assert time.monotonic() - begin < 5
    lab.controller.start()
    lab.wait_ready()
    for each in lab.hosts.values():
        wait_for(f"{each.name} is back", each.online, timeout=RECONNECT_S)


def test_another_build_of_the_programs_in_place(lab):
    """Upgrade and back: the same tables, other programs (an older instruction set), no packet lost."""
    other = lab.directory / "other.bpf.o"
    run("clang", "-target", "bpf", "-mcpu=v2", "-O2", "-g", f"-I{ROOT}/include", f"-I{ROOT}", "-I/usr/include/x86_64-linux-gnu",
        "-c", ROOT / "agent/bpf/skerry.bpf.c", "-o", other)
    with stream(lab) as running:
        for flags in (("--object", other), ()):
            for host in lab.hosts.values():
                before = host.program_ids()
                host.agent.stop()
                host.agent.words = (*host.plain_words, *flags)
                host.start()
                assert host.program_ids() != before
        sent, lost = running.stop()
    assert lost == 0, f"{lost} of {sent}: {running.missing}"


@pytest.mark.parametrize("cache", [True, False], ids=["from the cache", "from the controller"])
def test_tables_of_another_version(lab, cache):
    """An upgrade that cannot use the tables of before: they serve until the new ones are filled, and no packet is lost."""
    with stream(lab) as running:
        for host in lab.hosts.values():
            before = host.program_ids()
            host.agent.stop()
            # To the next agent, this was an agent of another version.
            run("bpftool", "map", "update", "pinned", host.pins / "info", "key", *"0000", "value", "99", *("0",) * 15)
            if not cache:
                (host.state / "cache").unlink()
            running.goes_on()
            host.start()
            wait_for("the new programs are attached", lambda: set(host.program_ids().values()).isdisjoint(before.values()))
            running.goes_on()
        sent, lost = running.stop()
    assert lost == 0, f"{lost} of {sent}: {running.missing}"
