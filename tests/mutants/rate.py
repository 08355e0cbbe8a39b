"""How many small mistakes the tests notice, room by room. The tool changes one condition, comparison, call or constant of
a source at a time, compiles that file, links the room's test binaries with it and runs them until one fails. A change
that gives the same machine code, or that does not compile, counts for nothing; another one takes its place. Places are
chosen by a hash of the seed and the line, so that a change elsewhere in the file keeps the choice.

    /usr/bin/python3 tests/mutants/rate.py [--build build/dev] [--room ROOM ...] [--count 11] [--seed 1] [--only TEXT]
                                           [--jobs 2] [--require PERCENT]

Locks are left out, because only a thread sanitizer sees a missing one, and so is what follows when memory runs out, and
what makes an allocation larger than it must be. The lab is left out, because it takes minutes for each mistake. The
eBPF programs also have seeded bugs of their own (run.py)."""

import argparse
import concurrent.futures
import dataclasses
import hashlib
import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import threading

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
AIM_PERCENT = 85
RUN_SECONDS_MAX = 420
API = "@(api_*|batch|removal)/*"
# A room: its sources, and the test binaries that judge it, the quickest first; with a filter where a part is enough.
ROOMS = {
    "lib": (["lib/*.c", "lib/tls/*.c"], ["unit-lib", "unit-controller-policy", "unit-agent-south", "component-controller"]),
    "controller/store": (["controller/store/sqlite/*.c"],
                         ["unit-controller-store-sqlite", "unit-controller-model", "component-controller-store"]),
    "controller/model": (["controller/model/*.c"],
                         ["unit-controller-model", "unit-controller-jobs", "property-controller-model",
                          f"component-controller:{API}"]),
    "controller/policy": (["controller/policy/*.c"],
                          ["unit-controller-policy", "property-controller-policy", "property-system"]),
    "controller/jobs": (["controller/jobs/*.c"], ["unit-controller-jobs"]),
    "controller/south": (["controller/south/*.c"], ["component-controller:south_*/*"]),
    "controller/api": (["controller/api/*.c"], ["unit-controller-api", f"component-controller:{API}"]),
    "agent/desired": (["agent/desired/*.c"], ["unit-agent-desired", "unit-agent-south", "property-system"]),
    "agent/fastpath": (["agent/fastpath/*.c", "agent/fastpath/bpf/*.c"],
                       ["unit-agent-fastpath", "unit-agent-south", "property-system", "component-agent"]),
    "agent/host": (["agent/host/*.c"], ["unit-agent-drift", "component-agent"]),
    "agent/learn": (["agent/learn/*.c"], ["unit-agent-learn", "component-agent:learn_*/*"]),
    "agent/drift": (["agent/drift/*.c"], ["unit-agent-drift"]),
    "agent/diag": (["agent/diag/*.c"], ["unit-agent-diag"]),
    "agent/south": (["agent/south/*.c"], ["unit-agent-south", "property-system"]),
    "agent/bpf": (["agent/bpf/*.h", "agent/bpf/lib/*.h"], ["component-agent:fastpath_*/*", "property-agent"]),
}
LEFT_OUT = re.compile(r"(pthread_\w+|\w*(un)?lock\w*)\(|skr_log|fprintf\(stderr|static_assert")
ALLOCATION = re.compile(r"\b[cm]alloc\(|\brealloc\(")
NO_MEMORY = re.compile(r"\babort\(\)|-ENOMEM")


@dataclasses.dataclass(frozen=True)
class Mistake:
    """One change of one line of a file."""
    file: str
    line: int
    operator: str
    before: str
    after: str

    def rank(self, seed: int) -> str:
        return hashlib.sha256(f"{seed}|{self.file}|{self.operator}|{self.before.strip()}".encode()).hexdigest()

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.operator}\n    - {self.before.strip()}\n    + {self.after.strip()}"


