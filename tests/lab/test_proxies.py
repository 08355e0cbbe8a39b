"""The controller behind nginx and behind HAProxy, with the configurations of docs/operate.md: requests on which two
programs in a row could disagree are read alike by both, or refused by one of them.

   client -- TLS --> proxy -- TLS, kept connections --> controller, all in the controller's namespace

The proxy's access log says what it sent on, the controller's metrics what it got.
"""

import json
import re
import socket
import ssl

import pytest
from lab import MANAGEMENT, ROOT, Lab, LabError, Process, run, wait_for

# Answered with 404 by the controller, which is how one that got through is seen.
MARKER = b"GET /v1/marker HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
PATIENCE = 0.3  # how long a client waits that has not been hung up on
POST = b"POST /v1/sessions HTTP/1.1\r\nHost: x\r\n"


def corpus() -> list[bytes]:
    lines = (ROOT / "tests" / "support" / "smuggled.txt").read_text().splitlines()
    return [line.encode().decode("unicode_escape").encode("latin-1") + MARKER for line in lines if line[0] != "#"]


def sized(head: bytes, body: bytes) -> bytes:
    return head + b"Content-Length: %d\r\n\r\n" % len(body) + body


# Requests that hold the marker where it is no request: one each, whoever reads it.
HIDDEN = [
    sized(POST, MARKER),
    sized(POST, b"\r\n" + MARKER),
    sized(POST + b"Expect: 100-continue\r\n", MARKER),
    sized(POST, MARKER * 100),
    sized(b"POST /v1/tenants HTTP/1.1\r\nHost: x\r\n", MARKER),
    sized(b"GET /healthz HTTP/1.1\r\nHost: x\r\n", MARKER),
    sized(b"DELETE /v1/hosts HTTP/1.1\r\nHost: x\r\n", MARKER),
    sized(b"OPTIONS /healthz HTTP/1.1\r\nHost: x\r\n", MARKER),
    POST + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(MARKER), MARKER),
    POST + b"Transfer-Encoding: chunked\r\n\r\n%x;ext=1\r\n%s\r\n0\r\n\r\n" % (len(MARKER), MARKER),
    POST + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nX: y\r\nHost: z\r\n\r\n",
]


class Way:
    """How requests reach the controller. sent(): the status of each request that a proxy sent on."""

    def __init__(self, lab, port: int, process=None, log=None):
        self.lab, self.port, self.process, self.log = lab, port, process, log
        self.context = ssl.create_default_context()
        self.context.check_hostname, self.context.verify_mode = False, ssl.CERT_NONE

    def exchange(self, data: bytes) -> tuple[bytes, bool]:
        """All that is answered, and whether the connection was ended from there."""
        answer, ended = b"", True
        with self.context.wrap_socket(self.lab.controller_namespace.socket(socket.AF_INET, socket.SOCK_STREAM)) as raw:
            raw.settimeout(PATIENCE)
            raw.connect((f"{MANAGEMENT}.1", self.port))
            try:
                raw.sendall(data)
                while piece := raw.recv(65536):
                    answer += piece
            except TimeoutError:
                ended = False
            except (ConnectionError, ssl.SSLError):
                pass
        return answer, ended

    def sent(self, since: int) -> list[int]:
        return [int(status) for line in self.lines()[since:] for status in re.findall(r"\d+", json.loads(line)["sent"])]

    def lines(self) -> list[str]:
        return [line for line in self.log.read_text(errors="replace").splitlines() if line.startswith('{"sent"')]


class Counters:
    """How many requests and markers the controller has answered, those of this class left out. They come one after the
    other on one connection, so that each has been counted when the next one is read."""

    def __init__(self, lab):
        self.api, self.connection, self.asked = lab.api, lab.api.connection(), 0

    def read(self) -> tuple[int, int]:
        self.connection.request("GET", "/metrics", headers={"Authorization": f"Bearer {self.api.token}"})
        text = self.connection.getresponse().read().decode()
        answers = sum(int(n) for n in re.findall(r"^skerry_http_answers_total\{.*\} (\d+)$", text, re.M)) - self.asked
        self.asked += 1
        return answers, int(re.search(r'^skerry_http_refusals_total\{type="not-found"\} (\d+)$', text, re.M)[1])


def example(language: str, **replaced) -> str:
    """A configuration of the document, with the lab's addresses and files in the place of the operator's."""
    text = re.search(rf"^```{language}\n(.*?)^```$", (ROOT / "docs" / "operate.md").read_text(), re.M | re.S)[1]
    for old, new in {"127.0.0.1:8443": f"{MANAGEMENT}.1:8443", **replaced}.items():
        assert old in text, old
        text = text.replace(old, str(new))
    return text


def nginx(lab, files: dict) -> tuple[str, ...]:
    site = example("nginx", **{"listen 443": "listen 8444"}, **files)
    config = lab.directory / "nginx.conf"
    log = 'log_format lab escape=json \'{"sent": "$upstream_status", "request": "$request"}\'; access_log /dev/stdout lab;'
    config.write_text(f"daemon off; master_process off; user root; pid {lab.directory}/nginx.pid; error_log /dev/stdout;\nevents {{}}\nhttp {{ {log}\n{site}}}\n")
    return "nginx", "-c", config


