"""When things fail: identities, databases and hosts that misbehave, and what keeps going meanwhile.

   h1, h2, h3 (site 1); red-1 on h1, red-2 on h2, red-3 on h3; blue-1 on h1, blue-3 on h3
   Certificates live LIFETIME seconds, so that they are renewed all the time.
"""

import json
import os
import pathlib
import re
import shutil
import signal
import sqlite3
import subprocess
import time

import pytest
from lab import ApiError, Lab, Process, run, two_tenants, wait_for
from traffic import Stream

LIFETIME = 4


@pytest.fixture(scope="module")
def lab():
    with Lab("fail", controller_flags=("--certificate-lifetime", f"{LIFETIME}s")) as made:
        options = os.environ.get("ASAN_OPTIONS", "")
        made.environment["ASAN_OPTIONS"] = f"{options}:quarantine_size_mb=1".lstrip(":")  # freed is freed: memory is measured
        made.start_controller()
        made.model = two_tenants(made, hosts_per_site=((1, 3),))
        h1, h2, h3 = made.model["hosts"]
        for name, tenant, host in (("red-1", "red", h1), ("red-2", "red", h2), ("red-3", "red", h3), ("blue-1", "blue", h1),
                                   ("blue-3", "blue", h3)):
            made.add_vm(name, made.model[tenant]["subnets"][0], host)
        wait_for("red-1 reaches red-2", lambda: made.vms["red-1"].ping(made.vms["red-2"].address))
        yield made


# ---- small things ----


def stream(lab: Lab) -> Stream:
    return Stream(lab.vms["red-1"], lab.vms["red-2"])


def log(process: Process) -> str:
    return process.log.read_text(errors="replace")


def metric(lab: Lab, name: str) -> int:
    text = lab.api.request("GET", "/metrics")[2]
    return int(re.search(rf"^{name} (\d+)$", text, re.M).group(1))


def dump(host, table: str) -> list:
    """The entries of one of the host's pinned maps, in an order of their own."""
    words = ["bpftool", "-j", "map", "dump", "pinned", str(host.pins / table)]
    return sorted(json.dumps([entry["key"], entry.get("value", entry.get("values"))]) for entry in json.loads(run(*words).stdout))


def tables(host) -> dict[str, list]:
    """What the controller decides: not counters, not what packets leave behind."""
    return {name: dump(host, name) for name in DESIRED}


DESIRED = ("ports", "records_mac", "records_ca", "subnets", "routes", "own_pas", "peers", "flood")


def drops(host, reason: str) -> int:
    return next((d["packets"] for d in host.local("stats")["drops"] if d["reason"] == reason), 0)


def address_of(lab: Lab, host_id: str) -> str | None:
    rows = lab.api.list(f"/v1/provider-addresses?host_id={host_id}")
    return rows[0].get("address") if rows else None


def all_online(lab: Lab) -> None:
    for host in lab.model["hosts"]:
        wait_for(f"{host.name} is online", host.online)


def stop_and_wait(lab: Lab, host) -> None:
    host.agent.kill()
    wait_for(f"{host.name} is seen to go", lambda: not lab.api.get(f"/v1/hosts/{host.id}")["status"]["online"], timeout=20)


def attempt_join(host, join_string: str) -> subprocess.CompletedProcess:
    """Somebody who tries to join as `mallory` from the host's place, with a state directory of its own."""
    state = host.lab.directory / "mallory"
    shutil.rmtree(state, ignore_errors=True)
    state.mkdir()
    return host.namespace.run(
        host.lab.binary("skerry-agent"), "join", "-", "--name", "mallory", "--uplink", "up0", "--state-directory", state,
        input=join_string + "\n", env=host.lab.environment, check=False)


def refused(answer: subprocess.CompletedProcess, *words: str) -> None:
    said = answer.stdout + answer.stderr
    assert answer.returncode != 0, said
    for word in words:
        assert word in said.lower(), said
    assert "Sanitizer" not in said, said


# ---- enrolment ----


def test_a_one_use_token_is_used_once(lab):
    h1 = lab.model["hosts"][0]
    string = lab.join_string()
    assert attempt_join(h1, string).returncode == 0
    refused(attempt_join(h1, string), "used")  # a new state directory is a new key: another host
    assert len(lab.api.list("/v1/hosts?name=mallory")) == 1
    lab.api.delete("hosts", lab.api.find("hosts", "mallory")["id"], wait=False)


