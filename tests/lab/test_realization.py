"""Truth: `wait=realized` answers only when every host that needs it has applied; a frozen agent is named.

   h1, h2 (site 1): red-1 on h1, red-2 on h2
"""

import signal

import pytest
from lab import Lab, two_tenants, wait_for


@pytest.fixture(scope="module")
def lab():
    with Lab("truth") as made:
        made.start_controller()
        made.model = two_tenants(made, hosts_per_site=((1, 2),))
        for number, host in enumerate(made.model["hosts"], 1):
            made.add_vm(f"red-{number}", made.model["red"]["subnets"][0], host)
        yield made


def new_adapter(lab: Lab, name: str, host, timeout: str):
    subnet = lab.model["red"]["subnets"][0]
    return lab.api("POST", f"/v1/network-adapters?wait=realized&timeout={timeout}", {
        "name": name, "vm_name": name, "vm_network_id": subnet["vm_network_id"], "vm_subnet_id": subnet["id"],
        "tenant_id": subnet["tenant_id"], "host_id": host.id})


def test_a_frozen_agent_keeps_it_pending_and_is_named(lab):
    h1, h2 = lab.model["hosts"]
    h2.agent.signal(signal.SIGSTOP)
    try:
        made = new_adapter(lab, "while-frozen", h1, "1s")
        state = made["status"]["realization"]
        assert state["state"] == "pending", state
        assert state["hosts"]["applied"] == 1 and state["hosts"]["pending"] + state["hosts"]["offline"] == 1
        assert [h["name"] for h in state["hosts"]["not_applied"]] == ["h2"]
        revision = lab.api.revision
        late = lab.api.get(f"/v1/realizations/{revision}?wait=realized&timeout=1s")
        assert late["state"] == "pending"
    finally:
        h2.agent.signal(signal.SIGCONT)
    assert lab.api.get(f"/v1/realizations/{revision}?wait=realized&timeout=30s")["state"] == "realized"


def test_an_agent_that_is_away_is_offline_not_realized(lab):
    h1, h2 = lab.model["hosts"]
    h2.agent.kill()
    wait_for("the controller has seen h2 go", lambda: not lab.api.get(f"/v1/hosts/{h2.id}")["status"]["online"], timeout=20)
    state = new_adapter(lab, "while-away", h1, "500ms")["status"]["realization"]
    assert state["state"] == "pending" and state["hosts"]["offline"] == 1, state
    revision = lab.api.revision
    h2.start()
    assert lab.api.get(f"/v1/realizations/{revision}?wait=realized&timeout=30s")["state"] == "realized"


def test_nobody_needed_is_realized(lab):
    made = lab.api.create("host-groups", name="nobody", parent_id=lab.api.find("host-groups", "All hosts")["id"])
    assert made["status"]["realization"]["state"] == "realized"
