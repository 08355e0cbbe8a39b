"""What a tenant does: VM networks with subnets and pools in one form, adapters, by clicking; the same by keyboard, on a
phone, and as somebody who may only look."""

import signal

import pytest
from conftest import PASSWORD
from lab import wait_for
from page import MINIMUM_WIDTH, set_size
from selenium.webdriver.common.keys import Keys


@pytest.fixture
def rita(page):
    page.open().log_in("rita", PASSWORD)
    page.shows("Live")
    page.before = len(page.writes())
    return page


def written(page) -> list:
    """Since the login."""
    return page.writes()[page.before:]


def network_of(lab, name: str) -> dict:
    return next(n for n in lab.api.list("/v1/vm-networks") if n["name"] == name)


def parts_of(lab, network: dict):
    subnets = {s["name"]: s for s in lab.api.list(f"/v1/vm-subnets?vm_network_id={network['id']}")}
    pools = {p["vm_subnet_id"]: p for p in lab.api.list("/v1/ip-pools")}
    return subnets, pools


def test_creates_a_network_with_two_subnets_and_pools_at_once(lab, rita):
    rita.press("Create VM network")
    rita.heading("Create a VM network")
    options = [o.text for o in rita.field("logical_network_id").find_elements("tag name", "option")]
    assert options == ["provider"]  # what the tenant may use, and nothing else
    rita.fill("name", "shop")
    rita.fill("description", "The web shop")
    rita.fill("prefix", "10.1.0.0/24")
    assert rita.field("range_start").get_attribute("value") == "10.1.0.2"
    assert rita.field("range_end").get_attribute("value") == "10.1.0.254"
    rita.press("Add a subnet")
    rita.fill("subnet_name", "back-end", 1)
    rita.fill("prefix", "10.1.1.0/24", 1)
    rita.fill("range_start", "10.1.1.100", 1)
    rita.fill("range_end", "10.1.1.120", 1)
    rita.fill("dns_servers", "10.1.0.53, 10.1.0.54", 1)
    rita.press("Create VM network", "form")
    rita.heading("shop")
    rita.shows("10.1.1.100 to 10.1.1.120 (0 of 21 in use)")
    rita.wait("all of it is realized", lambda: [s.text for s in rita.all(".state")] == ["Realized"] * 3)
    assert written(rita) == [("POST", "/v1/batch")]
    network = network_of(lab, "shop")
    subnets, pools = parts_of(lab, network)
    assert network["tenant_id"] == lab.red["id"] and network["description"] == "The web shop"
    assert {s["name"]: s["prefix"] for s in subnets.values()} == {"subnet-1": "10.1.0.0/24", "back-end": "10.1.1.0/24"}
    pool = pools[subnets["back-end"]["id"]]
    assert (pool["range_start"], pool["range_end"], pool["dns_servers"]) == ("10.1.1.100", "10.1.1.120", ["10.1.0.53", "10.1.0.54"])
    assert pools[subnets["subnet-1"]["id"]]["range_end"] == "10.1.0.254"


MISTAKES = [  # what to fill: (field, number, text); then where it is said, and what
    ([("name", 0, "")], "name", 0, "Give the VM network a name."),
    ([("prefix", 0, "")], "prefix", 0, "Give a prefix, such as 10.0.0.0/24."),
    ([("prefix", 0, "ten")], "prefix", 0, '"ten" is not a prefix; write an address and a length, such as 10.0.0.0/24.'),
    ([("prefix", 0, "10.0.0.256/24")], "prefix", 0, '"10.0.0.256/24" is not a prefix'),
    ([("prefix", 0, "10.0.0.5/24")], "prefix", 0, "10.0.0.5/24 has bits set after its length; did you mean 10.0.0.0/24?"),
    ([("prefix", 0, "10.0.0.0/30")], "prefix", 0, "IPv4 subnets are /8 to /29."),
    ([("prefix", 0, "10.0.0.0/7")], "prefix", 0, "IPv4 subnets are /8 to /29."),
    ([("prefix", 0, "fd00::/48")], "prefix", 0, "IPv6 subnets are /64."),
    ([("prefix", 0, "fd00::1/64")], "prefix", 0, "fd00::1/64 has bits set after its length; did you mean fd00::/64?"),
    ([("prefix", 1, "10.0.0.128/25")], "prefix", 1, "10.0.0.128/25 overlaps 10.0.0.0/24 of subnet 1."),
    ([("prefix", 1, "10.0.0.0/16")], "prefix", 1, "10.0.0.0/16 overlaps 10.0.0.0/24 of subnet 1."),
    ([("subnet_name", 1, "subnet-1")], "subnet_name", 1, "Subnet 1 has this name already."),
    ([("subnet_name", 0, "")], "subnet_name", 0, "Give the subnet a name."),
    ([("range_start", 0, "10.0.1.2")], "range_start", 0, "10.0.1.2 is not inside 10.0.0.0/24."),
    ([("range_end", 1, "x")], "range_end", 1, '"x" is not an IP address.'),
    ([("range_start", 0, "10.0.0.20"), ("range_end", 0, "10.0.0.10")], "range_end", 0, "The last address comes before the first."),
    ([("dns_servers", 0, "10.0.0.53, dns")], "dns_servers", 0, '"dns" is not an IP address.'),
]


