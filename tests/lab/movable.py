"""A VM that moves between hosts, and what is measured of a move."""

from __future__ import annotations

import socket
import struct
import threading
import time

from lab import LabError, Vm, wait_for

ETH_P_ALL = 3
SO_TIMESTAMPNS = 35
CUT_OVER_S = 0.005
RATE = 1000


class Movable(Vm):
    """A VM whose network card exists on two hosts at once, as in a live migration: both have its MAC, and it sends by
    the one of the host it runs on. Its address stands beside them."""

    def plug(self, host, alias: bool = True) -> None:
        self.learn_mtu()
        self.namespace.sysctl("net.ipv6.conf.default.disable_ipv6", 1)
        for key in ("all", "default"):
            self.namespace.sysctl(f"net.ipv4.conf.{key}.rp_filter", 0)
        self.namespace.run("ip", "addr", "add", f"{self.address}/32", "dev", "lo")
        self.appear(host)
        self.run_on(host)

    def card(self, host) -> str:
        return f"n-{host.name}"

    def appear(self, host) -> None:
        """The interface is there; nothing runs behind it."""
        host.namespace.run("ip", "link", "add", self.port, "type", "veth", "peer", "name", self.card(host), "netns",
                           self.namespace.name)
        self.namespace.run("ip", "link", "set", self.card(host), "address", self.mac, "mtu", str(self.mtu), "up")
        host.namespace.run("ip", "link", "set", self.port, "alias", f"skerry:{self.id}")
        host.namespace.run("ip", "link", "set", self.port, "up")

    def run_on(self, host, announce: bool = True) -> None:
        """From now on it sends there. What still comes to the other host's interface it takes."""
        card = self.card(host)
        network = f"{self.address.rsplit('.', 1)[0]}.0/{self.prefix_length}"
        batch = "".join(f"route replace {words} dev {card} src {self.address}\n"
                        for words in (network, f"default via {self.gateway} onlink"))
        self.namespace.run("ip", "-batch", "-", input=batch)
        self.host = host
        if not announce:
            return
        mac = bytes.fromhex(self.mac.replace(":", ""))
        # RARP, as QEMU announces itself when it has taken over.
        frame = b"\xff" * 6 + mac + b"\x80\x35\0\1\x08\0\6\4\0\3" + mac + bytes(4) + mac + bytes(22)
        with self.namespace.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as raw:
            raw.bind((card, 0))
            raw.send(frame)

    def vanish(self, host) -> None:
        host.namespace.run("ip", "link", "del", self.port, check=False)


class Watch:
    """When frames passed a card of the VM: the first it sent, and of IPv4 for it the first and the last that came."""

    def __init__(self, vm: Movable, card: str):
        self.socket = vm.namespace.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        self.socket.bind((card, ETH_P_ALL))
        self.socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self.socket.settimeout(0.2)
        self.mac = bytes.fromhex(vm.mac.replace(":", ""))
        self.sent = self.received = self.last = None
        self.count = 0
        self.end = threading.Event()
        self.thread = threading.Thread(target=self.look, daemon=True)
        self.thread.start()

    def look(self) -> None:
        while not self.end.is_set():
            try:
                frame, more, _, address = self.socket.recvmsg(128, 64)
            except TimeoutError:
                continue
            except OSError:  # the card is gone
                return
            seconds, nanoseconds = struct.unpack("qq", more[0][2][:16])
            at = seconds + nanoseconds / 1e9
            if address[2] == socket.PACKET_OUTGOING:
                self.sent = self.sent or at
            elif frame[12:14] == b"\x08\x00" and frame[:6] == self.mac:
                self.count += 1
                self.received = self.received or at
                self.last = at

    def stop(self) -> None:
        self.end.set()
        self.thread.join(2)
        self.socket.close()


def adapter(vm: Movable) -> dict:
    return vm.lab.api.get(f"/v1/network-adapters/{vm.id}")


def migrate(vm: Movable, target) -> str:
    """Starts the move and waits until it waits for the VM."""
    status, headers, answer = vm.lab.api.request("POST", f"/v1/network-adapters/{vm.id}:migrate",
                                                 {"host_id": target.id})
    assert status == 202, answer
    location = headers["Location"]

    def ready():
        made = vm.lab.api.get(location)
        assert made["state"] in ("pending", "running"), made
        return any(s["name"] == "switch" and s["state"] == "running" for s in made["steps"])

    wait_for("the move waits for the VM", ready)
    return location


def wait_done(vm: Movable, location: str, state: str = "succeeded") -> None:
    def ended():
        made = vm.lab.api.get(location)
        return made if made["ended_at"] else None

    try:
        made = wait_for("the job has ended", ended)
    except LabError as error:
        raise LabError(f"{error}: {vm.lab.api.get(location)} {adapter(vm)}") from None
    assert made["state"] == state, made


def move(vm: Movable, target) -> float:
    """One whole move of a VM that is sent to all the time. Returns how long the cut-over took: from its first frame on
    the target to the first that it got there, and to the last that went to where it had been."""
    source = vm.host
    vm.appear(target)
    location = migrate(vm, target)
    watch, old = Watch(vm, vm.card(target)), Watch(vm, vm.card(source))
    vm.run_on(target)
    wait_for("frames reach the VM on its new host", lambda: watch.received)
    wait_done(vm, location)
    enough = watch.count + RATE // 5
    wait_for("what is sent to the VM goes on", lambda: watch.count > enough)
    watch.stop()
    old.stop()
    assert adapter(vm)["host_id"] == target.id
    assert not adapter(vm)["status"].get("target_host_id")
    # No adapter is on it any more, and what still arrives at the source for the VM went on to the target.
    wait_for("the interface that it left is closed", lambda: any(
        p["interface"] == vm.port and p["closed"] for p in source.local("ports")["items"]))
    vm.vanish(source)
    return max(watch.received, old.last or 0) - watch.sent
