"""The agent's own ground: one agent on a state directory, on a pin directory and on a socket; pins that somebody deletes.

   h1, h2 (site 1), red-1 on h1, red-2 on h2
"""

import shutil

import pytest
from lab import Lab, two_tenants, wait_for


@pytest.fixture(scope="module")
def lab():
    with Lab("alone", agent_flags=("--audit-interval", "1s")) as made:
        made.start_controller()
        made.model = two_tenants(made, hosts_per_site=((1, 2),))
        for number, host in enumerate(made.model["hosts"], 1):
            made.add_vm(f"red-{number}", made.model["red"]["subnets"][0], host)
        wait_for("red-1 reaches red-2", lambda: made.vms["red-1"].ping(made.vms["red-2"].address))
        yield made


def second(lab, host, state, pins, socket):
    """A second agent; it must end by itself."""
    return host.namespace.run(lab.binary("skerry-agent"), "run", "--state-directory", state, "--pin-directory", pins, "--socket", socket,
                              check=False, timeout=20, env=lab.environment)


@pytest.mark.parametrize("same", ["state", "pins", "socket"])
def test_a_second_agent_is_refused_and_the_first_goes_on(lab, same):
    host = lab.model["hosts"][0]
    copy = lab.directory / f"second-{same}"
    shutil.copytree(host.state, copy, ignore=shutil.ignore_patterns("*.sock"))
    before = host.program_ids()
    words = {"state": copy, "pins": f"{host.pins}/second", "socket": copy / "agent.sock",
             same: {"state": host.state, "pins": host.pins, "socket": host.socket}[same]}
    refused = second(lab, host, words["state"], words["pins"], words["socket"])
    assert refused.returncode not in (0, -9) and str(words[same]) in refused.stderr, refused
    if same != "socket":
        assert f"process {host.agent.popen.pid}" in refused.stderr
    assert host.program_ids() == before
    assert host.local("status")["session"] == "connected"
    assert lab.vms["red-1"].ping(lab.vms["red-2"].address)
    shutil.rmtree(f"{host.pins}/second", ignore_errors=True)


def test_uninstall_waits_for_the_agent_to_end(lab):
    host = lab.model["hosts"][0]
    refused = host.namespace.run(lab.binary("skerry-agent"), "uninstall", "--state-directory", host.state, "--pin-directory", host.pins,
                                 check=False)
    assert refused.returncode and f"process {host.agent.popen.pid}" in refused.stderr, refused
    assert lab.vms["red-1"].ping(lab.vms["red-2"].address)


@pytest.mark.parametrize("flag", ["--pin-directory", "--state-directory", "--socket"])
def test_an_empty_path_is_no_path(lab, flag):
    refused = lab.controller_namespace.run(lab.binary("skerry-agent"), "run", flag, "", check=False)
    assert refused.returncode == 2 and flag in refused.stderr and "path" in refused.stderr, refused


def rows(lab, host) -> list:
    return [(i["object"], i["found"]) for i in lab.api.list(f"/v1/compliance?host_id={host.id}") if i["object_kind"] == "pin"]


def whole_directory(host):
    shutil.rmtree(host.pins)


def one_pin(host):
    (host.pins / "records_ca").unlink()


@pytest.mark.parametrize("delete", [one_pin, whole_directory], ids=lambda f: f.__name__)
def test_deleted_pins_are_told_and_put_back(lab, delete):
    host = lab.model["hosts"][0]
    pins = sorted(p.name for p in host.pins.iterdir())
    lab.api.patch("hosts", host.id, remediation="manual")
    delete(host)
    wait_for("a compliance row", lambda: ("records_ca", "missing") in rows(lab, host))
    assert "object='records_ca'" in host.agent.log.read_text()
    assert not (host.pins / "records_ca").exists()
    lab.api.patch("hosts", host.id, remediation="auto")
    wait_for("the row is gone", lambda: not rows(lab, host))
    assert sorted(p.name for p in host.pins.iterdir()) == pins
    refused = second(lab, host, host.state, host.pins, lab.directory / "other.sock")
    assert f"process {host.agent.popen.pid}" in refused.stderr, "the directory that was made anew is locked too"
    # The pins are there for this: the next agent adopts, and no VM notices.
    host.agent.kill()
    host.start()
    assert lab.vms["red-1"].ping(lab.vms["red-2"].address)
