"""Who gets in, as whom, and how it ends."""

from conftest import PASSWORD, URL, add_user

WRONG = "The name or the password is wrong; look at both and try again."


def logins(page) -> int:
    return page.writes().count(("POST", "/v1/sessions"))


def test_wrong_then_right_then_out(lab, page):
    page.open().press("Log in", "form")
    assert page.error("name") == "Give your name." and page.error("password") == "Give your password."
    assert page.focused().get_attribute("name") == "name"
    assert logins(page) == 0
    page.log_in("rita", "not the password")
    page.shows(WRONG)
    page.log_in("somebody-unknown", PASSWORD)
    page.wait("the second refusal is there", lambda: logins(page) == 2 and WRONG in page.text())
    page.log_in("rita", PASSWORD)
    page.heading("VM networks")
    page.shows("red-net")
    page.shows("Live")
    page.open()  # the browser still has the cookie
    page.shows("red-net")
    assert page.driver.execute_script("return document.cookie") == ""
    cookie = page.driver.get_cookies()[0]
    assert cookie["httpOnly"] and cookie["secure"] and cookie["sameSite"] == "Strict"
    page.press("Log out")
    page.shows("You are logged out.")
    assert "red-net" not in page.text()
    status, _, _ = lab.api.request("GET", "/v1/vm-networks", None, {"Authorization": "", "Cookie": f"{cookie['name']}={cookie['value']}"})
    assert status == 401
    page.open()
    page.heading("Log in to your networks")


def test_somebody_with_several_roles_chooses(lab, page):
    page.open().log_in("both", PASSWORD)
    choice = page.field("role_binding_id")
    assert page.focused() == choice
    assert sorted(o.text for o in choice.find_elements("tag name", "option")) == [
        'tenant-admin of the tenant "red"', 'tenant-viewer of the tenant "blue"']
    page.fill("role_binding_id", 'tenant-viewer of the tenant "blue"')
    page.press("Log in", "form")
    page.shows("blue-net")
    assert page.one(".who b").text == "blue"


def test_somebody_without_a_role_is_told(page):
    page.open().log_in("nobody", PASSWORD)
    page.shows("You have no role yet; ask an administrator for a role binding.")


def test_a_role_of_no_tenant_is_told(lab, page):
    user = lab.api.create("users", wait=False, name="ada", password=PASSWORD)
    lab.api.create("role-bindings", wait=False, name="ada", user_id=user["id"], role="auditor")
    page.open().log_in("ada", PASSWORD)
    page.heading("This page is for tenants")
    page.press("Log out")
    page.heading("Log in to your networks")


def test_somebody_changes_the_own_password(lab, page):
    add_user(lab, "pia", ("tenant-viewer", lab.red))
    status, _, elsewhere = lab.api.request("POST", "/v1/sessions", {"name": "pia", "password": PASSWORD}, {"Authorization": ""})
    assert status == 201
    page.open().log_in("pia", PASSWORD)
    page.press("Password")
    assert page.focused().get_attribute("name") == "current_password"
    page.press("Change password", "dialog")
    assert page.error("current_password") == "Give the password that you have now."
    assert page.error("password") == "Give at least 10 characters."
    page.fill("current_password", "not the password")
    page.fill("password", "another long password")
    page.fill("again", "another long passwort")
    page.press("Change password", "dialog")
    assert page.error("again") == "The two differ; type the new password again."
    page.fill("again", "another long password")
    page.press("Change password", "dialog")
    page.wait("the controller refuses it at its field", lambda: page.error("current_password") == "This is not the current password.")
    page.fill("current_password", PASSWORD)
    page.press("Change password", "dialog")
    page.wait("the dialog is gone", lambda: not page.all("dialog"))
    assert page.focused().accessible_name == "Password"
    assert lab.api.request("GET", f"/v1/sessions/{elsewhere['id']}")[0] == 404  # the other session has ended, this one goes on
    page.open()
    page.shows("red-net")
    page.press("Log out")
    page.log_in("pia", PASSWORD)
    page.shows(WRONG)
    page.log_in("pia", "another long password")
    page.shows("red-net")
    assert all("another long" not in text for _, text in page.received)


def test_a_session_that_ends_leads_back_to_the_login(lab, page):
    page.open().log_in("rita", PASSWORD)
    page.press("red-net")
    page.press("Add adapter")
    page.fill("name", "too-late")
    for session in lab.api.list("/v1/sessions"):
        lab.api.delete("sessions", session["id"], wait=False)
    # The watch ends with its session, so nobody has to press anything to find out.
    page.shows("Your session has ended; log in again.", timeout=25)
    assert not page.all("dialog") and "red-net" not in page.text()
    page.log_in("rita", PASSWORD)
    page.heading("red-net")  # where one was


def test_a_page_of_another_site_gets_nothing(lab):
    status, _, problem = lab.api.request("POST", "/v1/sessions", {"name": "rita", "password": PASSWORD},
                                         {"Authorization": "", "Origin": "https://evil.example"})
    assert status == 403, problem
    status, headers, _ = lab.api.request("POST", "/v1/sessions", {"name": "rita", "password": PASSWORD}, {"Authorization": "", "Origin": URL})
    assert status == 201 and "Access-Control-Allow-Origin" not in headers
