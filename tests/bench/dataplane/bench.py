"""The data plane against real alternatives, in one run, on the same veth underlay.

    /usr/bin/python3 tests/bench/dataplane/bench.py [--json FILE] [--seconds 3] [--repeats 5] [--only TABLE ...]

Contenders, each with two hypervisor hosts of its own (network namespaces) joined by one veth, and a VM on each:
    flat    a plain Linux bridge over the uplink: no encapsulation, no isolation
    vxlan   the kernel's VXLAN device and a bridge
    nvgre   Skerry: real controller, real agents, guards, meters and learning on
Measured interleaved (A B C A B C), medians and ratios: TCP stream, 64-byte packet rate, request/response; then Skerry's
packet rate with 10 and 1,000,000 lookup records; then all contenders with tunnel segmentation (tx-gre-segmentation,
tx-udp_tnl-segmentation) off on the uplinks, and with taps for VMs' ports (bench-relay stands for the hypervisor)."""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "lab"))
from lab import Host, Lab, Namespace, Vm, run, two_tenants, wait_for  # noqa: E402

SENDER_CPU, RECEIVER_CPU = "0", "1"
PORT = "5001"


class Pair:
    """Two VMs that talk: where they are and the far one's address."""

    def __init__(self, name, near, far, address, uplinks):
        self.name, self.near, self.far, self.address, self.uplinks = name, near, far, address, uplinks


def pinned(cpu: str, *words) -> list[str]:
    return ["taskset", "-c", cpu, *map(str, words)]


class Bench:
    def __init__(self, build: pathlib.Path, seconds: float):
        self.traffic = build / "tests/bench/dataplane/bench-traffic"
        self.fill = build / "tests/bench/dataplane/bench-fill"
        self.relay = build / "tests/bench/dataplane/bench-relay"
        self.seconds = seconds
        self.relays: list[subprocess.Popen] = []

    def together(self, pair: Pair, receive: list, send: list, reads_receiver: bool, listening: bool = True) -> dict:
        receiver = pair.far.popen(*pinned(RECEIVER_CPU, self.traffic, *receive), stdout=subprocess.PIPE)
        try:
            if listening:
                kind = "-lunH" if receive[0].startswith("udp") else "-ltnH"
                wait_for("the receiver listens", lambda: PORT in pair.far.run("ss", kind, "sport", "=", PORT).stdout)
            sent = pair.near.run(*pinned(SENDER_CPU, self.traffic, *send), timeout=60 + self.seconds).stdout
            if not reads_receiver:
                return json.loads(sent)
            return json.loads(receiver.communicate(timeout=60)[0])
        finally:
            receiver.kill()
            receiver.wait()

    def stream(self, pair: Pair) -> float:
        s = str(self.seconds)
        return self.together(pair, ["stream-receive", PORT, s], ["stream-send", pair.address, PORT, s], True)["gbit_per_s"]

    def packets(self, pair: Pair) -> float:
        result = self.together(pair, ["udp-receive", PORT, str(self.seconds + 1)],
                               ["udp-send", pair.address, PORT, str(self.seconds)], True)
        return result["packets"] / result["seconds"]

    def round_trips(self, pair: Pair) -> tuple[float, float]:
        result = self.together(pair, ["rr-server", PORT], ["rr-client", pair.address, PORT, str(self.seconds)], False)
        return result["p50_us"], result["p99_us"]

    def uniform(self, pair: Pair, source: str, records: int) -> float:
        """Frames to destinations uniform over the records, counted where they reach the far VM's NIC."""

        def received() -> int:
            text = pair.far.run("ip", "-j", "-s", "link", "show", "eth0").stdout
            return json.loads(text)[0]["stats64"]["rx"]["packets"]

        before = received()
        result = json.loads(pair.near.run(
            *pinned(SENDER_CPU, self.traffic, "raw-send", "eth0", source, str(records), str(self.seconds)),
            timeout=60 + self.seconds).stdout)
        return (received() - before) / result["seconds"]


def underlay(name: str) -> tuple[Namespace, Namespace]:
    near, far = Namespace(f"{name}-a"), Namespace(f"{name}-b")
    near.run("ip", "link", "add", "up0", "type", "veth", "peer", "name", "up0", "netns", far.name)
    for number, host in enumerate((near, far), 1):
        host.sysctl("net.ipv6.conf.up0.disable_ipv6", 1)
        host.run("ip", "addr", "add", f"10.83.1.{number}/24", "dev", "up0")
        host.run("ip", "link", "set", "up0", "up")
    return near, far


def plug(bench: Bench, host: Namespace, vm: Namespace, port: str, tap: bool) -> None:
    """A VM's NIC: a veth, or a tap with a relay behind it. The relay ends with this process."""
    if not tap:
        host.run("ip", "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", vm.name)
        return
    relay = host.popen(bench.relay, port, vm.path, stdout=subprocess.PIPE)
    if relay.stdout.readline().strip() != "ready":
        raise RuntimeError("bench-relay did not start")
    bench.relays.append(relay)


