"""The migrations of the house: schema/MANIFEST knows every one of them by its SHA-256, so none is edited by accident."""
import hashlib
import pathlib
import re
import sys

REMEDY = "when the change is meant and the migration never left this house: (cd schema && sha256sum *.sql > MANIFEST)"


def mistakes(files: dict[str, bytes], manifest: str) -> list[str]:
    listed = {name: digest for digest, name in (line.split() for line in manifest.splitlines())}
    bad = [f"{name} is in MANIFEST alone" for name in listed if name not in files]
    for number, name in enumerate(sorted(files), 1):
        if not re.fullmatch(rf"{number:04}_[a-z]+(_[a-z0-9]+)+\.sql", name):
            bad.append(f"{name} should be {number:04}_verb_noun.sql")
        if listed.get(name) != hashlib.sha256(files[name]).hexdigest():
            bad.append(f"{name} is not what MANIFEST says")
    return bad


def main() -> int:
    folder = pathlib.Path(sys.argv[1]) / "schema"
    files = {path.name: path.read_bytes() for path in folder.glob("*.sql")}
    bad = mistakes(files, (folder / "MANIFEST").read_text())
    # The checker itself must be able to fail.
    good = {"0001_create_a.sql": b"x"}
    line = hashlib.sha256(b"x").hexdigest() + "  0001_create_a.sql\n"
    assert not mistakes(good, line)
    assert mistakes({"0001_create_a.sql": b"y"}, line) and mistakes(good, "") and mistakes({}, line)
    assert mistakes({"0002_create_a.sql": b"x"}, line.replace("0001", "0002"))
    print("\n".join(bad + [REMEDY]) if bad else f"{len(files)} migrations are what MANIFEST says")
    return 1 if bad else 0


sys.exit(main())