def test_mistakes_are_caught_before_anything_is_sent(lab, rita):
    rita.press("Create VM network")
    rita.press("Add a subnet")
    good = {("name", 0): "never", ("subnet_name", 0): "subnet-1", ("subnet_name", 1): "subnet-2", ("prefix", 0): "10.0.0.0/24",
            ("prefix", 1): "10.0.9.0/24", ("range_start", 0): "10.0.0.2", ("range_end", 0): "10.0.0.254", ("range_start", 1): "10.0.9.2",
            ("range_end", 1): "10.0.9.254", ("dns_servers", 0): "", ("dns_servers", 1): ""}
    for (field, number), text in good.items():
        rita.fill(field, text, number)
    for changes, field, number, sentence in MISTAKES:
        for name, at, text in changes:
            rita.fill(name, text, at)
        rita.press("Create VM network", "form")
        said = rita.error(field, number)
        assert said.startswith(sentence), f"{changes}: {said!r}"
        assert rita.focused() == rita.field(field, number), changes
        for (name, at), text in good.items():
            if any(c[0] in (name, "prefix") and c[1] == at for c in changes):
                rita.fill(name, text, at)
        assert rita.error(field, number) == "", "the sentence goes when the field is changed"
    assert written(rita) == []
    assert "never" not in [n["name"] for n in lab.api.list("/v1/vm-networks")]


def test_what_the_server_refuses_stands_at_its_field_and_nothing_is_made(lab, rita):
    before = [len(lab.api.list(f"/v1/{kind}")) for kind in ("vm-networks", "vm-subnets", "ip-pools")]
    rita.press("Create VM network")
    rita.fill("name", "red-net")
    rita.fill("prefix", "10.2.0.0/24")
    rita.press("Create VM network", "form")
    rita.wait("the name is refused", lambda: "red-net" in rita.error("name"))
    assert rita.focused() == rita.field("name")
    rita.fill("name", "half-made")
    rita.press("Add a subnet")
    rita.fill("prefix", "127.0.0.0/8", 1)
    rita.press("Create VM network", "form")
    rita.wait("the second prefix is refused", lambda: "loopback" in rita.error("prefix", 1))
    assert rita.error("prefix", 0) == "" and rita.focused() == rita.field("prefix", 1)
    assert written(rita) == [("POST", "/v1/batch")] * 2
    assert before == [len(lab.api.list(f"/v1/{kind}")) for kind in ("vm-networks", "vm-subnets", "ip-pools")]


