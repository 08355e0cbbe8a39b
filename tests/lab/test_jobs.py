"""Jobs over REST with real agents: 202 and Location, steps as a watch sees them, cancel, time limits, and the controller
killed in the middle; a host replaced by another.

   h1, h2, h3 (site 1); "near" on h1, "mover" on h1, "stay" on h2
"""

import json
import subprocess
import threading

import pytest
from lab import MANAGEMENT, Lab, two_tenants, wait_for

ENDED = ("succeeded", "failed", "cancelled")


@pytest.fixture(scope="module")
def scene():
    with Lab("jobs") as lab:
        lab.start_controller()
        lab.model = two_tenants(lab, ((1, 3),))
        subnet = lab.model["red"]["subnets"][0]
        for name, host in (("near", "h1"), ("mover", "h1"), ("stay", "h2")):
            lab.add_vm(name, subnet, lab.hosts[host])
        wait_for("red talks", lambda: lab.vms["near"].ping(lab.vms["stay"].address))
        data = lab.directory / "controller"
        lab.controller_namespace.run(lab.binary("skerryctl"), "login", f"https://{MANAGEMENT}.1:8443", "--ca", data / "ca.pem",
                                     "--token-file", data / "admin.token", env=lab.environment)
        yield lab


class Steps:
    """What a watch of jobs says of one job, in order; the connection is kept until it ends."""

    def __init__(self, lab, job_id: str):
        self.seen: list[tuple[str, ...]] = []
        self.states: list[str] = []
        self.percents: list[int] = []
        self.id = job_id
        self.connection = lab.api.connection(timeout=30)
        self.connection.request("GET", "/v1/jobs?watch=true", headers={"Authorization": f"Bearer {lab.api.token}"})
        self.answer = self.connection.getresponse()
        assert self.answer.status == 200, self.answer.read()
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self):
        try:
            for line in self.answer:
                if not line.startswith(b"data:"):
                    continue
                job = json.loads(line[5:])
                job = job.get("object", job)
                if job.get("id") != self.id:
                    continue
                self.states.append(job["state"])
                self.percents.append(job["percent"])
                self.seen.append(tuple(s["state"] for s in job["steps"]))
                if job["state"] in ENDED:
                    return
        except (OSError, ValueError):
            pass

    def join(self) -> None:
        self.thread.join(20)
        self.connection.close()


def start(lab, path: str, **fields) -> str:
    """The job's id; the answer is 202 with where it is."""
    status, headers, answer = lab.api.request("POST", path, fields)
    assert status == 202, (status, answer)
    assert headers["Location"].startswith("/v1/jobs/"), dict(headers)
    identity = headers["Location"].rsplit("/", 1)[1]
    assert lab.api.get(headers["Location"])["id"] == identity
    return identity


def job(lab, identity: str) -> dict:
    return lab.api.get(f"/v1/jobs/{identity}")


def ended(lab, identity: str, state: str, timeout: float = 30) -> dict:
    found = wait_for(f"job {identity} has ended", lambda: (j := job(lab, identity))["state"] in ENDED and j, timeout)
    assert found["state"] == state, json.dumps(found, indent=1)
    return found


def steps(found: dict) -> dict:
    return {s["name"]: s["state"] for s in found["steps"]}


def running(lab, identity: str, step: str) -> dict:
    return wait_for(f"{step} runs", lambda: steps(j := job(lab, identity)).get(step) == "running" and j)


def restart(lab) -> None:
    lab.controller.kill()
    lab.controller.start()
    lab.wait_ready()


def completed(lab, name):
    """The backup, once it is there and checked."""
    backup = lab.api.find("backups", name)
    backup.update(backup.get("status", {}))
    return backup if backup.get("completed_at") else None


def adapter(lab, name: str) -> dict:
    return lab.api.get(f"/v1/network-adapters/{lab.vms[name].id}")