def test_a_wrong_pin_sends_nothing(lab):
    string = lab.join_string()
    pin = string.split("#")[1]
    before = metric(lab, "skerry_agent_frames_received_total"), metric(lab, "skerry_agent_enrolments_total")
    other = ("0" if pin[0] != "0" else "1") + pin[1:]
    refused(attempt_join(lab.model["hosts"][0], string.split("#")[0] + "#" + other))
    assert metric(lab, "skerry_agent_enrolments_total") == before[1]
    assert attempt_join(lab.model["hosts"][0], string).returncode == 0, "the token was not spent on the wrong controller"
    lab.api.delete("hosts", lab.api.find("hosts", "mallory")["id"], wait=False)


def test_an_expired_token_is_refused(lab):
    token = lab.api.create("join-tokens", wait=False, name="brief", ttl_s=60)
    with sqlite3.connect(lab.directory / "controller/skerry.db", timeout=5) as database:  # a minute passes
        database.execute("UPDATE join_token SET expires_at = expires_at - 60000 WHERE name = 'brief'")
    database.close()
    refused(attempt_join(lab.model["hosts"][0], token["join_string"]), "has ended")
    assert not lab.api.list("/v1/hosts?name=mallory")


# ---- certificates, and a controller that comes back ----


def until(host) -> str:
    return host.local("status")["certificate_until"]


def test_certificates_renew_over_the_running_session(lab):
    sessions = {h.name: h.local("status")["session_number"] for h in lab.model["hosts"]}
    with stream(lab) as running:
        first = {h.name: until(h) for h in lab.model["hosts"]}
        for host in lab.model["hosts"]:
            wait_for(f"{host.name} has renewed", lambda host=host: until(host) > first[host.name], timeout=LIFETIME)
        second = {h.name: until(h) for h in lab.model["hosts"]}
        for host in lab.model["hosts"]:
            wait_for(f"{host.name} has renewed again", lambda host=host: until(host) > second[host.name], timeout=LIFETIME)
        sent, lost = running.stop()
    assert lost == 0, f"{lost} of {sent}: {running.missing}"
    assert {h.name: h.local("status")["session_number"] for h in lab.model["hosts"]} == sessions, "no new session"


def test_a_controller_away_longer_than_certificates_live(lab):
    """Agents come back by Renew, and by digest: nothing is sent again and nothing is reprogrammed."""
    hosts = lab.model["hosts"]
    for host in hosts:
        wait_for(f"{host.name} holds everything", lambda host=host: host.local("status")["revision"] >= lab.api.revision)
    before = {h.name: (tables(h), h.program_ids()) for h in hosts}
    deltas = {h.name: h.local("status")["deltas"] for h in hosts}
    sessions = {h.name: h.local("status")["session_number"] for h in hosts}
    assert all(deltas.values())
    assert all(before[h.name][0]["peers"] and before[h.name][0]["records_mac"] for h in hosts)
    with stream(lab) as running:
        lab.controller.stop()
        time.sleep(LIFETIME + 0.5)  # the condition itself: every certificate has expired
        lab.controller.start()
        lab.wait_ready()
        all_online(lab)
        sent, lost = running.stop()
    assert lost == 0, f"{lost} of {sent}: {running.missing}"
    assert {h.name: (tables(h), h.program_ids()) for h in hosts} == before
    assert {h.name: h.local("status")["deltas"] for h in hosts} == deltas
    for host in hosts:
        assert host.local("status")["session_number"] == sessions[host.name] + 1, "one Hello, and that after Renew"


# ---- a slow host ----