def code_lines(text: str):
    """(number, line) of lines inside a function body that hold code; comments and tables at file level are left out."""
    inside = comment = False
    for number, line in enumerate(text.splitlines(), 1):
        if "/*" in line and "*/" not in line:
            comment = True
        if comment:
            comment = "*/" not in line
            continue
        if line.startswith("{"):
            inside = True
        elif line.startswith("}"):
            inside = False
        elif inside and line.strip() and not line.lstrip().startswith(("/*", "#", "*", "//")):
            yield number, line


def closed(text: str) -> bool:
    return text.count("(") == text.count(")")


def outside_strings(line: str, pattern: str):
    """Matches of the pattern that do not lie in a string or a character constant."""
    strings = [m.span() for m in re.finditer(r'"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])*\'', line)]
    for match in re.finditer(pattern, line):
        if not any(a <= match.start() < b for a, b in strings):
            yield match


LARGER = r" \+ 1\b"
SWAPS = [(r" == ", " != "), (r" != ", " == "), (r" < ", " <= "), (r" <= ", " < "), (r" > ", " >= "), (r" >= ", " > "),
         (r" && ", " || "), (r" \|\| ", " && "), (r"\btrue\b", "false"), (r"\bfalse\b", "true"), (LARGER, " + 2"),
         (r" - 1\b", ""), (r" \+= ", " -= ")]


def mistakes_of_line(file: str, number: int, line: str):
    condition = re.match(r"^(\s+(?:\} else )?if \()(.*)(\)( \{)?)$", line)
    if condition and closed(condition[2]) and closed(line):
        yield Mistake(file, number, "condition turned", line, f"{condition[1]}!({condition[2]}){condition[3]}")
        yield Mistake(file, number, "condition never", line, f"{condition[1]}0 && ({condition[2]}){condition[3]}")
    call = re.match(r"^(\s+)(?:\(void\))?[a-z_][\w>.\-\[\]]*\(.*\);$", line)
    if call and closed(line) and not line.strip().startswith(("return", "sizeof")):
        yield Mistake(file, number, "call left out", line, f"{call[1]};")
    assignment = re.match(r"^(\s+)[a-z_][\w>.\-\[\]]* = .*;$", line)
    if assignment and closed(line):
        yield Mistake(file, number, "assignment left out", line, f"{assignment[1]};")
    if re.match(r"^\s+(continue|break);$", line):
        return
    for pattern, other in SWAPS:
        if pattern == LARGER and ALLOCATION.search(line):
            continue
        for match in outside_strings(line, pattern):
            after = line[:match.start()] + other + line[match.end():]
            yield Mistake(file, number, f"'{match[0].strip()}' became '{other.strip()}'", line, after)


def mistakes_of_room(room: str, seed: int, only: str) -> list[Mistake]:
    found = []
    for pattern in ROOMS[room][0]:
        for path in sorted(ROOT.glob(pattern)):
            file = str(path.relative_to(ROOT))
            text = path.read_text()
            after = text.splitlines()[1:] + [""]
            for number, line in code_lines(text):
                if not LEFT_OUT.search(line) and not NO_MEMORY.search(line + after[number - 1]):
                    found += mistakes_of_line(file, number, line)
    wanted = [m for m in found if only in f"{m.file}:{m.line}"]
    return sorted(wanted, key=lambda m: m.rank(seed))


def machine_code(path: pathlib.Path) -> str:
    """Instructions and data, without line numbers."""
    tool = "llvm-objdump" if path.name.endswith(".bpf.o") else "objdump"
    text = subprocess.run([tool, "-d", "-r", "--no-show-raw-insn", str(path)], capture_output=True, text=True).stdout
    return "\n".join(line for line in text.splitlines() if "file format" not in line)


class Unusable(Exception):
    """A change that says nothing: it does not compile, or it compiles to the same code."""


