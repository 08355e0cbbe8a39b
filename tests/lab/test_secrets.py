"""What is left of secrets in the controller's memory when the requests that brought them have ended: nothing.

   h1 (site 1), which joins

The heap and the anonymous memory of the process are searched as a core dump or a swapped page would show them.
"""

import json
import os
import pathlib
import re
import secrets
import sqlite3

import pytest
from lab import Lab, wait_for

# A page of the database as SQLite caches it: the key is stored there, and the page is read again with other settings.
IN_DATABASE = b"authority.key-----BEGIN"
HUGE = 1 << 32  # what a sanitizer reserves and does not fill


@pytest.fixture(scope="module")
def lab():
    with Lab("secrets") as lab:
        # A sanitizer keeps freed memory as it was for long; ordinary builds do not have this.
        lab.environment["ASAN_OPTIONS"] = f"{os.environ.get('ASAN_OPTIONS', '')}:quarantine_size_mb=0:thread_local_quarantine_size_kb=0"
        lab.start_controller()
        yield lab


def memory(lab):
    """(mapping, bytes) of what the process has written itself, file mappings left out."""
    pid = lab.controller.popen.pid
    with open(f"/proc/{pid}/mem", "rb", 0) as mem:
        for line in pathlib.Path(f"/proc/{pid}/maps").read_text().splitlines():
            words = line.split(maxsplit=5)
            begin, end = (int(word, 16) for word in words[0].split("-"))
            name = words[5] if len(words) > 5 else ""
            if "rw" not in words[1] or name.startswith("/") or name in ("[vvar]", "[vsyscall]") or end - begin >= HUGE:
                continue
            try:
                mem.seek(begin)
                yield f"{words[0]} {name}", mem.read(end - begin)
            except OSError:  # it has gone meanwhile
                continue


def found(lab, wanted: dict[str, str]) -> list[str]:
    """Where the texts stand, with what is around them."""
    places = []
    for mapping, data in memory(lab):
        for name, text in wanted.items():
            for match in re.finditer(re.escape(text.encode()), data):
                around = data[max(0, match.start() - 60):match.end() + 60]
                if IN_DATABASE in around:
                    continue
                places.append(f"{name} in {mapping} at {match.start():#x}: {around!r}")
    return places


def expect_nothing_left(lab, wanted: dict[str, str]) -> None:
    """An answer has left before its request has ended, so what is there now may be gone in a moment."""
    assert found(lab, {"a text that is there": "skerry"}), "the memory is read"
    places = []

    def gone():
        places[:] = found(lab, wanted)
        return not places

    try:
        wait_for("the secrets are gone", gone, 5, 0.2)
    except Exception:
        raise AssertionError("\n".join(places[:40])) from None


class Person:
    """A user with a role, and a password that nothing else has in it."""

    def __init__(self, lab, name: str):
        self.lab, self.name, self.password = lab, name, secrets.token_urlsafe(24)
        user = lab.api.create("users", wait=False, name=name, password=self.password)
        lab.api.create("role-bindings", wait=False, name=name, user_id=user["id"], role="auditor")

    def login(self) -> tuple[str, str]:
        status, headers, answer = self.lab.api.request("POST", "/v1/sessions", {"name": self.name, "password": self.password},
                                                       {"Authorization": ""})
        assert status == 201, answer
        self.cookie = re.match(r"[^=]+=([^;]+)", headers["Set-Cookie"])[1]
        self.csrf = self.request("GET", "/v1/sessions/current")[1]["csrf_token"]

    def headers(self) -> dict:
        return {"Cookie": f"__Host-skerry-session={self.cookie}", **({"X-CSRF-Token": self.csrf} if hasattr(self, "csrf") else {})}

    def request(self, method: str, path: str, body=None):
        connection = self.lab.api.connection()
        try:
            connection.request(method, path, body and json.dumps(body), {"Content-Type": "application/json", **self.headers()})
            answer = connection.getresponse()
            text = answer.read()
            return answer.status, json.loads(text) if text else None
        finally:
            connection.close()


def test_passwords_and_sessions(lab):
    person = Person(lab, "rita")
    wanted = {"password": person.password}
    person.login()
    wanted["session"] = person.cookie
    wanted["session's secret"] = person.cookie.split(".")[-1]
    wanted["new password"] = secrets.token_urlsafe(24)
    change = {"current_password": person.password, "password": wanted["new password"]}
    status, answer = person.request("POST", "/v1/sessions/current:password", change)
    assert status == 204, answer
    expect_nothing_left(lab, wanted)


def password_hash(lab, name: str) -> str:
    with sqlite3.connect(f"file:{lab.directory}/controller/skerry.db?mode=ro", uri=True) as database:
        return database.execute("SELECT password_hash FROM user WHERE name = ?", (name,)).fetchone()[0]


def test_a_password_change_whose_client_leaves(lab):
    person = Person(lab, "otto")
    person.login()
    wanted = {"password": person.password, "session": person.cookie, "new password": secrets.token_urlsafe(24)}
    change = json.dumps({"current_password": person.password, "password": wanted["new password"]})
    connection = lab.api.connection()
    before = password_hash(lab, "otto")
    connection.request("POST", "/v1/sessions/current:password", change, {"Content-Type": "application/json", **person.headers()})
    connection.close()
    wait_for("the password has changed all the same", lambda: password_hash(lab, "otto") != before)
    expect_nothing_left(lab, wanted)


def test_a_wrong_password_and_a_broken_body(lab):
    wanted = {name: secrets.token_urlsafe(24) for name in ("wrong password", "broken body", "too long", "half")}
    login = {"name": "nobody", "password": wanted["wrong password"]}
    assert lab.api.request("POST", "/v1/sessions", login, {"Authorization": ""})[0] == 401
    for body, length in ((f'{{"password": "{wanted["broken body"]}', None), (json.dumps({"name": wanted["too long"] * 500}), None),
                         (json.dumps({"password": wanted["half"]}), 1000)):
        connection = lab.api.connection()
        connection.putrequest("POST", "/v1/sessions")
        connection.putheader("Content-Type", "application/json")
        connection.putheader("Content-Length", str(length or len(body)))
        connection.endheaders(body.encode())
        if not length:
            assert connection.getresponse().status in (400, 413)
        connection.close()
    expect_nothing_left(lab, wanted)


def test_a_join_and_the_authoritys_key(lab):
    host = lab.add_host("h1", 1)
    line = lab.join_string()
    host.join(line)
    passphrase = secrets.token_urlsafe(24)
    backup = lab.api("POST", "/v1/backups", {"passphrase": passphrase})
    wait_for("the backup is done", lambda: lab.api.get(f"/v1/backups/{backup['id']}")["status"].get("state") != "running")
    with sqlite3.connect(f"file:{lab.directory}/controller/skerry.db?mode=ro", uri=True) as database:
        key = next(value for row in database.execute("SELECT * FROM settings") for value in row
                   if isinstance(value, (str, bytes)) and "PRIVATE KEY" in str(value))
    key = key.decode() if isinstance(key, bytes) else key
    lines = key.split("\n")
    expect_nothing_left(lab, {
        "join secret": re.search(r"\.([^#]+)#", line.rsplit("/", 1)[1])[1],
        "passphrase": passphrase,
        "authority's key": lines[1],
        "any key": "-----BEGIN PRIVATE KEY-----",
        "any EC key": "-----BEGIN EC PRIVATE KEY-----",
    })
