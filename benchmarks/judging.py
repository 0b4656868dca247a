"""What do all detectors cost beside limits alone, of a replay of a million records and of each touched series?

Sixty days of the demo's organization, its objects filled up with reading calls to a million records. Read once, judged in turn
by all detectors and by limits and burn rate only; processor time, medians of the rounds. A touched series is one kind in
one account, or in the organization, in one minute that brought use of it.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from datetime import timedelta
from pathlib import Path
from random import Random
from unittest.mock import patch
from uuid import UUID

from benchmarks.trails import arguments, record
from usage_anomaly.coverage import Coverage
from usage_anomaly.enrichment.accounts import read_accounts
from usage_anomaly.intake import ObjectRead
from usage_anomaly.replay import Replay
from usage_anomaly_cli.bundled import loaded
from usage_anomaly_cli.reading import find_objects, read_objects
from usage_anomaly_cli.running import extract, minutes
from usage_anomaly_generator import accounts_json, demo
from usage_anomaly_generator.delivery import LogObject, encode
from usage_anomaly_generator.trail import generate

RECORDS = 1_000_000
DAYS = 60
JUDGING = "usage_anomaly.detection.judging"


def filled(each: LogObject, reads: int, lot: Random) -> LogObject:
    """The object with so many reading calls more, of its account, region and time."""
    like = each.records[0]
    same = {name: like[name] for name in ("recipientAccountId", "awsRegion", "eventTime") if name in like}
    more = [{**record(lot, 0, False), **same, "eventID": str(UUID(int=lot.getrandbits(128)))} for _ in range(reads)]
    return LogObject(each.name, [*each.records, *more])


def never(_coverage: Coverage, _bucket: int) -> str:
    """No day is known well enough: limits and burn rate judge alone."""
    return "left out"


def judged(read: list[ObjectRead]) -> tuple[float, int]:
    """Processor seconds of a replay of what was read, and how many series its minutes touched."""
    replay, touched = Replay(loaded()[0], read_accounts(accounts_json(demo.ORGANIZATION), "demo")), 0
    begin = time.process_time()
    for minute, arrivals in minutes(read):
        replay.tick(minute, arrivals)
        kinds = {(event.account_id, event.kind) for event in replay.fresh}
        touched += len(kinds) + len({kind for _, kind in kinds})
    return time.process_time() - begin, touched


def main() -> None:
    rounds, scale = arguments(__doc__)
    with tempfile.TemporaryDirectory() as place:
        start = demo.START - timedelta(days=DAYS - demo.DAYS)
        objects = list(generate(demo.ORGANIZATION, demo.HABITS_OF_THE_DEMO, [], start, DAYS / scale, 7))
        reads = max(0, (RECORDS // scale - sum(len(each.records) for each in objects)) // len(objects))
        lot = Random(7)
        for each in objects:
            path = Path(place, each.name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(encode(filled(each, reads, lot)))
        sources = find_objects([Path(place)], Path(place, "scratch"))
        begin = time.process_time()
        results = list(read_objects(sources, 1, extract, frozenset(loaded()[1].regions)))
        reading = time.process_time() - begin
        read = [each.value for each in results if each.value is not None]
        every, limits = list[float](), list[float]()
        for _ in range(max(3, rounds // 3)):
            taken, touched = judged(read)
            every.append(taken)
            with patch(f"{JUDGING}.baseline_lacks", never), patch(f"{JUDGING}.first_use_lacks", never):
                limits.append(judged(read)[0])
    full, plain = statistics.median(every), statistics.median(limits)
    records = sum(each.records for each in results)
    print(f"\n{records:,} records in {len(read):,} objects, {touched:,} touched series; reading {reading:.1f} s")
    print(f"judging by all detectors {full:.2f} s, by limits and burn rate {plain:.2f} s: {full / plain:.2f} times")
    print(f"the whole replay: {(reading + full) / (reading + plain):.2f} times")
    print(f"a touched series: {full / touched * 1e6:.0f} us, by limits and burn rate {plain / touched * 1e6:.0f} us")


if __name__ == "__main__":
    main()