class Builder:
    def __init__(self, build: pathlib.Path):
        self.build = build
        self.commands = {str(pathlib.Path(e["file"]).resolve()): e
                         for e in json.loads((build / "compile_commands.json").read_text())}
        self.originals: dict[str, str] = {}
        self.links: dict[str, str] = {}

    def compile(self, file: str, source: pathlib.Path, target: pathlib.Path) -> None:
        entry = self.commands[str(ROOT / file)]
        words = [w for w in shlex.split(entry["command"]) if w not in ("-Werror", "-g") and not w.endswith("ccache")]
        words[words.index("-o") + 1] = str(target)
        words[words.index("-c") + 1] = str(source)
        # Quoted includes beside the source are found where the original lies. UBSan writes line numbers into the data.
        words += ["-w", "-g1", f"-iquote{(ROOT / file).parent}"]
        if subprocess.run(words, cwd=entry["directory"], capture_output=True).returncode:
            raise Unusable("does not compile")

    def compile_programs(self, directory: pathlib.Path, target: pathlib.Path) -> None:
        triplet = subprocess.run(["gcc", "-print-multiarch"], capture_output=True, text=True).stdout.strip()
        words = ["clang", "-target", "bpf", "-mcpu=v3", "-O2", "-g", f"-I{directory}", f"-I{ROOT / 'include'}",
                 f"-I/usr/include/{triplet or 'x86_64-linux-gnu'}", "-c", "agent/bpf/skerry.bpf.c", "-o", str(target)]
        if subprocess.run(words, cwd=directory, capture_output=True).returncode:
            raise Unusable("does not compile")

    def object_of(self, mistake: Mistake | None, file: str, scratch: pathlib.Path) -> pathlib.Path:
        """The file compiled with the mistake in it, or as it is."""
        lines = (ROOT / file).read_text().splitlines()
        if mistake:
            lines[mistake.line - 1] = mistake.after
        if file.startswith("agent/bpf/"):
            copy = scratch / "source"
            shutil.copytree(ROOT / "agent/bpf", copy / "agent/bpf")
            (copy / file).write_text("\n".join(lines) + "\n")
            target = scratch / "skerry.bpf.o"
            self.compile_programs(copy, target)
            return target
        source, target = scratch / pathlib.Path(file).name, scratch / "mistake.o"
        source.write_text("\n".join(lines) + "\n")
        self.compile(file, source, target)
        return target

    def original(self, file: str) -> str:
        key = "agent/bpf" if file.startswith("agent/bpf/") else file
        if key not in self.originals:
            with tempfile.TemporaryDirectory(prefix="skerry-rate-") as directory:
                self.originals[key] = machine_code(self.object_of(None, file, pathlib.Path(directory)))
        return self.originals[key]

    def link(self, binary: str, mistake: pathlib.Path, scratch: pathlib.Path) -> pathlib.Path:
        if mistake.name == "skerry.bpf.o":
            return self.build / "tests" / binary
        target = f"tests/{binary}"
        if target not in self.links:
            commands = subprocess.run(["ninja", "-C", self.build, "-t", "commands", target], check=True,
                                      capture_output=True, text=True).stdout.strip().splitlines()
            self.links[target] = commands[-1]
        # Tests look for the programs one directory above their own.
        test = scratch / "tests" / binary
        test.parent.mkdir(exist_ok=True)
        for program in ("skerry-agent", "skerry-controller"):
            if not (scratch / program).is_symlink():
                (scratch / program).symlink_to(self.build / program)
        command = self.links[target].replace(f"-o {target} ", f"-o {test} {mistake} ")
        done = subprocess.run(command, shell=True, cwd=self.build, capture_output=True, text=True)
        if done.returncode:
            raise Unusable(f"does not link: {done.stderr[-200:]}")
        return test