def memory(process: Process) -> int:
    """KiB."""
    return int(re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{process.popen.pid}/status").read_text()).group(1))


def test_a_slow_host_delays_nobody(lab):
    h1, h2, h3 = lab.model["hosts"]
    blue, red = lab.model["blue"]["subnets"][0], lab.model["red"]["subnets"][0]
    before = memory(lab.controller)
    made, waits = [], []
    h2.agent.signal(signal.SIGSTOP)
    try:
        for number in range(150):
            # Red concerns all three hosts, h2 as well; blue only h1 and h3.
            made.append(lab.api.create("network-adapters", wait=False, name=f"red-slow-{number}", vm_name="slow",
                                       vm_network_id=red["vm_network_id"], vm_subnet_id=red["id"],
                                       tenant_id=red["tenant_id"], host_id=h1.id)["id"])
            if number % 40 == 0:
                begin = time.monotonic()
                one = lab.api.create("network-adapters", name=f"blue-slow-{number}", vm_name="slow",
                                     vm_network_id=blue["vm_network_id"], vm_subnet_id=blue["id"],
                                     tenant_id=blue["tenant_id"], host_id=h1.id)
                waits.append(time.monotonic() - begin)
                assert one["status"]["realization"]["state"] == "realized", one
                made.append(one["id"])
        last = {}

        def only_h2():
            last.update(lab.api.get(f"/v1/network-adapters/{made[-1]}")["status"]["realization"])
            return [h["name"] for h in last["hosts"]["not_applied"]] == ["h2"]

        wait_for("all but h2 have applied the last of them", only_h2)
        assert last["state"] == "pending", last
        grown = memory(lab.controller) - before
    finally:
        h2.agent.signal(signal.SIGCONT)
    assert max(waits) < 1.5, waits
    assert grown < 32 * 1024, f"{grown} KiB"
    revision = lab.api.revision
    assert lab.api.get(f"/v1/realizations/{revision}?wait=realized&timeout=20s")["state"] == "realized"
    wait_for("h2 has caught up", lambda: h2.local("status")["revision"] >= revision)
    assert h2.online()
    for identity in made:
        lab.api.delete("network-adapters", identity, wait=False)
    assert lab.api.get(f"/v1/realizations/{lab.api.revision}?wait=realized&timeout=20s")["state"] == "realized"


# ---- what is freed rests ----


def test_what_is_freed_rests_until_every_host_has_let_go(lab):
    api = lab.api
    h1, h2, h3 = lab.model["hosts"]
    red = lab.model["red"]
    subnet = lambda name, octet: api.create(  # noqa: E731
        "vm-subnets", wait=False, name=name, tenant_id=red["tenant"]["id"], vm_network_id=red["vm_network"]["id"],
        prefix=f"10.0.{octet}.0/24")
    first = subnet("rest-1", 71)
    joined = attempt_join(h1, lab.join_string(lab.model["host_groups"][1]["id"]))
    assert joined.returncode == 0, joined.stderr
    mallory = api.find("hosts", "mallory")
    address = address_of(lab, mallory["id"])
    assert address
    for host in lab.model["hosts"]:
        wait_for(f"{host.name} is in sync", lambda host=host: host.local("status")["revision"] >= api.revision)
    stop_and_wait(lab, h3)
    api.delete("vm-subnets", first["id"], wait=False)
    api.delete("hosts", mallory["id"], wait=False)
    second = subnet("rest-2", 72)
    assert second["vsid"] != first["vsid"]
    with pytest.raises(ApiError) as told:
        api.create("vm-subnets", wait=False, name="rest-3", tenant_id=red["tenant"]["id"], vm_network_id=red["vm_network"]["id"],
                   prefix="10.0.73.0/24", vsid=first["vsid"])
    assert told.value.status == 409 and "rests" in told.value.problem["detail"]
    for host in (h1, h2):  # that others are past it is no proof
        wait_for(f"{host.name} is in sync", lambda host=host: host.local("status")["revision"] >= api.revision)
    third = subnet("rest-3", 73)
    assert third["vsid"] not in (first["vsid"], second["vsid"])
    joined = attempt_join(h1, lab.join_string(lab.model["host_groups"][1]["id"]))
    assert joined.returncode == 0, joined.stderr
    mallory = api.find("hosts", "mallory")
    assert address_of(lab, mallory["id"]) != address
    h3.start()

    def again():
        try:
            return api.create("vm-subnets", wait=False, name="rest-4", tenant_id=red["tenant"]["id"],
                              vm_network_id=red["vm_network"]["id"], prefix="10.0.74.0/24", vsid=first["vsid"])
        except ApiError as error:
            assert error.status == 409, error
            return None

    made = wait_for("the VSID is free again", again, every=0.2)
    for row in (second, third, made):
        api.delete("vm-subnets", row["id"], wait=False)
    api.delete("hosts", mallory["id"], wait=False)


# ---- one session a host ----


def test_a_copied_identity_takes_over_and_does_not_flap(lab):
    h1, h2, h3 = lab.model["hosts"]
    state = lab.directory / "copy"
    shutil.copytree(h2.state, state, ignore=shutil.ignore_patterns("*.sock"))
    clone = Process(lab, "agent-copy", h2.namespace, lab.binary("skerry-agent"), "run", "--state-directory", state, "--socket",
                    state / "agent.sock", "--fastpath", "memory")
    opened = lambda: log(lab.controller).count(f"session opened host={h2.id}")  # noqa: E731
    sessions = opened()
    with stream(lab) as running:
        clone.start()
        lab.processes.append(clone)
        try:
            wait_for("the newer session is open", lambda: opened() > sessions or clone.check())
            wait_for("the older is told", lambda: "another agent runs with this host's identity" in log(h2.agent))
            time.sleep(4)  # a storm would show by now
            assert opened() == sessions + 1
            assert h2.local("status")["session"] == "waiting"
        finally:
            clone.kill()
        wait_for("the rightful agent is back", lambda: h2.local("status")["session"] == "connected")
        sent, lost = running.stop()
    assert lost == 0, f"{lost} of {sent}: {running.missing}"
    assert opened() <= sessions + 3


# ---- a database that was set back ----


def copy_database(lab: Lab, to: str) -> None:
    target = lab.directory / to
    target.mkdir(exist_ok=True)
    for file in (lab.directory / "controller").glob("skerry.db*"):
        shutil.copy2(file, target / file.name)


def put_database(lab: Lab, source: str) -> None:
    for file in (lab.directory / "controller").glob("skerry.db*"):
        file.unlink()
    for file in (lab.directory / source).iterdir():
        shutil.copy2(file, lab.directory / "controller" / file.name)


def restart_on(lab: Lab, source: str) -> None:
    lab.controller.stop()
    put_database(lab, source)
    lab.controller.start()
    lab.wait_ready()


def test_a_database_that_was_set_back_changes_nothing(lab):
    hosts, api = lab.model["hosts"], lab.api
    lab.controller.stop()
    copy_database(lab, "old")
    lab.controller.start()
    lab.wait_ready()
    all_online(lab)
    lab.add_vm("red-new", lab.model["red"]["subnets"][0], hosts[1])
    for host in hosts:
        wait_for(f"{host.name} is in sync", lambda host=host: host.local("status")["revision"] >= api.revision)
    assert lab.vms["red-1"].ping(lab.vms["red-new"].address)
    newest = api.revision
    lab.controller.stop()
    copy_database(lab, "newest")
    before = {h.name: tables(h) for h in hosts}
    with stream(lab) as running:
        restart_on(lab, "old")
        for host in hosts:
            wait_for(f"{host.name} is told", lambda host=host: host.local("status")["rolled_back"])
        assert api.get("/v1/controller")["rolled_back"] is True
        with pytest.raises(ApiError) as told:
            api.create("tenants", wait=False, name="green")
        assert told.value.status == 409 and "older than" in told.value.problem["detail"]
        assert "DatabaseRolledBack" in {e["reason"] for e in api.list("/v1/events")}
        assert api.list("/v1/hosts"), "reads are answered"
        assert {h.name: tables(h) for h in hosts} == before
        assert lab.vms["red-1"].ping(lab.vms["red-new"].address), "what the old database does not know goes on"
        # The same after another start: it was written down.
        lab.controller.stop()
        lab.controller.start()
        lab.wait_ready()
        assert api.get("/v1/controller")["rolled_back"] is True
        restart_on(lab, "newest")
        for host in hosts:
            wait_for(f"{host.name} is in a session again", lambda host=host: host.local("status")["session"] == "connected"
                     and not host.local("status")["rolled_back"])
        sent, lost = running.stop()
    assert lost == 0, f"{lost} of {sent}: {running.missing}"
    assert api.get("/v1/controller")["rolled_back"] is False
    assert api.get("/v1/controller")["revision"] >= newest
    assert {h.name: tables(h) for h in hosts} == before
    api.create("tenants", name="green")


# ---- revocation: the last, since h2 does not come back ----


def test_a_revoked_host_is_out_within_a_second(lab):
    h1, h2, h3 = lab.model["hosts"]
    address = address_of(lab, h2.id)
    key = "".join(f'"0x{int(part):02x}", ' for part in address.split(".")).rstrip(", ")
    names = lambda host: any(key in entry for entry in dump(host, "peers"))  # noqa: E731
    assert names(h1) and names(h3)
    assert h2.local("status")["session"] == "connected"
    begin = time.monotonic()
    lab.api("POST", f"/v1/hosts/{h2.id}:revoke")
    wait_for("the session is over", lambda: h2.local("status")["session"] != "connected", timeout=3)
    wait_for("the other hosts have no such peer", lambda: not names(h1) and not names(h3), timeout=3)
    assert time.monotonic() - begin < 3
    dropped = drops(h1, "not_a_member")
    assert not lab.vms["red-2"].ping(lab.vms["red-1"].address, count=3, timeout=0.3)
    assert drops(h1, "not_a_member") > dropped
    assert lab.vms["red-1"].ping(lab.vms["red-3"].address)
    h2.agent.kill()
    before = metric(lab, "skerry_agent_refused_total")
    h2.start(wait=False)
    wait_for("its key is refused", lambda: metric(lab, "skerry_agent_refused_total") > before)
    wait_for("it is told why", lambda: "revoked" in h2.local("status")["last_error"] or h2.agent.check())
    assert not lab.api.get(f"/v1/hosts/{h2.id}")["status"]["online"]
    assert "HostRevoked" in {e["reason"] for e in lab.api.list("/v1/events")}
