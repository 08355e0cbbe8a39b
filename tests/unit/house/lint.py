"""House rules that machines judge: clang-format over every source, clang-tidy (.clang-tidy) over the sources of the
programs, and how long files and functions may be. A verdict of clang-tidy is kept in build/lint-cache under the hash of
all it depends on, so that only what changed is judged again. Prints each finding; exit 1 on any.
Usage: lint.py ROOT [--build build/dev] [--jobs N]"""
import argparse
import concurrent.futures
import functools
import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

ROOMS = ("agent", "cli", "controller", "lib")
FILE_MAX, FUNCTION_MAX = 600, 80
INCLUDE = re.compile(rb'^\s*#\s*include\s*["<]([^">]+)[">]', re.M)


def run(words: list, root: pathlib.Path) -> subprocess.CompletedProcess:
    return subprocess.run(list(map(str, words)), cwd=root, capture_output=True, text=True, errors="replace", timeout=600)


def sources(root: pathlib.Path) -> list[str]:
    listed = run(["git", "-c", "safe.directory=*", "ls-files", "--cached", "--others", "--exclude-standard", "*.c", "*.h"], root)
    if listed.returncode != 0 or not listed.stdout:
        raise SystemExit(f"lint: git names no sources: {listed.stderr}")
    return [name for name in listed.stdout.split() if (root / name).is_file()]


def judge_format(root: pathlib.Path, files: list[str]) -> list[str]:
    result = run(["clang-format", "--dry-run", "-Werror", *files], root)
    found = [line for line in result.stderr.splitlines() if "error:" in line]
    return found or ([result.stderr.strip() or "clang-format failed"] if result.returncode else [])


def judge_length(root: pathlib.Path, name: str) -> list[str]:
    """In this layout a function's body stands between braces of their own in the first column."""
    lines = (root / name).read_text().splitlines()
    found = [f"{name}:1: {len(lines)} lines; a file has at most {FILE_MAX}"] if len(lines) > FILE_MAX else []
    start = 0
    for number, line in enumerate(lines, 1):
        if line == "{":
            start = number
        elif line == "}" and start:
            head = start - 1
            while head > 1 and lines[head - 2][:1] not in ("", "}", "#", "/") and not lines[head - 2].endswith((";", "*/")):
                head -= 1
            if number - head + 1 > FUNCTION_MAX:
                found.append(f"{name}:{head}: {number - head + 1} lines; a function has at most {FUNCTION_MAX}")
            start = 0
    return found


class Tidy:
    def __init__(self, root: pathlib.Path, build: pathlib.Path):
        self.root, self.build = root, build
        self.cache = root / "build" / "lint-cache"
        self.cache.mkdir(parents=True, exist_ok=True)
        self.commands = {command["file"]: command["command"]
                         for command in json.loads((build / "compile_commands.json").read_text())}
        self.tool = run(["clang-tidy", "--version"], root).stdout + (root / ".clang-tidy").read_text()

    @functools.lru_cache(maxsize=None)
    def read(self, path: pathlib.Path) -> tuple[bytes, tuple[pathlib.Path, ...]]:
        """A file's hash, and the files of ours that it includes."""
        content = path.read_bytes()
        homes = (path.parent, self.root, self.root / "include", self.build / "generated", self.build / "ebpf")
        found = []
        for name in INCLUDE.findall(content):
            candidates = (home / name.decode() for home in homes)
            found += [next(c for c in [*candidates, None] if c is None or c.is_file())]
        return hashlib.sha256(content).digest(), tuple(f for f in found if f)

    def key(self, name: str) -> str:
        waiting, seen = [self.root / name], {}
        while waiting:
            path = waiting.pop()
            if path not in seen:
                seen[path], includes = self.read(path)
                waiting += includes
        whole = hashlib.sha256((self.tool + self.commands[str(self.root / name)]).encode())
        for path in sorted(seen):
            whole.update(str(path).encode() + seen[path])
        return whole.hexdigest()

    def judge(self, name: str) -> list[str]:
        kept = self.cache / self.key(name)
        if kept.is_file():
            kept.touch()
            return json.loads(kept.read_text())
        result = run(["clang-tidy", "--quiet", "-p", self.build, self.root / name], self.root)
        found = [line.replace(f"{self.root}/", "") for line in result.stdout.splitlines()
                 if re.search(r": (error|warning): ", line)]
        if result.returncode and not found:
            return [f"{name}: clang-tidy failed: {result.stderr.strip()[-500:]}"]
        with tempfile.NamedTemporaryFile("w", dir=self.cache, delete=False) as file:
            json.dump(found, file)
        os.replace(file.name, kept)
        return found

    def forget(self, most: int = 4000) -> None:
        """The verdicts that were asked for longest ago go."""
        kept = sorted(self.cache.iterdir(), key=lambda p: p.stat().st_mtime, reverse=True)
        for path in kept[most:]:
            path.unlink()


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("root", type=lambda p: pathlib.Path(p).resolve())
    parser.add_argument("--build", type=pathlib.Path, default=pathlib.Path("build/dev"))
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    options = parser.parse_args()
    root = options.root
    tidy = Tidy(root, (root / options.build).resolve())
    files = sources(root)
    ours = [name for name in files if name.startswith(tuple(room + "/" for room in ROOMS))]
    judged = [name for name in ours if str(root / name) in tidy.commands and not name.endswith(".bpf.c")]
    left_out = [name for name in ours if name.endswith(".c") and not name.endswith(".bpf.c") and name not in judged]
    found = [f"{name}: not in compile_commands.json" for name in left_out]
    found += judge_format(root, files)
    for name in ours:
        found += judge_length(root, name)
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        for findings in pool.map(tidy.judge, judged):
            found += findings
    tidy.forget()
    for finding in dict.fromkeys(found):
        print(finding)
    print(f"{len(files)} files formatted, {len(judged)} judged by clang-tidy, {len(set(found))} findings")
    return 1 if found or not judged else 0


sys.exit(main())