def test_adds_and_removes_adapters(lab, rita):
    rita.press("red-net")
    rita.press("Add adapter")
    rita.press("Add adapter", "dialog")
    assert rita.error("name") == "Give the adapter a name."
    assert [o.text for o in rita.field("classification_id").find_elements("tag name", "option")] == ["Default", "Guest dynamic IP"]
    rita.fill("name", "web-1")
    rita.fill("vm_name", "web")
    rita.fill("way", "These")
    rita.press("Add adapter", "dialog")
    assert rita.error("ip_addresses") == "Give at least one address."
    rita.fill("mac", "zz")
    rita.fill("ip_addresses", "10.0.0.1")
    rita.press("Add adapter", "dialog")
    assert "is not a MAC address" in rita.error("mac")
    assert written(rita) == []
    rita.fill("mac", "")
    rita.press("Add adapter", "dialog")
    rita.wait("the gateway's address is refused", lambda: "gateway" in rita.error("ip_addresses"))
    assert rita.focused() == rita.field("ip_addresses")
    rita.fill("ip_addresses", "10.0.0.50")
    rita.press("Add adapter", "dialog")
    rita.wait("the dialog is closed", lambda: not rita.all("dialog"))
    assert rita.focused().accessible_name == "Add adapter"
    adapter = lab.api.find("network-adapters", "web-1")
    rita.shows("(1 of 199 in use)")
    assert adapter["ip_addresses"] == ["10.0.0.50"] and adapter["tenant_id"] == lab.red["id"]
    for text in ("web-1", "10.0.0.50", adapter["mac"], f"skerry:{adapter['id']}"):
        rita.shows(text)
    rita.press("Remove web-1")
    assert rita.focused().accessible_name == "Keep it"
    rita.keys(Keys.ESCAPE)
    rita.wait("the dialog is closed", lambda: not rita.all("dialog"))
    assert rita.focused().accessible_name == "Remove web-1"
    rita.press("Remove web-1")
    rita.press("Remove adapter", "dialog")
    rita.shows_not("10.0.0.50")
    assert "web-1" not in [a["name"] for a in lab.api.list("/v1/network-adapters")]


def test_a_network_goes_with_its_subnets_and_only_when_it_is_empty(lab, rita):
    network = lab.api.create("vm-networks", wait=False, name="brief", tenant_id=lab.red["id"], logical_network_id=lab.model["logical_network"]["id"])
    subnet = lab.api.create("vm-subnets", wait=False, name="s", vm_network_id=network["id"], prefix="10.5.0.0/24")
    lab.api.create("ip-pools", wait=False, name="p", vm_subnet_id=subnet["id"], subnet="10.5.0.0/24", range_start="10.5.0.2", range_end="10.5.0.9")
    adapter = lab.api.create("network-adapters", wait=False, name="in-it", vm_network_id=network["id"], vm_subnet_id=subnet["id"])
    rita.press("brief")
    rita.shows("in-it")
    rita.press("Delete VM network")
    rita.press("Delete VM network", "dialog")
    rita.wait("the API's sentence is there", lambda: any("are allocated" in a.text for a in rita.all("dialog .alert")))
    rita.press("Keep it")
    assert len(parts_of(lab, network)[0]) == 1
    lab.api.delete("network-adapters", adapter["id"], wait=False)
    rita.shows_not("in-it")
    rita.press("Delete VM network")
    rita.press("Delete VM network", "dialog")
    rita.heading("VM networks")
    rita.wait("it is not in the list", lambda: not [r for r in rita.all("tbody tr") if "brief" in r.text])
    assert "brief" not in [n["name"] for n in lab.api.list("/v1/vm-networks")]


# ---- live ----

def test_what_others_do_appears_by_itself(lab, rita):
    network = lab.api.create("vm-networks", wait=False, name="from-elsewhere", tenant_id=lab.red["id"],
                             logical_network_id=lab.model["logical_network"]["id"])
    rita.shows("from-elsewhere")
    lab.api.patch("vm-networks", network["id"], wait=False, name="renamed-elsewhere")
    rita.shows("renamed-elsewhere")
    lab.api.delete("vm-networks", network["id"], wait=False)
    rita.shows_not("renamed-elsewhere")
    rita.press("red-net")
    rita.heading("red-net")
    subnet = lab.model["red"]["subnets"][0]
    button = rita.button("Add adapter")
    rita.driver.execute_script("arguments[0].focus()", button)
    adapter = lab.api.create("network-adapters", wait=False, name="late-1", vm_network_id=subnet["vm_network_id"], vm_subnet_id=subnet["id"])
    rita.shows("late-1")
    assert rita.focused() == button, "news do not take the focus away"
    lab.api.delete("network-adapters", adapter["id"], wait=False)
    rita.shows_not("late-1")


