"""How large are the layers that `make build` made, and how long does each function take to begin?

Sizes are bytes of the files that Lambda unpacks. Beginnings are measured in fresh processes of the local environment's
Python with the built layers first on its path, as in Lambda, median of runs: import of app.py with its clients, without
starting Python; and the init phase as Lambda's runtime interface emulator reports it, which starts Python and the runtime
client too. Lambda's slower processor comes on top.
"""

from __future__ import annotations

import os
import re
import socket
import statistics
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from pathlib import Path

from local.invoke import emulator

ROOT = Path(__file__).resolve().parent.parent
BUILT = ROOT / ".aws-sam" / "build"
LAYERS = [BUILT / name / "python" for name in ("CoreLayer", "DependenciesLayer")]
MOST_BYTES, MOST_MILLISECONDS = 30_000_000, 300
RUNS = 7
BEGIN = """
import sys, time
start = time.perf_counter()
import app
print((time.perf_counter() - start) * 1000)
"""


def sizes(layer: Path) -> tuple[int, int, Counter[str]]:
    """Bytes in all, bytes of bytecode, and bytes by package."""
    packages: Counter[str] = Counter()
    compiled = 0
    for file in (each for each in layer.rglob("*") if each.is_file()):
        size = file.stat().st_size
        packages[file.relative_to(layer).parts[0]] += size
        compiled += size if file.suffix == ".pyc" else 0
    return packages.total(), compiled, packages


def environment() -> dict[str, str]:
    """What a function finds in Lambda, with names of things that do not exist; nothing is called at import."""
    names = "STATE_TABLE FAILURE_BUCKET STATE_MACHINE_ARN ALERT_TOPIC_ARN SYSTEM_TOPIC_ARN OWN_ACCOUNT_ID"
    names += " INGEST_FUNCTION_NAME QBUSINESS_APPLICATION_ID QBUSINESS_INDEX_ID QBUSINESS_DATA_SOURCE_ID"
    return {
        **dict.fromkeys(names.split(), "none"),
        "FUNCTION_NAMES": "ingest=none,detect=none",
        "OWN_ROLES": "none",
        "SEARCH_ENDPOINT": "http://127.0.0.1:9",
        "SEARCH_AUTH": "none",
        "RETENTION_DAYS": "36",
        "POWERTOOLS_SERVICE_NAME": "benchmark",
        "POWERTOOLS_METRICS_NAMESPACE": "MultiAccountAnomalyDetection",
        "AWS_ACCESS_KEY_ID": "none",  # Lambda gives credentials; without them botocore would search for some
        "AWS_SECRET_ACCESS_KEY": "none",
        "AWS_SESSION_TOKEN": "none",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "PATH": os.defpath,
        "PYTHONPATH": os.pathsep.join(map(str, LAYERS)),
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def beginning(python: Path, function: Path) -> float:
    """Median milliseconds of importing a function's app.py."""
    taken = []
    for _ in range(RUNS):
        command = [str(python), "-c", BEGIN]
        run = subprocess.run(command, cwd=function, env=environment(), capture_output=True, text=True, check=True)
        taken.append(float(run.stdout))
    return statistics.median(taken)


def init_phase(python: Path, function: Path) -> float:
    """Median milliseconds that the runtime interface emulator reports for the init phase."""
    taken = []
    for _ in range(RUNS):
        with socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", 0))
            second.bind(("127.0.0.1", 0))
            address, api = (f"127.0.0.1:{each.getsockname()[1]}" for each in (first, second))
        command = [str(emulator()), "--log-level", "info", "--runtime-interface-emulator-address", address]
        command += ["--runtime-api-address", api, str(python), "-m", "awslambdaric", "app.handler"]
        process = subprocess.Popen(
            command, cwd=function, env=environment(), stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
        )
        try:
            taken.append(reported(process, f"http://{address}/2015-03-31/functions/function/invocations"))
        finally:
            process.terminate()
            process.wait()
    return statistics.median(taken)


def reported(process: subprocess.Popen[str], address: str) -> float:
    """The init phase's milliseconds from the emulator's log, which begins with the first invocation."""
    threading.Thread(target=knock, args=(address,), daemon=True).start()
    assert process.stderr is not None
    for line in process.stderr:
        found = re.search(r"INIT REPORT\(durationMs: ([\d.]+)\)", line)
        if found:
            return float(found[1])
    raise SystemExit("the runtime interface emulator ended without a report")


def knock(address: str) -> None:
    """Invoke once, as soon as the emulator listens; what the handler answers does not matter here."""
    for _ in range(100):
        try:
            with urllib.request.urlopen(urllib.request.Request(address, data=b"{}"), timeout=5):
                return
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.05)


def main() -> None:
    """Print both tables, with a mark where a target is missed."""
    print(f"{'layer':<20}{'MB':>8}{'bytecode':>10}  largest")
    total = 0
    for layer in LAYERS:
        size, compiled, packages = sizes(layer)
        total += size
        largest = ", ".join(f"{name} {bytes_ / 1e6:.1f}" for name, bytes_ in packages.most_common(4))
        print(f"{layer.parent.name:<20}{size / 1e6:>8.1f}{compiled / 1e6:>10.1f}  {largest}")
    print(f"{'both':<20}{total / 1e6:>8.1f}{'':>10}  at most {MOST_BYTES / 1e6:.0f}")
    python = ROOT / ".venv-local" / "bin" / "python"
    version = subprocess.run([str(python), "-V"], capture_output=True, text=True, check=True).stdout.strip()
    if not version.startswith("Python 3.13") or sys.platform != "linux":
        print(f"beginnings not measured: the layers are for Python 3.13 on Linux, .venv-local is {version}")
        return
    when = time.strftime("%Y-%m-%d")
    print(f"\n{'function':<20}{'import':>8}{'init':>8}  ms, {version}, {when}, init at most {MOST_MILLISECONDS}")
    for function in sorted(path.parent for path in (ROOT / "functions").glob("*/app.py")):
        imported, taken = beginning(python, function), init_phase(python, function)
        mark = "  missed" if taken > MOST_MILLISECONDS else ""
        print(f"{function.name:<20}{imported:>8.0f}{taken:>8.0f}{mark}")


if __name__ == "__main__":
    main()
