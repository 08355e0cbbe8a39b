"""The control plane: from a write over REST to applied on every host, what group commit gives, objects in batches.

    /usr/bin/python3 tests/bench/control/bench.py [--json FILE] [--count 1000]

A real controller and three real agents (network namespaces, eBPF fast path); bench-apply creates COUNT adapters over
them, each beside a bare SQLite commit on the same disk; bench-batches creates adapters in batches of 1,000 beside a bare
loop that writes the same rows; bench-commit measures the writer alone, also on a disk whose sync takes 10 ms;
bench-reports lets four hosts report 8,000 ports each and measures a POST beside them, and how soon the controller ends."""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tests/lab"))
from lab import MANAGEMENT, Lab, run, two_tenants  # noqa: E402


def wide_subnet(lab: Lab, red: dict) -> dict:
    """A subnet of its own with room for every adapter, and what adapters in it have in common."""
    subnet = lab.api.create("vm-subnets", name="wide", tenant_id=red["tenant"]["id"], vm_network_id=red["vm_network"]["id"],
                            prefix="10.16.0.0/12")
    lab.api.create("ip-pools", name="wide-pool", vm_subnet_id=subnet["id"],
                   subnet="10.16.0.0/12", range_start="10.16.0.2", range_end="10.31.255.254")
    return {"vm_name": "bench", "vm_network_id": red["vm_network"]["id"], "vm_subnet_id": subnet["id"],
            "tenant_id": red["tenant"]["id"]}


def over_rest(lab: Lab, program: pathlib.Path, *words: str) -> dict:
    """What a program that speaks to the lab's controller printed."""
    data = lab.directory / "controller"
    result = lab.controller_namespace.run(program, f"https://{MANAGEMENT}.1:8443", data / "ca.pem", data / "admin.token",
                                          *words, timeout=600)
    return json.loads(result.stdout)


def reports(build: pathlib.Path, hosts: int, ports: int) -> dict:
    """Hosts that tell of thousands of ports at once; then SIGTERM while they tell that all of them are gone."""
    with Lab("repbench", build=str(build)) as lab:
        lab.start_controller()
        model = two_tenants(lab, hosts_per_site=())
        group = lab.api.find("host-groups", "All hosts")
        subnet = lab.site(1)
        site = lab.api.create("network-sites", name="dallas", logical_network_id=model["logical_network"]["id"],
                              host_group_ids=[group["id"]], subnet_vlans=[{"subnet": subnet, "vlan_id": 0}])
        lab.api.create("ip-pools", name="dallas-pa", network_site_id=site["id"], subnet=subnet, range_start="10.83.1.10",
                       range_end="10.83.1.99", gateways=[{"address": "10.83.1.254", "metric": 10}])
        made = [lab.add_host(f"h{i}", 1) for i in range(1, hosts + 1)]
        for host in made:
            host.join(lab.join_string())
        data = lab.directory / "controller"
        words = (build / "tests/bench/control/bench-reports", f"https://{MANAGEMENT}.1:8443", data / "ca.pem",
                 data / "admin.token", data / "skerry.db", json.dumps(wide_subnet(lab, model["red"])), str(ports),
                 *(f"{host.id}={host.state}" for host in made))
        program = lab.controller_namespace.popen(*words, stdout=subprocess.PIPE)
        figures = json.loads(program.stdout.readline())
        program.stdout.readline()
        began = time.monotonic()
        lab.controller.stop(60)
        figures["sigterm_s"] = time.monotonic() - began
        program.wait(60)
        return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=pathlib.Path)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--ports", type=int, default=8000, help="of each of the four hosts that report")
    parser.add_argument("--reports-only", action="store_true")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build/release")
    options = parser.parse_args()
    os.environ["SKERRY_BUILD"] = str(options.build)
    programs = options.build / "tests/bench/control"
    reported = reports(options.build, 4, options.ports)
    print(f"{reported['hosts']} hosts report {reported['ports']} ports in {reported['reports_s']:.1f} s "
          f"({reported['us_a_port']:.0f} us a port)\n  a POST beside them: p50 {reported['post_p50_ms']:.1f} ms, "
          f"p99 {reported['post_p99_ms']:.1f} ms (<= 50), at most {reported['post_max_ms']:.1f} ms\n"
          f"  SIGTERM meanwhile: ended in {reported['sigterm_s']:.2f} s (<= 5)\n")
    if options.reports_only:
        return
    with Lab("ctlbench", build=str(options.build)) as lab:
        lab.start_controller()
        model = two_tenants(lab, hosts_per_site=((1, 2), (2, 1)))
        fields = wide_subnet(lab, model["red"])
        applied = over_rest(lab, programs / "bench-apply", lab.directory / "bare.db", str(options.count), json.dumps(fields),
                            *(h.id for h in model["hosts"]))
        batches = over_rest(lab, programs / "bench-batches", lab.directory / "controller/skerry.db", lab.directory, "10000",
                            json.dumps(fields))
        file = lab.directory / "commit.json"
        commit = run(programs / "bench-commit", "--json", file, timeout=600)
        writer = json.loads(file.read_text())
    print(f"REST write to applied on every host, {applied['count']} adapters over {applied['hosts']} agents")
    print(f"  {'':<14}{'p50 ms':>9}{'p99 ms':>9}")
    for name in ("bare", "apply"):
        print(f"  {name:<14}{applied[f'{name}_p50_ms']:>9.2f}{applied[f'{name}_p99_ms']:>9.2f}")
    print(f"\nAdapters in batches of 1,000 over REST, {batches['count']} of them, {batches['rows_an_object']} rows each")
    print(f"  {batches['batches_per_second']:.0f} a second, the same rows in a bare loop {batches['bare_per_second']:.0f}: "
          f"{batches['ratio']:.2f} times (>= 0.4)\n")
    print(commit.stdout)
    ratios = {"apply_p50_minus_bare_ms": applied["apply_p50_ms"] - applied["bare_p50_ms"],
              "apply_p99_minus_bare_ms": applied["apply_p99_ms"] - applied["bare_p99_ms"], "batches_vs_bare": batches["ratio"]}
    source = writer.get("ratios", writer)
    for key in ("writes_64_vs_1_at_10ms_sync", "syncs_per_write"):
        ratios[key] = source[key]
    print("ratios " + "  ".join(f"{k}={v:.3f}" for k, v in ratios.items()))
    if options.json:
        options.json.write_text(json.dumps({"reports": reported, "apply": applied, "batches": batches, "commit": writer, "ratios": ratios},
                                           indent=1) + "\n")


main()
