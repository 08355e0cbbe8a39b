"""The include arrows of the house: who may include whose headers. Fails with the file, the line and the rule."""
import pathlib
import re
import sys

CONTROLLER = {
    "store": set(),
    "model": {"store"},
    "policy": {"store", "model"},
    "south": {"store", "model", "policy"},
    "jobs": {"store", "model"},
    "api": {"store", "model"},
}
AGENT = {
    "desired": set(),
    "fastpath": {"desired"},
    "host": {"desired"},
    "learn": {"desired", "fastpath", "host"},
    "dhcp": {"desired", "fastpath", "host"},
    "drift": {"desired", "fastpath", "host"},
    "diag": {"desired", "fastpath", "host"},
    "south": {"desired", "fastpath", "host", "learn", "dhcp", "drift", "diag"},
}
CLI = {"output": set(), "apply": {"output"}, "rest": {"output"}, "explain": set(),
       "command": {"output", "apply", "rest", "explain"}}
# A provider seam: nobody but the room's own files looks behind it.
SEAMS = {"agent/fastpath/bpf", "agent/fastpath/memory", "controller/store/sqlite"}
INCLUDE = re.compile(r'^\s*#\s*include\s+["<]((?:controller|agent|cli|lib|tests)/[^">]+)[">]')


def allowed(source: str, target: str) -> str | None:
    """None when the arrow is fine, else the rule it breaks."""
    s, t = source.split("/"), target.split("/")
    if t[0] == "tests":
        return "nothing of the product may include a test"
    if t[0] == "lib":
        return None if s[0] == "lib" else "lib's private headers stay in lib; use include/skerry"
    if s[0] == "lib":
        return "lib knows no daemon"
    if s[0] != t[0]:
        return f"{s[0]} and {t[0]} are different programs; share through include/skerry"
    rules = {"controller": CONTROLLER, "agent": AGENT, "cli": CLI}.get(s[0])
    if rules is None or len(s) < 3 or s[1].endswith(".c"):
        return None  # main.c wires everything
    if len(t) < 3:
        return "only main.c may include what stands beside it"
    if s[1] == t[1]:
        return None
    if "/".join(t[:3]) in SEAMS:
        return "that is behind a provider seam"
    return None if t[1] in rules[s[1]] else f"{s[1]} may use {sorted(rules[s[1]]) or 'lib alone'}"


def main() -> int:
    root = pathlib.Path(sys.argv[1])
    seen, bad = 0, []
    for top in ("lib", "include", "controller", "agent", "cli"):
        for path in sorted((root / top).rglob("*.[ch]")):
            source = str(path.relative_to(root))
            for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
                match = INCLUDE.match(line)
                if not match:
                    continue
                seen += 1
                why = allowed(source, match.group(1))
                if why:
                    bad.append(f"{source}:{number}: includes {match.group(1)}: {why}")
    # The checker itself must be able to fail.
    assert allowed("controller/store/store.c", "controller/api/api.h")
    assert allowed("agent/host/link.c", "agent/south/session.h")
    assert allowed("cli/output/table.c", "cli/rest/client.h")
    assert allowed("lib/uuid.c", "agent/host/link.h")
    assert allowed("controller/api/a.c", "controller/model/model.h") is None
    print("\n".join(bad) if bad else f"{seen} include lines follow the arrows")
    return 1 if bad else 0


sys.exit(main())
