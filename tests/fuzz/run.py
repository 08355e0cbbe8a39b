"""Runs every fuzz target for a while, a few at a time, from the corpus in the tree; a finding is copied to
tests/fuzz/corpus/<target>/ by whoever mends it and stays as a regression. What strangers reach first (frames, HTTP and
JSON, join strings, the cache file) runs the whole time, the rest a seventh of it."""
import argparse
import concurrent.futures
import pathlib
import re
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
WHOLE_TIME = {"frame", "object", "http", "join_string", "cache"}


def fuzz(binary: pathlib.Path, seconds: int) -> tuple[str, bool, str]:
    name = binary.name.removeprefix("fuzz-")
    corpus = HERE / "corpus" / name
    with tempfile.TemporaryDirectory() as scratch:
        words = [binary, f"-max_total_time={seconds}", "-timeout=10", "-rss_limit_mb=2048", "-print_final_stats=1",
                 f"-artifact_prefix={scratch}/", scratch + "/corpus"]
        (pathlib.Path(scratch) / "corpus").mkdir()
        if corpus.is_dir():
            words.append(corpus)
        result = subprocess.run(list(map(str, words)), capture_output=True, text=True, errors="replace", timeout=seconds + 120)
        executed = re.search(r"number_of_executed_units:\s*(\d+)", result.stderr)
        count = int(executed.group(1)) if executed else 0
        findings = [p for p in pathlib.Path(scratch).iterdir() if p.is_file()]
        kept = pathlib.Path("build/results")
        for finding in findings:
            kept.mkdir(parents=True, exist_ok=True)
            (kept / f"{name}-{finding.name}").write_bytes(finding.read_bytes())
        good = result.returncode == 0 and not findings and count > 0
        return name, good, f"{count} executions" if good else result.stderr[-3000:]


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", type=pathlib.Path, required=True)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    seconds = {True: options.seconds, False: max(1, options.seconds // 7)}
    binaries = sorted(p for p in options.build.rglob("fuzz-*") if p.is_file() and p.stat().st_mode & 0o111)
    missing = WHOLE_TIME - {p.name.removeprefix("fuzz-") for p in binaries}
    if missing:
        print(f"not built: {', '.join(sorted(missing))}")
        return 1
    binaries.sort(key=lambda p: p.name.removeprefix("fuzz-") not in WHOLE_TIME)
    failed = not binaries
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        for name, good, text in pool.map(
                lambda binary: fuzz(binary, seconds[binary.name.removeprefix("fuzz-") in WHOLE_TIME]), binaries):
            print(f"{name}: {'no finding, ' + text if good else 'FOUND' + chr(10) + text}", flush=True)
            failed = failed or not good
    return 1 if failed else 0


sys.exit(main())