def test_pending_then_realized_then_learned(lab, rita):
    host, subnet = lab.model["hosts"][0], lab.model["red"]["subnets"][0]
    rita.press("red-net")
    rita.heading("red-net")
    host.agent.signal(signal.SIGSTOP)
    try:
        classification = lab.api.find("port-classifications", "Guest dynamic IP")
        adapter = lab.api.create("network-adapters", wait=False, name="learner", vm_network_id=subnet["vm_network_id"], vm_subnet_id=subnet["id"],
                                 host_id=host.id, ip_addresses=[], classification_id=classification["id"])

        def row():
            return next((r.text for r in rita.all("tbody tr") if "learner" in r.text), "")

        rita.wait("the adapter is pending", lambda: "Pending" in row() and "0 of 1 host has it" in row())
    finally:
        host.agent.signal(signal.SIGCONT)
    rita.wait("the adapter is realized", lambda: "Realized" in row())
    assert "Not attached" in row()
    from lab import Vm
    vm = Vm(lab, "learner", host, adapter, 24, subnet["gateway"])
    lab.vms["learner"] = vm
    rita.wait("a VM is attached", lambda: "A VM is attached" in row())
    vm.namespace.run("ip", "addr", "add", "10.0.0.77/24", "dev", "eth0")
    vm.ping("10.0.0.1")
    rita.wait("its address is learned", lambda: "10.0.0.77 (learned)" in row())
    assert host.name not in rita.text(), "tenants learn how many hosts, never which"
    vm.unplug()
    lab.api.delete("network-adapters", adapter["id"], wait=False)
    rita.shows_not("learner")


def test_a_controller_that_restarts_is_found_again(lab, rita):
    lab.controller.stop()
    rita.shows("Reconnecting…")
    lab.controller.start()
    lab.wait_ready()
    lab.api.create("vm-networks", wait=False, name="after-the-restart", tenant_id=lab.red["id"],
                   logical_network_id=lab.model["logical_network"]["id"])
    rita.shows("Live", timeout=40)
    rita.shows("after-the-restart")
    wait_for("the host is back", lab.model["hosts"][0].online, timeout=60)


# ---- by keyboard ----

def test_all_of_it_by_keyboard_alone(lab, page):
    page.open()
    page.wait("the name has the focus", lambda: page.focused().get_attribute("name") == "name")
    page.keys("rita", Keys.TAB, PASSWORD, Keys.ENTER)
    page.shows("Live")
    page.tab_to_button("Create VM network")
    page.keys(Keys.ENTER)
    page.wait("the form's first field has the focus", lambda: page.focused().get_attribute("name") == "name")
    page.keys("by-keys")
    page.tab_to_field("prefix")
    page.keys("10.7.0.0/33")
    page.tab_to_button("Create VM network")
    page.keys(Keys.ENTER)
    page.wait("the mistake has the focus", lambda: page.focused().get_attribute("aria-invalid") == "true")
    page.select_all()
    page.keys("10.7.0.0/24")
    page.tab_to_button("Add a subnet")
    page.keys(Keys.ENTER)
    page.wait("the new subnet has the focus", lambda: page.focused() == page.field("subnet_name", 1))
    page.tab_to_field("prefix")
    page.keys("fd00:7::/64")
    page.tab_to_field("pooled")
    page.keys(Keys.SPACE, Keys.ENTER)
    page.heading("by-keys")
    subnets, pools = parts_of(lab, network_of(lab, "by-keys"))
    assert {s["prefix"]: s["id"] in pools for s in subnets.values()} == {"10.7.0.0/24": True, "fd00:7::/64": False}
    page.tab_to_button("Add adapter")
    page.keys(Keys.ENTER)
    page.wait("the dialog's first field has the focus", lambda: page.focused().get_attribute("name") == "name")
    page.keys("key-1", Keys.ENTER)
    page.shows("skerry:")
    page.tab_to_button("Remove key-1")
    page.keys(Keys.ENTER)
    page.tab_to_button("Remove adapter")
    page.keys(Keys.ENTER)
    page.shows_not("skerry:")
    page.tab_to_button("Log out")
    outline = page.driver.execute_script("return getComputedStyle(document.activeElement).outlineWidth")
    assert outline != "0px", "what has the focus is seen"
    page.keys(Keys.ENTER)
    page.shows("You are logged out.")


def test_the_first_tab_leads_past_the_header(page):
    page.open().log_in("rita", PASSWORD)
    page.shows("Live")
    page.driver.execute_script("document.activeElement.blur()")
    page.tab_to_button("Skip to content")
    page.keys(Keys.ENTER)
    assert page.focused().tag_name == "h1"


# ---- on a phone ----

