"""Every Markdown file that a source names, or that a document links to, is in the tree. A name without a folder would
lead nowhere in a tree of several folders: it counts beside the file that names it, or from the root."""
import pathlib
import re
import sys

SOURCES = {".c", ".h", ".py", ".js", ".html", ".proto", ".sql", ".cmake", ".txt", ".sh", ".conf", ".service", ".md", ""}
FOLDERS = ("agent", "cli", "cmake", "controller", "docs", "include", "lib", "packaging", "proto", "schema", "tests",
           "web")
LEFT_OUT = {"node_modules", "corpus", "golden", "__pycache__"}
BYTES_MAX = 1 << 20
# Not in a path that Python puts together, as in ROOT / "docs" / name.
NAME = re.compile(r"(?<![\w./-])(?<!/ \")((?:\.{0,2}/)?[A-Za-z0-9_-][A-Za-z0-9_./-]*\.md)\b")
LINK = re.compile(r"\]\(([^)#\s]+)")


def names(suffix: str, text: str) -> set[str]:
    found = set(NAME.findall(text))
    if suffix == ".md":
        found |= {link for link in LINK.findall(text) if "://" not in link and not link.startswith("mailto:")}
    return found


def missing(root: pathlib.Path, path: pathlib.Path, text: str) -> list[str]:
    """What the file at this path names and nobody would find."""
    places = (root, path.parent)
    return sorted(n for n in names(path.suffix, text) if not any((place / n).exists() for place in places))


def files(root: pathlib.Path) -> list[pathlib.Path]:
    found = [path for path in root.iterdir() if path.is_file()]
    for folder in FOLDERS:
        found += (root / folder).rglob("*")
    return sorted(path for path in found if path.suffix in SOURCES and path.is_file() and
                  not LEFT_OUT & set(path.relative_to(root).parts) and path.stat().st_size < BYTES_MAX)


def main() -> int:
    root = pathlib.Path(sys.argv[1])
    # The checker itself must be able to fail. The names are put together, so that it does not find them in this file.
    md, here = ".m" + "d", root / "agent/main.c"
    assert missing(root, here, f"/* (absent{md}, section 3) */") == [f"absent{md}"]
    assert missing(root, here, f"/* docs/design/absent{md} has it. */") == [f"docs/design/absent{md}"]
    assert missing(root, root / ("README" + md), "[a](docs/absent.png)") == ["docs/absent.png"]
    assert not missing(root, root / ("README" + md), "[a](https://example.org/b) [c](#d)")
    assert not missing(root, here, f"/* docs/concepts{md}: see README{md}. */")
    seen = files(root)
    bad = [f"{path.relative_to(root)}: there is no {name}" for path in seen
           for name in missing(root, path, path.read_text(errors="replace"))]
    assert here in seen and root / ("docs/concepts" + md) in seen
    print("\n".join(bad) if bad else f"{len(seen)} files name documents that are there")
    return 1 if bad else 0


sys.exit(main())