def bridged(bench: Bench, name: str, vxlan: bool, tap: bool = False) -> tuple[Pair, list[Namespace]]:
    """A bridge on each host, over the uplink itself or over a VXLAN device."""
    hosts = underlay(name)
    vms = [Namespace(f"{name}-va"), Namespace(f"{name}-vb")]
    for number, (host, vm) in enumerate(zip(hosts, vms), 1):
        host.run("ip", "link", "add", "br0", "type", "bridge", "mcast_snooping", "0")
        if vxlan:
            host.run("ip", "link", "add", "vx0", "type", "vxlan", "id", "5001", "local", f"10.83.1.{number}",
                     "remote", f"10.83.1.{3 - number}", "dstport", "4789", "dev", "up0")
        else:
            host.run("ip", "addr", "flush", "dev", "up0")
        plug(bench, host, vm, "port", tap)
        for port in ("vx0" if vxlan else "up0", "port"):
            host.run("ip", "link", "set", port, "master", "br0", "up")
        host.run("ip", "link", "set", "br0", "up")
        vm.run("ip", "addr", "add", f"10.0.0.{number}/24", "dev", "eth0")
        vm.run("ip", "link", "set", "eth0", "mtu", "1450" if vxlan else "1500", "up")
    return Pair("vxlan" if vxlan else "flat", *vms, "10.0.0.2", [(h, "up0") for h in hosts]), [*hosts, *vms]


class DirectLab(Lab):
    """The lab with both hosts' uplinks joined by one veth instead of through the physical network's switch."""

    def add_host(self, name: str, site: int) -> Host:
        host = super().add_host(name, site)
        host.namespace.run("ip", "link", "del", "up0")
        if len(self.hosts) == 1:
            host.namespace.run("ip", "link", "add", "up0", "type", "veth", "peer", "name", "peer0")
            host.namespace.run("ip", "link", "set", "up0", "up")
        else:
            first = next(iter(self.hosts.values()))
            first.namespace.run("ip", "link", "set", "peer0", "netns", host.namespace.name, "name", "up0")
            host.namespace.run("ip", "link", "set", "up0", "up")
        host.namespace.sysctl("net.ipv6.conf.up0.disable_ipv6", 1)
        return host


class TapVm(Vm):
    """A VM whose port is a tap with a relay behind it."""

    bench: Bench

    def connect(self, host: Host) -> None:
        plug(self.bench, host.namespace, self.namespace, self.port, True)


def skerry(bench: Bench, lab: Lab, model: dict, tap: bool = False) -> tuple[Pair, list[Vm]]:
    subnet = model["red"]["subnets"][0]
    TapVm.bench = bench
    kind = TapVm if tap else Vm
    vms = [lab.add_vm(f"{'tap' if tap else 'bench'}-{n}", subnet, model["hosts"][n], kind=kind) for n in range(2)]
    wait_for("the VMs reach each other", lambda: vms[0].ping(vms[1].address))
    pair = Pair("nvgre", vms[0].namespace, vms[1].namespace, vms[1].address, [(h.namespace, "up0") for h in model["hosts"]])
    return pair, vms


def interleaved(pairs: list[Pair], measure, repeats: int) -> dict:
    values = {pair.name: [] for pair in pairs}
    for _ in range(repeats):
        for pair in pairs:
            values[pair.name].append(measure(pair))
    return values


def medians(values: dict) -> dict:
    return {name: statistics.median(list_) for name, list_ in values.items()}