def run_test(test: pathlib.Path, suites: str, scratch: pathlib.Path) -> str:
    """Empty when every test passed, else the first sign of the mistake."""
    log = scratch / "sanitizer"
    environment = os.environ | {
        "ASAN_OPTIONS": f"log_path={log}:detect_leaks=1:abort_on_error=0:exitcode=99",
        "UBSAN_OPTIONS": f"log_path={log}", "SKR_BPF_OBJECT": str(scratch / "skerry.bpf.o"), "TMPDIR": str(scratch),
        "LSAN_OPTIONS": f"suppressions={ROOT}/tests/leaks.supp:print_suppressions=0"}
    if not (scratch / "skerry.bpf.o").exists():
        del environment["SKR_BPF_OBJECT"]
    words = [str(test), "--fail-fast", "--timeout", "120", "--jobs", "1"] + (["--filter", suites] if suites else [])
    try:
        done = subprocess.run(words, env=environment, cwd=ROOT, capture_output=True, text=True, errors="replace",
                              timeout=RUN_SECONDS_MAX)
    except subprocess.TimeoutExpired:
        return f"{test.name} did not end"
    if list(scratch.glob("sanitizer*")):
        return f"{test.name}: a sanitizer"
    if done.returncode:
        failed = re.search(r"\[FAIL\] (\S+)|(\S+): (?:CRASH|Unexpected signal)", done.stdout + done.stderr)
        return f"{test.name} {failed[1] or failed[2] if failed else 'failed'}"
    return "" if re.search(r"Tested: [1-9]", done.stdout + done.stderr) else f"{test.name} ran no test"


def judge(builder: Builder, room: str, mistake: Mistake) -> str:
    """The test that noticed it, or an empty text."""
    with tempfile.TemporaryDirectory(prefix="skerry-rate-") as directory:
        scratch = pathlib.Path(directory)
        compiled = builder.object_of(mistake, mistake.file, scratch)
        if machine_code(compiled) == builder.original(mistake.file):
            raise Unusable("the same code")
        for binary in ROOMS[room][1]:
            name, _, suites = binary.partition(":")
            sign = run_test(builder.link(name, compiled, scratch), suites, scratch)
            if sign:
                return sign
    return ""


def rate_room(builder: Builder, room: str, options) -> tuple[int, list[Mistake]]:
    waiting, lock = iter(mistakes_of_room(room, options.seed, options.only)), threading.Lock()
    judged, survivors = 0, []

    def next_verdict(_):
        """The verdict on the next mistake that says something; None when there is none left."""
        while True:
            with lock:
                mistake = next(waiting, None)
            if mistake is None:
                return None
            try:
                return mistake, judge(builder, room, mistake)
            except Unusable:
                continue

    with concurrent.futures.ThreadPoolExecutor(max_workers=options.jobs) as pool:
        for result in pool.map(next_verdict, range(options.count)):
            if result is None:
                continue
            mistake, sign = result
            judged += 1
            survivors += [] if sign else [mistake]
            print(f"{'noticed' if sign else 'MISSED '} {mistake}" + (f"\n    by {sign}" if sign else ""), flush=True)
    return judged, survivors


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build/dev")
    parser.add_argument("--room", nargs="*", default=list(ROOMS), choices=list(ROOMS))
    parser.add_argument("--count", type=int, default=11, help="mistakes a room")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="only places whose FILE:LINE holds this text")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--require", type=int, default=0, help="fail when a room is below this percentage")
    options = parser.parse_args()
    builder = Builder(options.build.resolve())
    rows, low = [], []
    for room in options.room:
        judged, survivors = rate_room(builder, room, options)
        percent = 100 * (judged - len(survivors)) // judged if judged else 0
        rows.append((room, judged, judged - len(survivors), percent))
        low += [room] if percent < options.require or not judged else []
    print(f"\n{'room':20} {'mistakes':>8} {'noticed':>8} {'rate':>6}   (aim {AIM_PERCENT} %)")
    for room, judged, noticed, percent in rows:
        print(f"{room:20} {judged:8} {noticed:8} {percent:5} %")
    total, noticed = sum(r[1] for r in rows), sum(r[2] for r in rows)
    print(f"{'all':20} {total:8} {noticed:8} {100 * noticed // total if total else 0:5} %")
    return 1 if low else 0


if __name__ == "__main__":
    sys.exit(main())