def haproxy(lab, files: dict) -> tuple[str, ...]:
    log = "log global\n    log-format '{\"sent\": \"%[var(txn.sent)]\", \"request\": %{+Q,+E}r}'"
    text = example("haproxy", **{"mode http": f"mode http\n    {log}", "bind :443": "bind :8445"}, **files)
    config = lab.directory / "haproxy.cfg"
    config.write_text(f"global\n    log stdout format raw local0\n\n{text}    http-response set-var(txn.sent) status\n")
    return "haproxy", "-db", "-f", config


@pytest.fixture(scope="module")
def lab():
    with Lab("proxies") as lab:
        lab.start_controller()
        key, certificate, both = (lab.directory / name for name in ("key.pem", "certificate.pem", "all.pem"))
        run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out",
            certificate, "-subj", "/CN=skerry.example", "-days", "2")
        both.write_text(key.read_text() + certificate.read_text())
        lab.ways = {"direct": Way(lab, 8443)}
        ca = {"/var/lib/skerry/ca.pem": lab.directory / "controller" / "ca.pem"}
        proxies = {
            "nginx": (8444, nginx(lab, {"/etc/ssl/skerry/key.pem": key, "/etc/ssl/skerry/certificate.pem": certificate, **ca})),
            "haproxy": (8445, haproxy(lab, {"/etc/ssl/skerry/all.pem": both, **ca})),
        }
        for name, (port, words) in proxies.items():
            process = Process(lab, name, lab.controller_namespace, *words)
            lab.processes.append(process)
            process.start()
            lab.ways[name] = Way(lab, port, process, process.log)
            wait_for(f"{name} serves", lambda: process.check() or serves(lab.ways[name]))
        lab.counters = Counters(lab)
        yield lab


def serves(way: Way) -> bool:
    try:
        return b"200" in way.exchange(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")[0]
    except OSError:
        return False


NEXT_CLIENT = b"GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


def test_without_a_proxy_no_marker_is_answered(lab):
    way = lab.ways["direct"]
    for data in corpus() + HIDDEN:
        before = lab.counters.read()
        answer, ended = way.exchange(data)
        # libmicrohttpd writes the head of its own answer to a bad Content-Length twice, and closes: one status, then.
        assert len(set(re.findall(rb"HTTP/1\.1 (\d+)", answer)) - {b"100"}) <= 1, f"{data!r}: {answer!r}"
        after = lab.counters.read()
        assert after[0] - before[0] <= 1 and after[1] == before[1], f"{data!r}: {answer!r}"
        assert ended or data in HIDDEN, f"{data!r} left the connection open: {answer!r}"


NO_HOST = b"&quot;Host:&quot; header required"


class Ledger:
    """What a proxy sent on and what the controller counted, row by row."""

    def __init__(self, way: Way):
        self.way, self.read = way, way.lab.counters.read
        self.lines, self.counted = len(way.lines()), self.read()
        self.sent, self.requests, self.markers = [], 0, 0

    def agrees(self, answer: bytes) -> bool:
        """The proxy logs in the order of the requests when they are answered, and the last one is the next client's. The
        controller counts when an answer has left; it does not count a request without Host, which libmicrohttpd answers."""
        self.sent, now = self.way.sent(self.lines), self.read()
        self.requests, self.markers = (new - old for new, old in zip(now, self.counted))
        if not any("/readyz" in line for line in self.way.lines()[self.lines:]):
            return False
        return self.markers == self.sent.count(404) and self.requests + (NO_HOST in answer) == len(self.sent)

    def next(self) -> None:
        self.lines, self.counted = len(self.way.lines()), (self.counted[0] + self.requests, self.counted[1] + self.markers)


@pytest.mark.parametrize("name", ["nginx", "haproxy"])
def test_a_proxy_and_the_controller_count_the_same_requests(lab, name):
    way = lab.ways[name]
    ledger = Ledger(way)
    stopped = passed = 0
    for data in corpus() + HIDDEN:
        answer, _ = way.exchange(data)
        others, _ = way.exchange(NEXT_CLIENT)
        assert others.startswith(b"HTTP/1.1 200 ") and others.endswith(b"ready\n"), f"{data!r}: the next client got {others!r}"
        try:
            wait_for(f"{name} and the controller count the same", lambda: ledger.agrees(answer), 5)
        except LabError as error:
            raise AssertionError(f"{error}: {vars(ledger)}; {data!r}: {answer!r}") from None
        assert data not in HIDDEN or ledger.markers == 0 and b"marker" not in answer, f"{data!r}: {answer!r}"
        stopped += ledger.sent == [200]
        passed += ledger.markers
        ledger.next()
    assert stopped > 0, "the proxy refuses some of them by itself"
    assert passed > 0, "the controller sees a marker that was a request to the proxy too"