def follow(lab, identity: str):
    """skerryctl job wait, which tells of the steps as they come."""
    return lab.controller_namespace.popen(lab.binary("skerryctl"), "job", "wait", identity, "--timeout", "60s", env=lab.environment,
                                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def go(vm, host) -> None:
    """The VM stops here and goes on there."""
    vm.unplug()
    vm.plug(host)
    vm.announce()


def test_a_move_is_told_step_by_step(scene):
    lab, vm = scene, scene.vms["mover"]
    identity = start(lab, f"/v1/network-adapters/{vm.id}:migrate", host_id=lab.hosts["h2"].id, timeout_s=60)
    watch = Steps(lab, identity)
    found = running(lab, identity, "switch")
    follower = follow(lab, identity)
    assert steps(found) == {"check": "succeeded", "arm": "succeeded", "switch": "running", "settle": "pending"}
    assert found["requested_by"] == "admin" or found["requested_by"], found
    assert 0 < found["percent"] < 100 and found["deadline"]
    restart(lab)  # a new engine goes on from the row
    found = running(lab, identity, "switch")
    wait_for("h2 is back", lab.hosts["h2"].online)
    again, second = Steps(lab, identity), follow(lab, identity)
    go(vm, lab.hosts["h2"])
    found = ended(lab, identity, "succeeded")
    again.join()
    watch.join()
    said, progress = second.communicate(timeout=20)
    assert second.returncode == 0, (said, progress)
    assert "switch" in said + progress and "settle" in said + progress, (said, progress)
    follower.kill()
    follower.wait(5)
    assert steps(found) == dict.fromkeys(("check", "arm", "switch", "settle"), "succeeded") and found["percent"] == 100
    assert again.states[-1] == "succeeded" and again.percents == sorted(again.percents), (again.states, again.percents)
    assert adapter(lab, "mover")["host_id"] == lab.hosts["h2"].id
    wait_for("it talks", lambda: vm.ping(lab.vms["near"].address))
    sentence = lab.api.request("POST", f"/v1/jobs/{identity}:cancel", {})
    assert sentence[0] == 409 and "ended" in sentence[2]["detail"]


def test_a_move_is_called_off_and_one_takes_too_long(scene):
    lab, vm = scene, scene.vms["mover"]
    here = adapter(lab, "mover")["host_id"]
    identity = start(lab, f"/v1/network-adapters/{vm.id}:migrate", host_id=lab.hosts["h3"].id, timeout_s=60)
    running(lab, identity, "switch")
    status, _, answer = lab.api.request("POST", f"/v1/network-adapters/{vm.id}:migrate", {"host_id": lab.hosts["h1"].id})
    assert status == 409 and identity in answer["detail"], "one at a time"
    lab.api("POST", f"/v1/jobs/{identity}:cancel", {})
    lab.controller.kill()  # cancelled, and killed before or after it was undone
    lab.controller.start()
    lab.wait_ready()
    found = ended(lab, identity, "cancelled")
    assert set(steps(found).values()) <= {"undone", "skipped"}, found
    late = start(lab, f"/v1/network-adapters/{vm.id}:migrate", host_id=lab.hosts["h3"].id, timeout_s=2)
    found = ended(lab, late, "failed")
    assert "has not appeared" in found["message"], found
    now = adapter(lab, "mover")
    assert now["host_id"] == here and not now["status"].get("target_host_id")
    wait_for("it talks", lambda: vm.ping(lab.vms["near"].address))


def test_a_switch_is_deployed_and_removed_over_a_kill(scene):
    lab, api = scene, scene.api
    sites = [s["id"] for s in api.list("/v1/network-sites")]
    profile = api.create("uplink-port-profiles", name="up", network_site_ids=sites, network_virtualization=True)
    virtual = api.find("virtual-port-profiles", "Medium bandwidth adapter")
    kind = api.find("port-classifications", "Medium bandwidth")
    logical = api.create("logical-switches", name="fabric", type="external", uplink_port_profile_ids=[profile["id"]],
                         virtual_ports=[{"classification_id": kind["id"], "profile_id": virtual["id"], "is_default": True}])
    h3 = lab.hosts["h3"]
    h3.agent.kill()  # nobody answers: the job waits
    wait_for("h3 is gone", lambda: not api.get(f"/v1/hosts/{h3.id}")["status"].get("online"), 30)
    made = api.create("host-switches", wait=False, name="fabric", host_id=h3.id, logical_switch_id=logical["id"],
                      uplinks=[{"interface": "up0", "uplink_port_profile_id": profile["id"]}])
    [deploy] = [j for j in api.list(f"/v1/jobs?host_id={h3.id}") if j["kind"] == "deploy_host_switch"]
    assert deploy["object_id"] == made["id"]
    restart(lab)
    assert job(lab, deploy["id"])["state"] in ("pending", "running")
    h3.start()
    ended(lab, deploy["id"], "succeeded")
    # Nothing of the others has that switch: a move there would cross a boundary.
    vm = lab.vms["near"]
    identity = start(lab, f"/v1/network-adapters/{vm.id}:migrate", host_id=h3.id)
    found = ended(lab, identity, "failed")
    assert 'logical switch "fabric"' in found["message"] and "no host switch" in found["message"], found
    h3.agent.kill()
    status, headers, answer = api.request("DELETE", f"/v1/host-switches/{made['id']}")
    assert status in (200, 202, 204), (status, answer)
    lab.controller.kill()  # before the removal was looked at, or after
    lab.controller.start()
    lab.wait_ready()
    h3.start()
    [remove] = [j for j in api.list(f"/v1/jobs?host_id={h3.id}") if j["kind"] == "remove_host_switch"]
    ended(lab, remove["id"], "succeeded")
    assert not api.list("/v1/host-switches")


def test_a_drain_survives_a_kill(scene):
    lab = scene
    h2 = lab.hosts["h2"]
    identity = start(lab, f"/v1/hosts/{h2.id}:drain", host_ids=[lab.hosts["h3"].id], timeout_s=60)
    here = {v.name for v in (lab.vms["mover"], lab.vms["stay"]) if adapter(lab, v.name)["host_id"] == h2.id}
    assert here == {"mover", "stay"}
    wait_for("both move", lambda: all(adapter(lab, n)["status"].get("target_host_id") for n in here))
    go(lab.vms["stay"], lab.hosts["h3"])
    restart(lab)
    go(lab.vms["mover"], lab.hosts["h3"])
    found = ended(lab, identity, "succeeded", 60)
    assert steps(found) == {"maintenance": "succeeded", "move": "succeeded"}
    assert {adapter(lab, n)["host_id"] for n in here} == {lab.hosts["h3"].id}
    children = lab.api.list(f"/v1/jobs?parent_id={identity}")
    assert {c["state"] for c in children} == {"succeeded"} and len(children) == 2
    wait_for("they talk", lambda: all(lab.vms["near"].ping(lab.vms[n].address) for n in here))
    assert lab.api.get(f"/v1/hosts/{h2.id}")["state"] == "maintenance"
    lab.api.patch("hosts", h2.id, state="active")


def test_a_drain_that_cannot_end_says_so(scene):
    lab = scene
    h3 = lab.hosts["h3"]
    lab.api.patch("hosts", h3.id, remediation="auto")
    identity = start(lab, f"/v1/hosts/{h3.id}:drain", host_ids=[lab.hosts["h2"].id], timeout_s=2)
    found = ended(lab, identity, "failed", 60)
    assert "stays in maintenance" in found["message"], found
    assert steps(found) == {"maintenance": "succeeded", "move": "failed"}, "what it says is so"
    assert lab.api.get(f"/v1/hosts/{h3.id}")["state"] == "maintenance"
    lab.api.patch("hosts", h3.id, state="active")


def test_a_backup_and_a_remediation(scene):
    lab = scene
    status, headers, _ = lab.api.request("POST", "/v1/backups", {"name": "b"})
    assert status in (201, 202)
    made = wait_for("it is complete", lambda: completed(lab, "b"))
    [work] = [j for j in lab.api.list("/v1/jobs") if j["object_id"] == made["id"]]
    assert work["state"] == "succeeded"
    h1 = lab.hosts["h1"]
    ended(lab, start(lab, f"/v1/hosts/{h1.id}:remediate"), "succeeded")


def test_a_host_is_replaced(scene):
    """h3 breaks down for good; h4, a new machine, takes its place."""
    lab = scene
    h3 = lab.hosts["h3"]
    names = [n for n in ("mover", "stay") if adapter(lab, n)["host_id"] == h3.id]
    assert names
    h4 = lab.add_host("h4", 1)
    h4.join(lab.join_string(lab.model["host_groups"][1]["id"]))
    h4.start()
    h3.agent.kill()
    h3.namespace.run("ip", "link", "set", "up0", "down")
    identity = start(lab, f"/v1/hosts/{h3.id}:replace", new_host_id=h4.id)
    restart(lab)
    found = ended(lab, identity, "succeeded")
    assert steps(found) == {"replace": "succeeded", "settle": "succeeded"}
    old = lab.api.get(f"/v1/hosts/{h3.id}")
    assert old["state"] == "removed" and old["status"]["enrolment"] == "revoked"
    assert not lab.api.list(f"/v1/provider-addresses?host_id={h3.id}")
    for name in names:
        vm = lab.vms[name]
        assert adapter(lab, name)["host_id"] == h4.id
        go(vm, h4)
        wait_for(f"{name} talks on h4", lambda vm=vm: lab.vms["near"].ping(vm.address) and vm.ping(lab.vms["near"].address))
    status, _, answer = lab.api.request("POST", f"/v1/hosts/{lab.hosts['h2'].id}:replace", {"new_host_id": h3.id})
    if status == 202:
        assert "takes no adapters" in ended(lab, answer["id"], "failed")["message"]
    else:
        assert status in (409, 422), answer
