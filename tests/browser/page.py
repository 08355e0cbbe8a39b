"""The self-service page in a headless Chromium, as a person uses it: labels, buttons, keys. Every wait is for something
to be so; everything the browser loaded, sent and complained about is kept and can be asked for."""

from __future__ import annotations

import json

from selenium import webdriver
from selenium.common.exceptions import NoSuchElementException, StaleElementReferenceException, TimeoutException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select, WebDriverWait

STALE = (StaleElementReferenceException, NoSuchElementException)
MINIMUM_WIDTH = 360


def start_browser(width: int = 1280, height: int = 900) -> webdriver.Chrome:
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--disable-extensions",
                 "--disable-background-networking", "--disable-component-update", "--force-prefers-reduced-motion"):
        options.add_argument(flag)
    options.set_capability("acceptInsecureCerts", True)  # the controller's own CA
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    driver = webdriver.Chrome(service=Service("/usr/bin/chromedriver"), options=options)
    set_size(driver, width, height)
    return driver


def set_size(driver, width: int, height: int) -> None:
    """The viewport's, whatever a window of this platform can be made."""
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                           {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width <= MINIMUM_WIDTH})


class Page:
    def __init__(self, driver: webdriver.Chrome, url: str):
        self.driver, self.url = driver, url
        self.sent: list[tuple[str, str]] = []  # (method, path) of every request
        self.received: list[tuple[str, str]] = []  # (path, text) of every answer and event
        self.complaints: list[str] = []
        self._open: dict[str, str] = {}

    # ---- waiting and finding ----

    def wait(self, what: str, condition, timeout: float = 15):
        try:
            return WebDriverWait(self.driver, timeout, 0.03, STALE).until(lambda _: condition())
        except TimeoutException:
            text = self.driver.find_element(By.TAG_NAME, "body").text
            raise AssertionError(f"after {timeout:g} s still not so: {what}; the page says:\n{text}") from None

    def all(self, selector: str) -> list:
        return [e for e in self.driver.find_elements(By.CSS_SELECTOR, selector) if e.is_displayed()]

    def one(self, selector: str):
        return self.wait(f"{selector} is there", lambda: (self.all(selector) or [None])[0])

    def text(self) -> str:
        return self.driver.find_element(By.TAG_NAME, "body").text

    def shows(self, text: str, timeout: float = 15) -> None:
        self.wait(f"the page shows {text!r}", lambda: text in self.text(), timeout)

    def shows_not(self, text: str) -> None:
        self.wait(f"the page does not show {text!r}", lambda: text not in self.text())

    def heading(self, text: str) -> None:
        self.wait(f"the heading is {text!r}", lambda: any(h.text == text for h in self.all("h1")))

    def button(self, name: str, within: str = "body"):
        """A button or link by its name, what a screen reader says."""
        def find():
            return next((e for e in self.all(f"{within} button, {within} a") if e.accessible_name == name), None)
        return self.wait(f"a button or link {name!r} is there", find)

    def buttons(self) -> list[str]:
        return [e.accessible_name for e in self.all("button, main a, dialog a")]

    def field(self, name: str, number: int = 0):
        return self.wait(f"field {name} number {number} is there",
                         lambda: (self.all(f"[name={name}]") + [None] * (number + 1))[number])

    def focused(self):
        return self.driver.switch_to.active_element

    # ---- doing ----

    def open(self, path: str = "/") -> Page:
        self.driver.get(self.url + path)
        return self

    def press(self, name: str, within: str = "body") -> None:
        self.button(name, within).click()

    def fill(self, name: str, text: str, number: int = 0) -> None:
        field = self.field(name, number)
        if field.tag_name == "select":
            Select(field).select_by_visible_text(text)
        else:
            field.send_keys(Keys.CONTROL, "a")
            field.send_keys(text or Keys.DELETE)

    def error(self, name: str, number: int = 0) -> str:
        """What is said to be wrong with a field, by the reference that a screen reader follows; "" = nothing."""
        field = self.field(name, number)
        if field.get_attribute("aria-invalid") != "true":
            return ""
        ids = field.get_attribute("aria-describedby").split()
        return self.driver.find_element(By.ID, ids[-1]).text

    def log_in(self, name: str, password: str) -> None:
        self.fill("name", name)
        self.fill("password", password)
        self.press("Log in", "form")

    def keys(self, *keys: str) -> None:
        """To whatever has the focus: the keyboard alone."""
        for key in keys:
            webdriver.ActionChains(self.driver).send_keys(key).perform()

    def select_all(self) -> None:
        webdriver.ActionChains(self.driver).key_down(Keys.CONTROL).send_keys("a").key_up(Keys.CONTROL).perform()

    def tab_to(self, what: str, reached, most: int = 40):
        for _ in range(most):
            element = self.focused()
            if reached(element):
                return element
            self.keys(Keys.TAB)
        raise AssertionError(f"{most} presses of Tab do not reach {what}")

    def tab_to_button(self, name: str):
        return self.tab_to(f"the button {name!r}", lambda e: e.tag_name in ("button", "a") and e.accessible_name == name)

    def tab_to_field(self, name: str):
        return self.tab_to(f"the field {name}", lambda e: e.get_attribute("name") == name)

    # ---- what the browser did ----

    def read_logs(self) -> None:
        for entry in self.driver.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            kind, data = message["method"], message["params"]
            if kind == "Network.requestWillBeSent" and data["request"]["url"].startswith(self.url):
                path = data["request"]["url"][len(self.url):]
                self.sent.append((data["request"]["method"], path))
                self._open[data["requestId"]] = path
            elif kind == "Network.eventSourceMessageReceived":
                self.received.append((self._open.get(data["requestId"], "?"), data["data"]))
            elif kind == "Network.loadingFinished" and data["requestId"] in self._open:
                self._keep_answer(data["requestId"])
        self.complaints += [f"{e['level']} {e['message']}" for e in self.driver.get_log("browser")]

    def _keep_answer(self, request_id: str) -> None:
        path = self._open.pop(request_id)
        try:
            body = self.driver.execute_cdp_cmd("Network.getResponseBody", {"requestId": request_id})["body"]
        except Exception:  # an answer without a body, or one that a navigation has thrown away
            return
        self.received.append((path, body))

    def writes(self) -> list[tuple[str, str]]:
        self.read_logs()
        return [(method, path) for method, path in self.sent if method != "GET"]

    def violations(self) -> list[str]:
        """Of the Content-Security-Policy, and errors of our scripts."""
        self.read_logs()
        return [c for c in self.complaints if "Content Security Policy" in c or "Uncaught" in c or "SyntaxError" in c or "TypeError" in c]

    def scrolls_sideways(self) -> bool:
        return self.driver.execute_script("return document.documentElement.scrollWidth > document.documentElement.clientWidth")

    def screenshot(self, path) -> None:
        self.driver.save_screenshot(str(path))
