"""The controller's database is set back, by `skerry-controller restore` and by somebody who copies an old file over it:
VMs do not notice, nothing is written, what hosts hold besides is listed, and accepting makes hosts what it says.

   h1, h2 (site 1): red-1 on h1, red-2 on h2 before the backup; the tenant "late", its network and late-1 on h1 after it
"""

import contextlib
import shutil

import pytest
from lab import Lab, run, two_tenants, wait_for
from traffic import Stream


@pytest.fixture(scope="module")
def scene():
    with Lab("restore") as lab:
        lab.start_controller()
        lab.model = two_tenants(lab, ((1, 2),))
        net = lab.model["red"]
        for n in (1, 2):
            host = lab.hosts[f"h{n}"]
            lab.vms[f"red-{n}"] = lab.add_vm(f"red-{n}", net["subnets"][0], host)
        wait_for("red talks", lambda: lab.vms["red-1"].ping(lab.vms["red-2"].address))
        yield lab


def completed(lab, name):
    """The backup, once it is there and checked."""
    backup = lab.api.find("backups", name)
    backup.update(backup.get("status", {}))
    return backup if backup.get("completed_at") else None


def database(lab):
    return lab.directory / "controller" / "skerry.db"


def refused(lab):
    """A write is refused with a sentence that says what to do."""
    status, _, answer = lab.api.request("POST", "/v1/tenants", {"name": "x"})
    assert status == 409, (status, answer)
    return answer["detail"]


def wait_for_proof(host, revision):
    """The controller proves a host's revision to it within a quarter of a second, and the host keeps the proof beside its
    cache: database id, revision, MAC. Until then it takes several hosts to show that a database was set back."""
    proof = host.state / "cache.proof"
    wait_for(f"{host.name} has a proof of {revision}",
             lambda: proof.exists() and int.from_bytes(proof.read_bytes()[16:24], "big") >= revision)


def build_late(lab):
    """A tenant's network with an adapter that is bound on h1: the backup has none of it."""
    api, network = lab.api, lab.model["logical_network"]
    owner = api.create("tenants", name="late", logical_network_ids=[network["id"]])
    vm_network = api.create("vm-networks", name="late-net", tenant_id=owner["id"], logical_network_id=network["id"])
    subnet = api.create("vm-subnets", name="late-0", tenant_id=owner["id"], vm_network_id=vm_network["id"], prefix="10.9.0.0/24")
    api.create("ip-pools", name="late-pool", vm_subnet_id=subnet["id"], subnet="10.9.0.0/24", range_start="10.9.0.2",
               range_end="10.9.0.99")
    vm = lab.add_vm("late-1", subnet, lab.hosts["h1"])
    return {"vm_network": vm_network, "subnet": subnet, "vm": vm}


def orphans(lab):
    return {(o["object_kind"], o["object_id"]): o for o in lab.api.list("/v1/orphans")}


def forget_late(lab, late):
    """After the accept: hosts are what the database says."""
    h1 = lab.hosts["h1"]
    wait_for("h1 has let go of it", lambda: any(p["interface"] == late["vm"].port and p["closed"] for p in h1.local("ports")["items"]))
    late["vm"].unplug()
    late["vm"].namespace.remove()
    lab.vms.pop("late-1", None)


def judge(lab, late):
    """Between going back and accepting: nothing moves, and everything is shown."""
    sentence = refused(lab)
    assert "orphans" in sentence and "accept-database" in sentence, sentence
    for vm in lab.vms.values():
        wait_for(f"{vm.host.name} is connected", lambda vm=vm: vm.host.local("status").get("rolled_back", True))
    found = wait_for("h1 tells", lambda: (o := orphans(lab)) and len(o) >= 3 and o)
    expected = {("network-adapter", late["vm"].id), ("vm-network", late["vm_network"]["id"]),
                ("vm-subnet", late["subnet"]["id"])}
    assert expected <= set(found), found
    row = found["network-adapter", late["vm"].id]
    assert row["host_id"] == lab.hosts["h1"].id and row["name"] == "late-1" and row["vm_network_id"] == late["vm_network"]["id"]
    assert row["reason"] == "not in the database", row
    assert {o["host_id"] for o in found.values()} == {lab.hosts["h1"].id}, "h2 holds nothing besides"
    assert lab.vms["red-1"].ping(lab.vms["red-2"].address)


def accept(lab):
    lab.api("POST", "/v1/controller:accept-database")
    assert not orphans(lab), "they have been seen"
    [record] = [r for r in lab.api.list("/v1/audit-log") if r["path"].endswith(":accept-database") and r["result"] == "ok"][-1:]
    assert record["principal"]
    for host in lab.hosts.values():
        wait_for(f"{host.name} is synced again", host.online)
    assert lab.api.create("tenants", name="after")["id"]
    lab.api.delete("tenants", lab.api.find("tenants", "after")["id"])


def test_restore(scene):
    lab = scene
    status, headers, job = lab.api.request("POST", "/v1/backups", {"name": "before-late"})
    assert status in (201, 202), job
    backup = wait_for("the backup is complete", lambda: completed(lab, "before-late"))
    copy = next((lab.directory / "controller").rglob(backup["file"]))
    late = build_late(lab)
    words = (lab.binary("skerry-controller"), "restore", copy, "--data-directory", database(lab).parent)
    with contextlib.ExitStack() as stack:
        stream = stack.enter_context(Stream(lab.vms["red-1"], lab.vms["red-2"], 500))
        running = run(*words, check=False, env=lab.environment)
        assert running.returncode and "runs" in running.stderr, running
        lab.controller.stop()
        broken = lab.directory / "broken"
        broken.write_bytes(copy.read_bytes()[:-5000])
        damaged = run(words[0], "restore", broken, "--data-directory", database(lab).parent, check=False, env=lab.environment)
        assert damaged.returncode, damaged
        done = run(*words, env=lab.environment)
        assert "orphans" in done.stdout and "before-restore" in done.stdout
        assert list(database(lab).parent.glob("*.before-restore-*")), "the old one is kept"
        lab.controller.start()
        lab.wait_ready()
        judge(lab, late)
        sent, lost = stream.stop()
        assert sent and not lost, (sent, lost)
    accept(lab)
    forget_late(lab, late)
    assert lab.vms["red-1"].ping(lab.vms["red-2"].address)


def test_an_old_file_copied_over_it(scene):
    lab = scene
    lab.controller.stop()
    old = lab.directory / "old.db"
    shutil.copyfile(database(lab), old)
    lab.controller.start()
    lab.wait_ready()
    for host in lab.hosts.values():
        wait_for(f"{host.name} is back", host.online)
    late = build_late(lab)
    wait_for_proof(lab.hosts["h1"], lab.api.revision)
    lab.controller.kill()
    for path in database(lab).parent.glob(database(lab).name + "*"):
        if ".before-restore" not in path.name:
            path.unlink()
    shutil.copyfile(old, database(lab))
    lab.controller.start()
    lab.wait_ready()
    wait_for("a host proves it", lambda: lab.api.get("/v1/controller")["rolled_back"])
    event = [e for e in lab.api.list("/v1/events") if e["reason"] == "DatabaseRolledBack"][-1]
    assert "the proof is this controller's own" in event["message"] and '"h' in event["message"], event
    judge(lab, late)
    accept(lab)
    forget_late(lab, late)
    assert lab.vms["red-1"].ping(lab.vms["red-2"].address)
