"""A Skerry lab on one machine: a controller, hypervisor hosts and VMs, each a network namespace.

        controller ns                host ns h1 .. hN                      VM namespaces
      +----------------+          +---------------------+               +----------------+
      | skerry-        |          | skerry-agent        | v-<vm>   eth0 | any addresses  |
      | controller     |          |                     +---------------+ the tenant     |
      +---+------------+          +--+---------------+--+     veth      | likes          |
        mg0                         mg0             up0                 +----------------+
          |      management           |               |  physical network
      +---+---------------------------+--+     +------+----------------------------+
      | switch "mg" (bridge)             |     | switches "s1", "s2": one a site,  |
      +----------------------------------+     | and a router between them         |
                     physical-network ns ------+-----------------------------------+

Sites are different IP subnets (10.83.<n>.0/24); the router is .254 on each. Nothing is configured behind the
controller's back: hosts join with a join command, objects go through the REST API. Every namespace is named after the
lab, so several labs run side by side; leaving the `with` block ends the processes and removes everything.
"""

from __future__ import annotations

import ctypes
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNET = 0x40000000
PR_SET_PDEATHSIG = 1
MANAGEMENT = "198.18.0"  # RFC 2544: never a real network's
PHYSICAL_MTU = 1500


class LabError(RuntimeError):
    """Something the lab relied on did not happen; the message says what and shows where to look."""


def _die_with_parent() -> None:
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def run(*words: str, check: bool = True, timeout: float = 30, **kwargs) -> subprocess.CompletedProcess:
    result = subprocess.run(
        [str(w) for w in words], text=True, capture_output=True, timeout=timeout, preexec_fn=_die_with_parent, **kwargs
    )
    if check and result.returncode:
        raise LabError(f"{' '.join(map(str, words))}: exit {result.returncode}\n{result.stdout}{result.stderr}")
    return result


def wait_for(what: str, condition, timeout: float = 15, every: float = 0.03):
    """Returns condition()'s first true value; LabError naming `what` when the time is over."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise LabError(f"after {timeout:g} s still not so: {what}")
        time.sleep(every)


class Namespace:
    """A network namespace. Commands enter with nsenter: `ip netns exec` would hide the bpffs of agents."""

    def __init__(self, name: str):
        self.name = name
        self.path = f"/run/netns/{name}"
        run("ip", "netns", "add", name)
        self.run("ip", "link", "set", "lo", "up")

    def command(self, *words: str) -> list[str]:
        return ["nsenter", f"--net={self.path}", *map(str, words)]

    def run(self, *words: str, **kwargs) -> subprocess.CompletedProcess:
        return run(*self.command(*words), **kwargs)

    def popen(self, *words: str, **kwargs) -> subprocess.Popen:
        return subprocess.Popen(self.command(*words), text=True, preexec_fn=_die_with_parent, **kwargs)

    def sysctl(self, key: str, value) -> None:
        self.run("sysctl", "-qw", f"{key}={value}")

    def socket(self, *args) -> socket.socket:
        """A socket that lives in this namespace, made without leaving the process's own for longer than the call."""
        with open("/proc/thread-self/ns/net", "rb") as here, open(self.path, "rb") as there:
            if LIBC.setns(there.fileno(), CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), f"setns {self.name}")
            try:
                return socket.socket(*args)
            finally:
                LIBC.setns(here.fileno(), CLONE_NEWNET)

    def remove(self) -> None:
        run("ip", "netns", "del", self.name, check=False)


class ApiError(LabError):
    def __init__(self, method: str, path: str, status: int, problem):
        self.status, self.problem = status, problem
        super().__init__(f"{method} {path}: {status} {json.dumps(problem)}")


