"""Runs each canary alone and demands that it is seen to fail: by exit code, or by a sanitizer's log."""
import os
import pathlib
import subprocess
import sys
import tempfile

binary = pathlib.Path(sys.argv[1]) / "tests" / "canary"
blind = []
for name in ("leak", "overflow", "assertion"):
    with tempfile.TemporaryDirectory() as logs:
        environment = dict(os.environ)
        environment["ASAN_OPTIONS"] = f"log_path={logs}/asan:detect_leaks=1:exitcode=99"
        environment["UBSAN_OPTIONS"] = f"log_path={logs}/ubsan"
        result = subprocess.run([binary, "--filter", f"canary/{name}"], env=environment, capture_output=True, timeout=60)
        if result.returncode == 0 and not os.listdir(logs):
            blind.append(name)
print(f"the harness does not see: {', '.join(blind)}" if blind else "leak, overflow and failed assertion are seen")
sys.exit(1 if blind else 0)
