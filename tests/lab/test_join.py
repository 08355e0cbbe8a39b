"""Joining: what cannot work is said before the join token is spent, and what was made is named.

   h1 (site 1), with an uplink up0
"""

import pytest
from lab import Lab


@pytest.fixture(scope="module")
def lab():
    with Lab("join") as made:
        made.start_controller()
        made.site(1)
        yield made


def join(lab, host, string, *uplinks):
    flags = [word for uplink in uplinks for word in ("--uplink", uplink)]
    return host.namespace.run(lab.binary("skerry-agent"), "join", "-", "--name", host.name, "--state-directory", host.state,
                              *flags, input=string + "\n", env=lab.environment, check=False)


def test_an_uplink_that_is_not_there_is_named_and_costs_no_token(lab):
    host = lab.add_host("h1", 1)
    string = lab.join_string()  # good for one use
    refused = join(lab, host, string, "up0", "ethernet9")
    assert refused.returncode and "ethernet9" in refused.stdout + refused.stderr, refused
    assert not lab.api.list("/v1/hosts")
    joined = join(lab, host, string, "up0")
    assert joined.returncode == 0, joined
    [made] = lab.api.list("/v1/hosts")
    assert "h1" in joined.stdout and made["id"] in joined.stdout, joined.stdout
    assert [uplink["interface"] for uplink in made["uplinks"]] == ["up0"]


def test_a_host_without_uplinks_is_told_so_when_it_joins(lab):
    host = lab.add_host("h2", 1)
    joined = join(lab, host, lab.join_string())
    assert joined.returncode == 0, joined
    assert "no uplink" in joined.stdout, joined.stdout
