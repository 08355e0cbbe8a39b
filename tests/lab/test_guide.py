"""docs/api-guide.md is true: its curl blocks and its skerryctl blocks run, each flavour against a controller of its own.

   h1, h2 (site 1), named by the guide; join_hosts FILE runs the join command that a block printed on both.
"""

import os
import re
import shlex
import threading

import pytest
from lab import MANAGEMENT, ROOT, Lab

BLOCK = re.compile(r"^## (?P<task>.*?)$|^```sh (?P<flavour>curl|skerryctl)\n(?P<text>.*?)^```$", re.M | re.S)


def blocks(flavour: str) -> list[tuple[str, str]]:
    task, found = "", []
    for match in BLOCK.finditer((ROOT / "docs" / "api-guide.md").read_text()):
        task = match["task"] or task
        if match["flavour"] == flavour:
            found.append((task, match["text"]))
    return found


def script(flavour: str) -> str:
    """One shell for all, so that variables live on; before each block it says which one it is."""
    lines = ["set -euo pipefail", 'join_hosts() { cp "$1" joining.tmp && mv joining.tmp joining; while [ ! -e joined ]; do sleep 0.05; done; }']
    for task, text in blocks(flavour):
        lines += [f"echo {shlex.quote('== ' + task)}", text]
    return "\n".join(lines)


def serve_joins(lab: Lab, folder, stop: threading.Event) -> None:
    """Does what the guide's administrator does on the hosts."""
    while not stop.wait(0.05):
        request = folder / "joining"
        if request.exists():
            line = re.search(r"skerry://\S+?(?=['\s]|$)", request.read_text())[0]
            request.unlink()
            for host in lab.hosts.values():
                host.join(line)
                host.start()
            (folder / "joined").touch()


@pytest.mark.parametrize("flavour", ["curl", "skerryctl"])
def test_the_guide(flavour):
    with Lab(f"guide-{flavour}"[:11]) as lab:
        lab.start_controller()
        for name in ("h1", "h2"):
            lab.add_host(name, 1)
        folder = lab.directory / "guide"
        folder.mkdir()
        token = (lab.directory / "controller" / "admin.token").read_text().strip()
        environment = {
            **lab.environment, "PATH": f"{lab.build}:{os.environ['PATH']}", "TOKEN": token,
            "URL": f"https://{MANAGEMENT}.1:8443", "CA": str(lab.directory / "controller" / "ca.pem"),
        }
        stop = threading.Event()
        # Agents die with the thread that started them, so it lives as long as the lab.
        serving = threading.Thread(target=serve_joins, args=(lab, folder, stop), daemon=True)
        serving.start()
        try:
            result = lab.controller_namespace.run("bash", "-c", script(flavour), check=False, timeout=120, env=environment, cwd=folder)
            assert result.returncode == 0, f"exit {result.returncode} after\n{result.stdout[-600:]}\n{result.stderr[-3000:]}"
            for task, _ in blocks(flavour):
                assert f"== {task}\n" in result.stdout
            assert all(host.online() for host in lab.hosts.values())
        finally:
            stop.set()
            serving.join()