class Api:
    """The REST API as a client in the controller's namespace sees it."""

    def __init__(self, namespace: Namespace, host: str, port: int, ca: pathlib.Path, token: str):
        self.namespace, self.host, self.port, self.token = namespace, host, port, token
        self.context = ssl.create_default_context(cafile=str(ca))
        self.revision = 0

    def connection(self, timeout: float = 60) -> http.client.HTTPSConnection:
        raw = self.namespace.socket(socket.AF_INET, socket.SOCK_STREAM)
        raw.settimeout(timeout)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        raw.connect((self.host, self.port))
        connection = http.client.HTTPSConnection(self.host, self.port, timeout=timeout, context=self.context)
        connection.sock = self.context.wrap_socket(raw, server_hostname=self.host)
        return connection

    def request(self, method: str, path: str, body=None, headers=None, timeout: float = 60):
        """(status, headers, decoded body) without judging the status."""
        words = {"Authorization": f"Bearer {self.token}", **(headers or {})}
        if body is not None:
            words.setdefault("Content-Type", "application/json")
        connection = self.connection(timeout)
        try:
            connection.request(method, path, None if body is None else json.dumps(body), words)
            answer = connection.getresponse()
            data = answer.read()
        finally:
            connection.close()
        if answer.getheader("Skerry-Revision"):
            self.revision = int(answer.getheader("Skerry-Revision"))
        is_json = "json" in (answer.getheader("Content-Type") or "")
        return answer.status, answer.headers, json.loads(data) if is_json and data else data.decode(errors="replace") or None

    def __call__(self, method: str, path: str, body=None, headers=None, timeout: float = 60):
        status, _, answer = self.request(method, path, body, headers, timeout)
        if status >= 400:
            raise ApiError(method, path, status, answer)
        return answer

    def get(self, path: str):
        return self("GET", path)

    def list(self, path: str) -> list:
        items, token = [], None
        while True:
            joint = "&" if "?" in path else "?"
            page = self.get(path + joint + "limit=1000" + (f"&page_token={token}" if token else ""))
            items += page["items"]
            token = page.get("next_page_token")
            if not token:
                return items

    def create(self, collection: str, wait: bool = True, **fields):
        return self("POST", f"/v1/{collection}" + ("?wait=realized&timeout=30s" if wait else ""), fields)

    def patch(self, collection: str, identity: str, wait: bool = True, **fields):
        etag = self.get(f"/v1/{collection}/{identity}")["etag"]
        path = f"/v1/{collection}/{identity}" + ("?wait=realized&timeout=30s" if wait else "")
        return self("PATCH", path, fields, {"If-Match": f'"{etag}"', "Content-Type": "application/merge-patch+json"})

    def delete(self, collection: str, identity: str, wait: bool = True):
        return self("DELETE", f"/v1/{collection}/{identity}" + ("?wait=realized&timeout=30s" if wait else ""))

    def find(self, collection: str, name: str):
        items = self.list(f"/v1/{collection}?name={name.replace(' ', '%20')}")
        if not items:
            raise LabError(f"{collection} has no {name}")
        return items[0]


class Process:
    """A daemon of the lab: its log is a file, its end is by pid."""

    def __init__(self, lab: Lab, name: str, namespace: Namespace, *words: str):
        self.name, self.namespace, self.words, self.lab = name, namespace, words, lab
        self.log = lab.directory / f"{name}.log"
        self.popen: subprocess.Popen | None = None

    def start(self) -> None:
        with open(self.log, "ab") as log:
            self.popen = subprocess.Popen(
                self.namespace.command(*self.words), stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.lab.environment,
                preexec_fn=_die_with_parent,
            )

    @property
    def running(self) -> bool:
        return self.popen is not None and self.popen.poll() is None

    def signal(self, number: int) -> None:
        self.popen.send_signal(number)

    def kill(self) -> None:
        """kill -9: what a crash looks like."""
        if self.running:
            self.popen.send_signal(signal.SIGCONT)
            self.popen.kill()
            self.popen.wait(10)

    def stop(self, timeout: float = 15) -> int | None:
        if not self.running:
            return None if self.popen is None else self.popen.returncode
        self.popen.send_signal(signal.SIGCONT)
        self.popen.terminate()
        try:
            return self.popen.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise LabError(f"{self.name} did not end within {timeout:g} s of SIGTERM; its log: {self.log}") from None

    def check(self) -> None:
        if not self.running:
            raise LabError(f"{self.name} ended with {self.popen.returncode}:\n{self.log.read_text(errors='replace')[-3000:]}")