def test_nothing_scrolls_sideways_on_a_phone(lab, page):
    long = "a-name-of-" + "more-than-a-hundred-characters-" * 4
    subnet = lab.model["red"]["subnets"][0]
    adapter = lab.api.create("network-adapters", wait=False, name=long.replace("-", "_"), vm_name=long, vm_network_id=subnet["vm_network_id"],
                             vm_subnet_id=subnet["id"])
    set_size(page.driver, MINIMUM_WIDTH, 740)
    page.open()
    page.one("form")
    assert not page.scrolls_sideways()
    page.log_in("rita", PASSWORD)
    page.shows("red-net")
    assert not page.scrolls_sideways()
    page.press("Create VM network")
    page.press("Add a subnet")
    page.fill("prefix", "a-prefix-that-is-none-" * 8, 1)
    page.press("Create VM network", "form")
    assert page.error("prefix", 1) and not page.scrolls_sideways()
    page.press("All VM networks")
    page.press("red-net")
    page.shows(adapter["mac"])
    assert not page.scrolls_sideways()
    assert page.all("tbody tr")[0].value_of_css_property("display") == "block"
    page.press("Add adapter")
    page.field("vm_name")
    assert not page.scrolls_sideways()
    dialog = page.one("dialog").rect
    assert dialog["x"] >= 0 and dialog["x"] + dialog["width"] <= MINIMUM_WIDTH
    lab.api.delete("network-adapters", adapter["id"], wait=False)


# ---- who sees what ----

def everything_of(lab, tenant: dict) -> set[str]:
    """Names and ids of all that a tenant has."""
    found = {tenant["id"], tenant["name"] + "-net"}
    for kind in ("vm-networks", "vm-subnets", "ip-pools", "network-adapters", "lookup-records", "users", "role-bindings"):
        for item in lab.api.list(f"/v1/{kind}"):
            if item.get("tenant_id") == tenant["id"]:
                found |= {item["id"], item.get("name") or item["id"]}
    return {word for word in found if word not in ("s", "p", "subnet-1", "subnet-2", "subnet-1-pool")}


def test_blue_never_sees_anything_of_red(lab, page):
    subnet = lab.model["red"]["subnets"][0]
    page.open().log_in("bob", PASSWORD)
    page.shows("blue-net")
    page.shows("Live")
    adapter = lab.api.create("network-adapters", wait=False, name="red-secret-adapter", vm_network_id=subnet["vm_network_id"], vm_subnet_id=subnet["id"])
    secrets = everything_of(lab, lab.red) | {adapter["id"]}
    lab.api.patch("network-adapters", adapter["id"], wait=False, vm_name="red-secret-vm")
    page.press("blue-net")
    page.heading("blue-net")
    page.press("Add adapter")
    page.fill("name", "bob-1")
    page.press("Add adapter", "dialog")
    page.shows("bob-1")
    page.open(f"/#/networks/{subnet['vm_network_id']}")
    page.shows("There is no such VM network.")
    lab.api.delete("network-adapters", adapter["id"], wait=False)
    page.open("/#/new")
    page.fill("name", "red-net")  # of another tenant: it does not exist for Blue, so the name is free
    page.fill("prefix", "10.0.0.0/24")
    page.press("Create VM network", "form")
    page.heading("red-net")
    mine = everything_of(lab, lab.blue)
    page.read_logs()
    answers = [(path, text) for path, text in page.received if path.startswith("/v1/")]
    assert any(path.startswith("/v1/watch") for path, _ in answers) and any(path.startswith("/v1/vm-networks") for path, _ in answers)
    seen = {secret for secret in secrets - mine for _, text in answers if secret in text}
    assert not seen
    assert not [secret for secret in secrets - mine if secret in page.driver.page_source]
    assert not [1 for _, text in answers for host in lab.hosts.values() if host.id in text or "10.83." in text]


def test_a_viewer_sees_all_and_no_way_to_change_it(lab, page):
    subnet = lab.model["red"]["subnets"][0]
    adapter = lab.api.create("network-adapters", wait=False, name="seen", vm_network_id=subnet["vm_network_id"], vm_subnet_id=subnet["id"])
    page.open().log_in("rupert", PASSWORD)
    page.shows("red-net")
    page.shows("(may look, not change)")
    assert not {"Create VM network"} & set(page.buttons())
    page.press("red-net")
    page.shows("seen")
    assert not [b for b in page.buttons() if b.startswith(("Add", "Remove", "Delete"))]
    page.open("/#/new")
    page.heading("VM networks")
    assert not page.all("form")
    lab.api.delete("network-adapters", adapter["id"], wait=False)
    page.shows("Live")
    page.press("red-net")
    page.shows_not("seen")
