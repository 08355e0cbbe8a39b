"""Frames on the physical network: captured and judged by tshark, made with scapy."""

from __future__ import annotations

import subprocess

from lab import Lab, Namespace, run, wait_for


class Capture:
    """tcpdump on an interface of the physical network; packets() is what tshark makes of it."""

    def __init__(self, lab: Lab, interface: str, expression: str = "proto gre"):
        self.lab, self.interface, self.expression = lab, interface, expression
        self.file = lab.directory / f"{interface}.pcap"

    def __enter__(self) -> Capture:
        self.file.unlink(missing_ok=True)
        self.process = self.lab.physical.popen("tcpdump", "-Z", "root", "-U", "-n", "-i", self.interface, "-w", self.file, self.expression,
                                               stderr=subprocess.PIPE)
        line = self.process.stderr.readline()
        while "listening" not in line and line:
            line = self.process.stderr.readline()
        return self

    def __exit__(self, *_) -> None:
        self.process.terminate()
        self.process.wait(5)
        self.process.stderr.close()

    def packets(self, *fields: str, filter_text: str = "") -> list[list[str]]:
        words = ["tshark", "-r", self.file, "-T", "fields", "-E", "occurrence=a", "-E", "aggregator=|"]
        for field in fields:
            words += ["-e", field]
        if filter_text:
            words += ["-Y", filter_text]
        return [line.split("\t") for line in run(*words).stdout.splitlines()]

    def wait(self, count: int, timeout: float = 5) -> None:
        wait_for(f"{count} packets on {self.interface}", lambda: len(self.packets("frame.number")) >= count, timeout, every=0.2)


SEND = """
import sys
from scapy.config import conf
conf.ipv6_enabled = False
from scapy.all import Ether, IP, UDP, ICMP, ARP, GRE, Raw, Dot1Q, fragment, sendp
frames = eval(sys.argv[2])
sendp(frames if isinstance(frames, list) else [frames], iface=sys.argv[1], verbose=False)
"""


def send(namespace: Namespace, interface: str, frames: str) -> None:
    """`frames` is a scapy expression, evaluated in the namespace."""
    namespace.run("/usr/bin/python3", "-c", SEND, interface, frames)


class Station:
    """Somebody plugged into a site's switch who is not one of our hosts."""

    def __init__(self, lab: Lab, name: str, site: int, address: str):
        self.namespace = Namespace(f"{lab.name}-{name}")
        self.address = address
        lab.site(site)
        lab.plug(self.namespace, "up0", f"s{site}", f"{name}-up", f"{address}/24")

    def send(self, frames: str) -> None:
        send(self.namespace, "up0", frames)

    def mac_of(self, address: str) -> str:
        self.namespace.run("ping", "-c", "1", "-W", "1", address, check=False)
        words = self.namespace.run("ip", "neigh", "show", address).stdout.split()
        return words[words.index("lladdr") + 1]

    def remove(self) -> None:
        self.namespace.remove()