class Host:
    """A hypervisor host: uplink up0 in its site, management mg0, one agent."""

    def __init__(self, lab: Lab, name: str, site: int, number: int):
        self.lab, self.name, self.site, self.number = lab, name, site, number
        self.namespace = Namespace(f"{lab.name}-{name}")
        self.state = lab.directory / name
        self.state.mkdir()
        self.socket = self.state / "agent.sock"
        self.pins = pathlib.Path(f"/sys/fs/bpf/{lab.name}-{name}")
        self.id: str | None = None
        lab.plug(self.namespace, "mg0", "mg", f"{name}-mg", f"{MANAGEMENT}.{10 + number}/24")
        lab.plug(self.namespace, "up0", f"s{site}", f"{name}-up")
        self.plain_words = (lab.binary("skerry-agent"), "run", "--state-directory", self.state, "--socket", self.socket,
                            "--pin-directory", self.pins, *lab.agent_flags)
        self.agent = Process(lab, f"agent-{name}", self.namespace, *self.plain_words)

    def join(self, join_string: str, *flags: str) -> None:
        """The join command's string goes in on standard input, as an administrator who is careful would do it."""
        self.namespace.run(
            self.lab.binary("skerry-agent"), "join", "-", "--name", self.name, "--uplink", "up0", "--state-directory",
            self.state, *flags, input=join_string + "\n", env=self.lab.environment,
        )
        self.id = self.lab.api.find("hosts", self.name)["id"]

    def start(self, wait: bool = True) -> None:
        self.agent.start()
        if wait:
            wait_for(f"{self.name} is online", self.online)

    def online(self) -> bool:
        self.agent.check()
        return bool(self.lab.api.get(f"/v1/hosts/{self.id}")["status"].get("online"))

    def program_ids(self) -> dict[str, str]:
        """Interface -> kernel id of the program in our filter."""
        found = {}
        for line in self.namespace.run("ip", "-br", "link").stdout.splitlines():
            interface = line.split()[0].split("@")[0]
            shown = self.namespace.run("tc", "filter", "show", "dev", interface, "ingress").stdout
            match = re.search(r"pref 49152 bpf.* id (\d+)", shown)
            if match:
                found[interface] = match.group(1)
        return found

    def forget_fast_path(self) -> None:
        """What a reboot takes: pins, filters, addresses."""
        for interface in self.program_ids():
            self.namespace.run("tc", "qdisc", "del", "dev", interface, "clsact")
        shutil.rmtree(self.pins, ignore_errors=True)
        self.namespace.run("ip", "addr", "flush", "dev", "up0")

    def local(self, *words: str, output: str = "json"):
        result = self.namespace.run(
            self.lab.binary("skerryctl"), "host", "local", *words, "--socket", self.socket, "-o", output,
            env=self.lab.environment,
        )
        return json.loads(result.stdout) if output == "json" else result.stdout


class Vm:
    """A VM as a namespace: eth0 is its NIC, the other end of the veth a port of the host."""

    def __init__(self, lab: Lab, name: str, host: Host | None, adapter: dict, prefix_length: int, gateway: str):
        self.lab, self.name, self.adapter = lab, name, adapter
        self.namespace = Namespace(f"{lab.name}-{name}")
        self.mac = adapter["mac"]
        self.address = (adapter.get("ip_addresses") or [None])[0]
        self.prefix_length, self.gateway = prefix_length, gateway
        self.port = f"v-{name}"[:15]
        self.host: Host | None = None
        self.mtu: int | None = None
        if host:
            self.plug(host)

    @property
    def id(self) -> str:
        return self.adapter["id"]

    def plug(self, host: Host, alias: bool = True) -> None:
        """Starts the VM on a host: its interface appears there."""
        self.learn_mtu()
        self.host = host
        self.connect(host)
        self.namespace.run("ip", "link", "set", "eth0", "address", self.mac, "mtu", str(self.mtu))
        self.namespace.sysctl("net.ipv6.conf.eth0.disable_ipv6", 1)
        if self.address:
            self.namespace.run("ip", "addr", "add", f"{self.address}/{self.prefix_length}", "dev", "eth0")
        self.namespace.run("ip", "link", "set", "eth0", "up")
        if self.address:
            self.namespace.run("ip", "route", "add", "default", "via", self.gateway)
        if alias:
            host.namespace.run("ip", "link", "set", self.port, "alias", f"skerry:{self.id}")
        # As a hypervisor does. (The kernel tells nobody about an alias on an interface that is down.)
        host.namespace.run("ip", "link", "set", self.port, "up")

    def learn_mtu(self) -> None:
        """The VM subnet's; of a VM in a VLAN without one, the physical network's."""
        subnet = self.adapter.get("vm_subnet_id")
        if self.mtu is None:
            self.mtu = self.lab.api.get(f"/v1/vm-subnets/{subnet}")["status"]["mtu"] if subnet else PHYSICAL_MTU

    def connect(self, host: Host) -> None:
        host.namespace.run("ip", "link", "add", self.port, "type", "veth", "peer", "name", "eth0", "netns", self.namespace.name)

    def unplug(self) -> None:
        if self.host:
            self.host.namespace.run("ip", "link", "del", self.port, check=False)
            self.host = None

    def announce(self) -> None:
        """What QEMU does where a VM goes on: a gratuitous ARP from every address."""
        self.namespace.run("arping", "-U", "-c", "1", "-I", "eth0", self.address, check=False)

    def bound(self) -> bool:
        return bool(self.lab.api.get(f"/v1/network-adapters/{self.id}")["status"].get("bound"))

    def wait_bound(self) -> None:
        wait_for(f"{self.name}'s adapter is bound", self.bound)

    def ping(self, address: str, count: int = 1, timeout: float = 2, size: int | None = None, flags: tuple = ()) -> bool:
        words = ["ping", "-n", "-c", str(count), "-i", "0.05", "-W", f"{timeout:g}", *flags]
        if size is not None:
            words += ["-s", str(size)]
        return self.namespace.run(*words, address, check=False, timeout=timeout + count + 5).returncode == 0


