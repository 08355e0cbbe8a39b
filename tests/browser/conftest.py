"""One lab for all tests of the page: a real controller, one real host, tenants red and blue with the same addresses, made
over REST. Browsers run in the controller's namespace."""

import contextlib
import os
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lab"))
from lab import LIBC, CLONE_NEWNET, Lab, two_tenants  # noqa: E402
from page import Page, set_size, start_browser  # noqa: E402

PASSWORD = "correct horse battery"
URL = "https://198.18.0.1:8443"


@contextlib.contextmanager
def inside(namespace):
    """This process and what it starts, in the namespace."""
    with open("/proc/thread-self/ns/net", "rb") as here, open(namespace.path, "rb") as there:
        if LIBC.setns(there.fileno(), CLONE_NEWNET):
            raise OSError(f"setns {namespace.name}")
        try:
            yield
        finally:
            LIBC.setns(here.fileno(), CLONE_NEWNET)


def add_user(lab, name: str, *roles) -> None:
    """roles: (role, tenant) each."""
    user = lab.api.create("users", wait=False, name=name, password=PASSWORD)
    for role, tenant in roles:
        lab.api.create("role-bindings", wait=False, name=f"{name} {role} {tenant['name']}", user_id=user["id"], role=role,
                       tenant_id=tenant["id"])


@pytest.fixture(scope="session")
def lab():
    with Lab(f"page{os.getpid()}") as made:
        made.start_controller()
        made.model = two_tenants(made, hosts_per_site=((1, 1),))
        made.red, made.blue = made.model["red"]["tenant"], made.model["blue"]["tenant"]
        made.api.create("logical-networks", wait=False, name="not-for-tenants", isolation="connected", network_virtualization=True)
        add_user(made, "rita", ("tenant-admin", made.red))
        add_user(made, "rupert", ("tenant-viewer", made.red))
        add_user(made, "bob", ("tenant-admin", made.blue))
        add_user(made, "both", ("tenant-admin", made.red), ("tenant-viewer", made.blue))
        add_user(made, "nobody")
        with inside(made.controller_namespace):
            yield made


@pytest.fixture(scope="session")
def driver(lab):
    made = start_browser()
    yield made
    made.quit()


@pytest.fixture
def page(driver):
    """A browser that nobody is logged in with. At the end it must not have complained."""
    set_size(driver, 1280, 900)
    driver.execute_cdp_cmd("Network.clearBrowserCookies", {})
    driver.get("about:blank")
    for kind in ("performance", "browser"):
        driver.get_log(kind)
    made = Page(driver, URL)
    yield made
    assert made.violations() == []
