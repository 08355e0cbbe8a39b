"""Seeded bugs of who sees what: each patch in controller/ is applied to a copy of its source, compiled, linked before the
libraries of the component test, and must make the test that its first line names fail. Unchanged, that test passes in
the component tier.

    /usr/bin/python3 tests/mutants/run_controller.py [--build build/dev] [--only NAME ...]"""

import argparse
import json
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
TARGET = "tests/component-controller"
RUN_SECONDS_MAX = 180


def compile_mutant(build: pathlib.Path, scratch: pathlib.Path, patch: pathlib.Path) -> pathlib.Path:
    name = re.search(r"^\+\+\+ b/(\S+)", patch.read_text(), re.MULTILINE).group(1)
    source = scratch / pathlib.Path(name).name
    source.write_bytes((ROOT / name).read_bytes())
    subprocess.run(["patch", "--quiet", "--fuzz=0", str(source), str(patch)], check=True, capture_output=True)
    entry = next(e for e in json.loads((build / "compile_commands.json").read_text())
                 if e["file"].endswith(f"/{name}"))
    words = shlex.split(entry["command"])
    words[words.index("-o") + 1] = str(scratch / "mutant.o")
    words[words.index("-c") + 1] = str(source)
    subprocess.run(words, cwd=entry["directory"], check=True, capture_output=True)
    return scratch / "mutant.o"


def link(build: pathlib.Path, scratch: pathlib.Path, mutant: pathlib.Path) -> pathlib.Path:
    commands = subprocess.run(["ninja", "-C", build, "-t", "commands", TARGET], check=True, capture_output=True,
                              text=True).stdout.strip().splitlines()
    command = commands[-1].replace(f"-o {TARGET} ", f"-o {scratch / 'test'} {mutant} ")
    subprocess.run(command, shell=True, cwd=build, check=True, capture_output=True)
    return scratch / "test"


def verdict(build: pathlib.Path, patch: pathlib.Path) -> str:
    """found, missed, or what else went wrong."""
    wanted = patch.read_text().splitlines()[0].removeprefix("test: ")
    with tempfile.TemporaryDirectory(prefix="skerry-mutant-") as directory:
        scratch = pathlib.Path(directory)
        try:
            test = link(build, scratch, compile_mutant(build, scratch, patch))
            result = subprocess.run([test, "--filter", wanted], cwd=ROOT, capture_output=True, text=True,
                                    timeout=RUN_SECONDS_MAX)
        except subprocess.CalledProcessError as error:
            return f"does not apply or build: {(error.stderr or b'')[-300:]!r}"
        except subprocess.TimeoutExpired:
            return "the test did not end"
    output = result.stdout + result.stderr
    if "Tested: 1 " not in output:
        return f"the test did not run: {output[-300:]}"
    if "Timed out" in output:
        return "the test did not end"
    return "found" if "Failing: 1" in output or "Crashing: 1" in output else "missed"


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build/dev")
    parser.add_argument("--only", nargs="*", default=[])
    options = parser.parse_args()
    patches = [p for p in sorted((HERE / "controller").glob("*.patch"))
               if not options.only or any(o in p.name for o in options.only)]
    wrong = []
    for patch in patches:
        said = verdict(options.build.resolve(), patch)
        print(f"{patch.stem:45} {said}", flush=True)
        wrong += [patch.stem] if said != "found" else []
    print(f"{len(patches)} seeded bugs" + (f", not as expected: {', '.join(wrong)}" if wrong else ", all found"))
    return 1 if wrong or not patches else 0


if __name__ == "__main__":
    sys.exit(main())
