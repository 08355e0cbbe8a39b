"""Seeded bugs of the eBPF programs: each patch here is applied to a copy of the sources, built, and must be found by the
isolation test. A patch that no longer applies or builds fails too: it would prove nothing.

    /usr/bin/python3 tests/mutants/run.py [--build build/dev] [--only NAME ...]"""

import argparse
import concurrent.futures
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
FOUND = "the programs and the oracle disagree"
RUN_SECONDS_MAX = 60


def build(scratch: pathlib.Path, patch: pathlib.Path | None) -> pathlib.Path:
    shutil.copytree(ROOT / "agent/bpf", scratch / "agent/bpf")
    if patch:
        subprocess.run(["patch", "--quiet", "--strip=1", "--fuzz=0", f"--input={patch}"], cwd=scratch, check=True)
    triplet = subprocess.run(["gcc", "-print-multiarch"], capture_output=True, text=True).stdout.strip()
    target = scratch / "skerry.bpf.o"
    subprocess.run(["clang", "-target", "bpf", "-mcpu=v3", "-O2", "-g", f"-I{ROOT / 'include'}", f"-I{scratch}",
                    f"-I/usr/include/{triplet or 'x86_64-linux-gnu'}", "-c", "agent/bpf/skerry.bpf.c", "-o", target],
                   cwd=scratch, check=True, capture_output=True)
    return target


def verdict(test: pathlib.Path, patch: pathlib.Path | None) -> str:
    """found, missed, or what else went wrong."""
    with tempfile.TemporaryDirectory(prefix="skerry-mutant-") as directory:
        try:
            target = build(pathlib.Path(directory), patch)
        except subprocess.CalledProcessError as error:
            return f"does not apply or build: {(error.stderr or b'').decode(errors='replace').strip()[-300:]}"
        environment = os.environ | {"SKR_BPF_OBJECT": str(target)}
        try:
            result = subprocess.run([test, "--filter", "isolation/*"], env=environment, capture_output=True, text=True,
                                    timeout=RUN_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            return "the test did not end"
    output = result.stdout + result.stderr
    if "Tested: 1 " not in output:
        return f"the test did not run: {output[-300:]}"
    if result.returncode == 0:
        return "missed"
    return "found" if FOUND in output else f"failed otherwise: {output[-300:]}"


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build/dev")
    parser.add_argument("--only", nargs="*", default=[])
    options = parser.parse_args()
    test = options.build.resolve() / "tests/property-agent"
    patches = [p for p in sorted(HERE.glob("*.patch")) if not options.only or any(o in p.name for o in options.only)]
    with concurrent.futures.ThreadPoolExecutor(max_workers=2) as pool:
        jobs = {"unchanged": pool.submit(verdict, test, None)}
        jobs |= {patch.stem: pool.submit(verdict, test, patch) for patch in patches}
        verdicts = {name: job.result() for name, job in jobs.items()}
    for name, text in verdicts.items():
        print(f"{name:45} {text}")
    wrong = [name for name, text in verdicts.items() if text != ("missed" if name == "unchanged" else "found")]
    print(f"{len(patches)} seeded bugs" + (f", not as expected: {', '.join(wrong)}" if wrong else ", all found"))
    return 1 if wrong or not patches else 0


if __name__ == "__main__":
    sys.exit(main())
