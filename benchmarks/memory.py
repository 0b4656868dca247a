"""What does a replay keep in memory for each file, each distinct record and each wanted event?

Each is raised tenfold in a trail of its own, and a fresh process replays both: the growth of its resident memory, divided by
what was added. The list of names is measured apart, before anything is read.
"""

from __future__ import annotations

import gc
import gzip
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

import msgspec

from benchmarks.trails import ACCOUNTS, arguments, record
from usage_anomaly_cli.reading import find_objects
from usage_anomaly_cli.running import Plan, run

START = datetime(2026, 1, 1, tzinfo=UTC)
MOST = {"file": 0, "distinct record": 40, "wanted event": 1_000, "wanted event of 4 instances": 2_000}


def launch(lot: Random, instances: int) -> dict[str, Any]:
    """A launch of at most four instances."""
    made = record(lot, 0, True)
    made["responseElements"]["instancesSet"]["items"] = made["responseElements"]["instancesSet"]["items"][:instances]
    return made


def write(folder: Path, files: int, records: int, instances: int, same: bool) -> None:
    """Files delivered a minute apart, with so many records each. Launches differ in all that differs in a real trail; other
    records in their ids, or not at all (`same`), for of them nothing else is kept."""
    folder.mkdir()
    lot = Random(7)
    other = record(lot, 0, False)
    for number in range(files):
        time = START + timedelta(minutes=number)
        dated = {"eventTime": f"{START if same else time:%Y-%m-%dT%H:%M:%SZ}"}
        template = msgspec.json.encode(other | dated | {"eventID": "@ID"})
        ids = (str(UUID(int=1 if same else lot.getrandbits(128))).encode() for _ in range(records))
        texts = (
            msgspec.json.encode(launch(lot, instances) | dated) if instances else template.replace(b"@ID", each)
            for each in ids
        )
        text = b'{"Records":[' + b",".join(texts) + b"]}"
        name = f"{ACCOUNTS[0]}_CloudTrail_us-east-1_{time:%Y%m%dT%H%MZ}_{number:016}.json.gz"
        (folder / name).write_bytes(gzip.compress(text, 1))


def resident() -> int:
    """Bytes of this process's memory that are in use."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def measure(folder: str) -> dict[str, int]:
    """Replay a folder in this process; what its list and its reading left in memory."""
    before = resident()
    sources = find_objects([folder], Path(folder, "scratch"))
    listed = resident()
    finished = run(sources, Plan(accounts={}), lambda: None)
    kept = resident() - listed
    events = sum(1 for series in finished.replay.series.values() for _ in series.events(0, 1 << 62))
    return {
        "listed": listed - before,
        "kept": kept,
        "file": len(sources),
        "distinct record": finished.replay.counts.distinct,
        **dict.fromkeys([name for name in MOST if name.startswith("wanted event")], events),
    }


def trails(scale: int) -> Iterator[tuple[str, int, int, int, bool]]:
    """What is raised tenfold, and the trail to begin with: files, records in each, instances launched, the same."""
    yield "file", 3_000 // scale, 1, 0, True
    yield "distinct record", 100 // scale, 1_000, 0, False
    yield "wanted event", 50 // scale, 40, 1, False
    yield "wanted event of 4 instances", 50 // scale, 40, 4, False


def measured(folder: Path) -> dict[str, int]:
    command = [sys.executable, "-m", "benchmarks.memory", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout))


def main() -> None:
    _, scale = arguments(__doc__)
    print("| for each | bytes kept | at most | from | to |\n|---|---|---|---|---|")
    for what, files, records, instances, same in trails(scale):
        with tempfile.TemporaryDirectory() as place:
            found = []
            for times in (1, 10):
                folder = Path(place, str(times))
                write(folder, files * times, records, instances, same)
                found.append(measured(folder))
        small, large = found
        more = large[what] - small[what]
        grown = (large["kept"] - small["kept"]) / more
        print(f"| {what} | {grown:,.1f} | {MOST[what]:,} | {small[what]:,} | {large[what]:,} |")
        if what == "file":
            print(f"| name in the list | {(large['listed'] - small['listed']) / more:,.1f} | | | |")


if __name__ == "__main__":
    if len(sys.argv) == 2 and not sys.argv[1].startswith("-"):
        print(json.dumps(measure(sys.argv[1])))
    else:
        main()