def table(title: str, rows: list[tuple]) -> None:
    print(f"\n{title}")
    widths = [max(len(str(row[i])) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        print("  " + "  ".join(str(cell).ljust(width) for cell, width in zip(row, widths)), flush=True)


def compare(bench: Bench, pairs: list[Pair], repeats: int, title: str, result: dict, key: str) -> dict:
    stream = medians(interleaved(pairs, bench.stream, repeats))
    packets = medians(interleaved(pairs, bench.packets, repeats))
    trips = interleaved(pairs, bench.round_trips, repeats)
    p50 = {name: statistics.median(v[0] for v in list_) for name, list_ in trips.items()}
    p99 = {name: statistics.median(v[1] for v in list_) for name, list_ in trips.items()}
    rows = [("", "TCP Gbit/s", "of flat", "64-byte kpps", "of vxlan", "rr p50 us", "of flat", "rr p99 us")]
    for name in stream:
        rows.append((name, f"{stream[name]:.2f}", f"{stream[name] / stream['flat']:.2f}", f"{packets[name] / 1e3:.0f}",
                     f"{packets[name] / packets['vxlan']:.2f}", f"{p50[name]:.1f}", f"{p50[name] / p50['flat']:.2f}",
                     f"{p99[name]:.1f}"))
    table(title, rows)
    result[key] = {"tcp_gbit_per_s": stream, "packets_per_s": packets, "rr_p50_us": p50, "rr_p99_us": p99}
    return {"tcp_vs_flat": stream["nvgre"] / stream["flat"], "pps_vs_vxlan": packets["nvgre"] / packets["vxlan"],
            "rr_p50_vs_flat": p50["nvgre"] / p50["flat"]}


def with_records(bench: Bench, lab: Lab, pair: Pair, model: dict, vms: list[Vm], repeats: int, result: dict) -> float:
    """One flow's packet rate and uniform destinations with 10 and with 1,000,000 records in both hosts' tables."""
    vsid = str(model["red"]["subnets"][0]["vsid"])
    pas = {a["host_id"]: a["address"] for a in lab.api.list("/v1/provider-addresses")}
    near, far = model["hosts"]
    port = json.loads(far.namespace.run("ip", "-j", "link", "show", vms[1].port).stdout)[0]["ifindex"]
    rates = {}
    for records in (10, 1_000_000):
        near.namespace.run(bench.fill, near.pins, vsid, pas[far.id], "0", str(records), timeout=300)
        far.namespace.run(bench.fill, far.pins, vsid, pas[far.id], str(port), str(records), timeout=300)
        rates[records] = (statistics.median(bench.packets(pair) for _ in range(repeats)),
                          statistics.median(bench.uniform(pair, vms[0].address, records) for _ in range(repeats)))
    one, many = rates[10], rates[1_000_000]
    table("Skerry by number of lookup records", [
        ("records", "one flow kpps", "uniform kpps"),
        *[(f"{records:,}", f"{flow / 1e3:.0f}", f"{uniform / 1e3:.0f}") for records, (flow, uniform) in rates.items()],
        ("ratio", f"{many[0] / one[0]:.2f}", f"{many[1] / one[1]:.2f}")])
    result["records"] = {str(k): {"one_flow_pps": v[0], "uniform_pps": v[1]} for k, v in rates.items()}
    result["records"]["uniform_ratio"] = many[1] / one[1]
    return many[0] / one[0]


def handicap(pairs: list[Pair], state: str) -> None:
    for pair in pairs:
        for host, uplink in pair.uplinks:
            for feature in ("tx-gre-segmentation", "tx-gre-csum-segmentation", "tx-udp_tnl-segmentation",
                            "tx-udp_tnl-csum-segmentation"):
                host.run("ethtool", "-K", uplink, feature, state)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=pathlib.Path)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--build", type=pathlib.Path, default=pathlib.Path(__file__).resolve().parents[3] / "build/release")
    parser.add_argument("--only", nargs="*", default=["main", "records", "handicap", "tap"],
                        help="tables: main records handicap tap")
    options = parser.parse_args()
    os.environ["SKERRY_BUILD"] = str(options.build)
    bench = Bench(options.build, options.seconds)
    result: dict = {"command": " ".join(sys.argv), "kernel": os.uname().release, "cpus": os.cpu_count()}
    ratios: dict = {}
    spaces: list[Namespace] = []
    for name in list(pathlib.Path("/run/netns").glob("bench-*")):
        run("ip", "netns", "del", name.name, check=False)
    try:
        with DirectLab("bench-lab", build=str(options.build), agent_flags=("--audit-interval", "1h")) as lab:
            flat, made = bridged(bench, "bench-flat", False)
            spaces += made
            vxlan, made = bridged(bench, "bench-vxlan", True)
            spaces += made
            lab.start_controller()
            model = two_tenants(lab, hosts_per_site=((1, 2),))
            ours, vms = skerry(bench, lab, model)
            pairs = [flat, vxlan, ours]
            if "main" in options.only:
                ratios.update(compare(bench, pairs, options.repeats, "Cross-host, uplinks that segment", result, "main"))
            if "records" in options.only:
                ratios["pps_1m_records_vs_10"] = with_records(bench, lab, ours, model, vms, options.repeats, result)
            if "handicap" in options.only:
                handicap(pairs, "off")
                result["handicap_ratios"] = compare(bench, pairs, options.repeats,
                                                    "Cross-host, tunnel segmentation off on the uplinks", result, "handicap")
                handicap(pairs, "on")
            if "tap" in options.only:
                flat, made = bridged(bench, "bench-tflat", False, tap=True)
                spaces += made
                vxlan, made = bridged(bench, "bench-tvxlan", True, tap=True)
                spaces += made
                pairs = [flat, vxlan, skerry(bench, lab, model, tap=True)[0]]
                result["tap_ratios"] = compare(bench, pairs, options.repeats, "Cross-host, VMs on taps", result, "tap")
    finally:
        for relay in bench.relays:
            relay.kill()
            relay.wait()
        for space in spaces:
            space.remove()
    result["ratios"] = ratios
    print("\nratios " + "  ".join(f"{k}={v:.3f}" for k, v in ratios.items()))
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n")


main()