class Lab:
    def __init__(self, name: str, build: str | None = None, agent_flags=(), controller_flags=(), keep: bool = False):
        if os.geteuid():
            raise LabError("the lab makes network namespaces: run it as root")
        self.name = name
        self.build = pathlib.Path(build or os.environ.get("SKERRY_BUILD", ROOT / "build" / "dev"))
        self.agent_flags, self.controller_flags = tuple(agent_flags), tuple(controller_flags)
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix=f"skerry-{name}-"))
        self.environment = {**os.environ, "HOME": str(self.directory)}
        self.keep = keep
        self.hosts: dict[str, Host] = {}
        self.vms: dict[str, Vm] = {}
        self.api: Api | None = None
        self.processes: list[Process] = []
        self.sites: set[int] = set()
        self.physical: Namespace | None = None

    def binary(self, name: str) -> pathlib.Path:
        path = self.build / name
        if not path.exists():
            raise LabError(f"{path} is not built: cmake --preset dev && cmake --build --preset dev")
        return path

    # ---- the physical side ----

    def __enter__(self) -> Lab:
        self.remove_remains()
        try:
            self.physical = Namespace(f"{self.name}-phys")
            self.physical.sysctl("net.ipv4.ip_forward", 1)
            self.switch("mg")
            self.controller_namespace = Namespace(f"{self.name}-ctl")
            self.plug(self.controller_namespace, "mg0", "mg", "ctl-mg", f"{MANAGEMENT}.1/24")
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def remove_remains(self) -> None:
        """Of a lab of this name that was killed."""
        for entry in pathlib.Path("/run/netns").glob(f"{self.name}-*"):
            run("ip", "netns", "del", entry.name, check=False)
        for entry in pathlib.Path("/sys/fs/bpf").glob(f"{self.name}-*"):
            shutil.rmtree(entry, ignore_errors=True)

    def switch(self, name: str) -> None:
        self.physical.run("ip", "link", "add", name, "type", "bridge", "forward_delay", "0", "mcast_snooping", "0")
        self.physical.run("ip", "link", "set", name, "up")

    def site(self, number: int) -> str:
        """The site's subnet; makes its switch and the router's leg when it is new."""
        if number not in self.sites:
            self.sites.add(number)
            self.switch(f"s{number}")
            self.physical.run("ip", "addr", "add", f"10.83.{number}.254/24", "dev", f"s{number}")
        return f"10.83.{number}.0/24"

    def plug(self, namespace: Namespace, interface: str, switch: str, port: str, address: str | None = None) -> None:
        self.physical.run("ip", "link", "add", port, "type", "veth", "peer", "name", interface, "netns", namespace.name)
        self.physical.run("ip", "link", "set", port, "master", switch, "up")
        namespace.sysctl(f"net.ipv6.conf.{interface}.disable_ipv6", 1)
        if address:
            namespace.run("ip", "addr", "add", address, "dev", interface)
        namespace.run("ip", "link", "set", interface, "up")

    # ---- the controller ----

    def start_controller(self) -> None:
        data = self.directory / "controller"
        data.mkdir(exist_ok=True)
        address = f"{MANAGEMENT}.1"
        self.controller = Process(
            self, "controller", self.controller_namespace, self.binary("skerry-controller"), "--data-directory", data,
            "--api-listen", f"{address}:8443", "--agent-listen", f"{address}:6653", "--agent-address", f"{address}:6653",
            *self.controller_flags,
        )
        self.processes.append(self.controller)
        self.controller.start()
        token_file = data / "admin.token"
        wait_for("the controller has written the administrator's token", lambda: self.controller.check() or token_file.exists())
        self.api = Api(self.controller_namespace, address, 8443, data / "ca.pem", token_file.read_text().strip())
        self.wait_ready()

    def wait_ready(self) -> None:
        def ready():
            self.controller.check()
            try:
                return self.api.request("GET", "/readyz", timeout=2)[0] == 200
            except OSError:
                return False

        wait_for("the controller is ready", ready, timeout=30)

    # ---- hosts and VMs ----

    def add_host(self, name: str, site: int) -> Host:
        self.site(site)
        host = Host(self, name, site, len(self.hosts) + 1)
        self.hosts[name] = host
        self.processes.append(host.agent)
        return host

    def join_string(self, host_group_id: str | None = None, uses: int = 1) -> str:
        fields = {"name": f"join-{time.monotonic_ns()}", "uses": uses}
        if host_group_id:
            fields["host_group_id"] = host_group_id
        return self.api.create("join-tokens", wait=False, **fields)["join_string"]

    def add_vm(self, name: str, subnet: dict, host: Host | None = None, placed: bool = True, kind=None,
               **fields) -> Vm:
        """Creates the adapter through the API and starts the VM. placed=False: the host claims it by ifalias."""
        body = {"name": name, "vm_name": name, "vm_network_id": subnet["vm_network_id"], "vm_subnet_id": subnet["id"],
                "tenant_id": subnet["tenant_id"], **fields}
        if host and placed:
            body["host_id"] = host.id
        adapter = self.api.create("network-adapters", **body)
        vm = (kind or Vm)(self, name, host, adapter, int(subnet["prefix"].split("/")[1]), subnet["gateway"])
        self.vms[name] = vm
        if host:
            vm.wait_bound()
        return vm

    # ---- the end ----

    def __exit__(self, kind, value, trace) -> None:
        if self.keep and kind:
            print(f"kept for you: {self.directory}, namespaces {self.name}-*")
            return
        for process in reversed(self.processes):
            process.kill()
        for vm in self.vms.values():
            vm.namespace.remove()
        for host in self.hosts.values():
            host.namespace.remove()
            if host.pins.exists():
                for pin in sorted(host.pins.rglob("*"), reverse=True):
                    pin.rmdir() if pin.is_dir() else pin.unlink()
                host.pins.rmdir()
        for name in ("controller_namespace", "physical"):
            namespace = getattr(self, name, None)
            if namespace:
                namespace.remove()
        shutil.rmtree(self.directory, ignore_errors=True)


def two_tenants(lab: Lab, hosts_per_site=((1, 2), (2, 1)), say=lambda text: None) -> dict:
    """Red and Blue with the same addresses over hosts in several sites: the model of quickstart and of most tests."""
    api = lab.api
    say("host groups, logical network, network sites, pools")
    root = api.find("host-groups", "All hosts")
    network = api.create("logical-networks", name="provider", isolation="connected", network_virtualization=True)
    names = {1: "Dallas", 2: "Houston", 3: "Austin"}
    model = {"logical_network": network, "hosts": [], "sites": {}, "host_groups": {}}
    for site, _ in hosts_per_site:
        group = api.create("host-groups", name=names[site], parent_id=root["id"], claims=True)
        subnet = lab.site(site)
        made = api.create("network-sites", name=names[site].lower(), logical_network_id=network["id"],
                          host_group_ids=[group["id"]], subnet_vlans=[{"subnet": subnet, "vlan_id": 0}])
        api.create("ip-pools", name=f"{names[site].lower()}-pa", network_site_id=made["id"], subnet=subnet,
                   range_start=f"10.83.{site}.10", range_end=f"10.83.{site}.99",
                   gateways=[{"address": f"10.83.{site}.254", "metric": 10}])
        model["sites"][site], model["host_groups"][site] = made, group
    number = 0
    for site, count in hosts_per_site:
        for _ in range(count):
            number += 1
            say(f"host h{number} joins in {names[site]}")
            host = lab.add_host(f"h{number}", site)
            host.join(lab.join_string(model["host_groups"][site]["id"]))
            host.start()
            model["hosts"].append(host)
    learning = api.find("port-classifications", "Guest dynamic IP")
    for tenant in ("red", "blue"):
        say(f"tenant {tenant}: VM network with subnets 10.0.0.0/24 and 10.0.1.0/24")
        owner = api.create("tenants", name=tenant, logical_network_ids=[network["id"]], port_classification_ids=[learning["id"]])
        vm_network = api.create("vm-networks", name=f"{tenant}-net", tenant_id=owner["id"], logical_network_id=network["id"])
        subnets = []
        for index in range(2):
            subnet = api.create("vm-subnets", name=f"{tenant}-{index}", tenant_id=owner["id"], vm_network_id=vm_network["id"],
                                prefix=f"10.0.{index}.0/24")
            api.create("ip-pools", name=f"{tenant}-pool-{index}", vm_subnet_id=subnet["id"],
                       subnet=f"10.0.{index}.0/24", range_start=f"10.0.{index}.2", range_end=f"10.0.{index}.200")
            subnets.append(subnet)
        model[tenant] = {"tenant": owner, "vm_network": vm_network, "subnets": subnets}
    return model
