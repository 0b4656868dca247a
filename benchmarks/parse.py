"""How fast are trail files read, beside other ways of counting launches in them?

Writes large objects (600 records, 1 % of them launches) and small ones (median 5 records) into a temporary folder, then
lets each reader count RunInstances per account and region: one process each, interleaved, medians of the rounds. All
must count the same. Ratios hold from machine to machine; rates do not.
"""

from __future__ import annotations

import gzip
import json
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any

import duckdb
import orjson

from benchmarks.trails import SIZES, arguments, small_sizes, write
from usage_anomaly.envelopes import payload as payloads
from usage_anomaly.envelopes import read_payload
from usage_anomaly.envelopes.tally import Tally
from usage_anomaly.envelopes.unpack import unpack
from usage_anomaly_cli.reading import file_bytes

Counts = Counter[tuple[str, str]]
Reader = Callable[[Sequence[Path]], Counts]


def ours(paths: Sequence[Path]) -> Counts:
    counts: Counts = Counter()
    for path in paths:
        for each in read_payload(file_bytes(path, SIZES[path]), path.name).records:
            if each.event_name == "RunInstances":
                counts[each.account_id or "", each.region or ""] += 1
    return counts


def whole(decode: Callable[[bytes], Any]) -> Reader:
    """gzip, then every field of every record as Python values."""

    def read(paths: Sequence[Path]) -> Counts:
        counts: Counts = Counter()
        for path in paths:
            for each in decode(gzip.decompress(path.read_bytes()))["Records"]:
                if each["eventName"] == "RunInstances":
                    counts[each["recipientAccountId"], each["awsRegion"]] += 1
        return counts

    return read


COLUMNS = """
    SELECT r.recipientAccountId, r.awsRegion, count(*) FROM (SELECT unnest(Records) AS r FROM {source})
    WHERE r.eventName = 'RunInstances' GROUP BY ALL
"""
TEXTS = """
    SELECT r->>'$.recipientAccountId', r->>'$.awsRegion', count(*)
    FROM (SELECT unnest(json_extract(json, '$.Records[*]')) AS r FROM read_ndjson_objects(?))
    WHERE r->>'$.eventName' = 'RunInstances' GROUP BY ALL
"""
THREE = "STRUCT(eventName VARCHAR, recipientAccountId VARCHAR, awsRegion VARCHAR)[]"


def sql(query: str) -> Reader:
    """A query on one thread, in a new database each time."""

    def read(paths: Sequence[Path]) -> Counts:
        with duckdb.connect(config={"threads": 1}) as database:
            rows = database.execute(query, [[str(path) for path in paths]]).fetchall()
        return Counter({(account, region): count for account, region, count in rows})

    return read


READERS: dict[str, Reader] = {
    "gzip + orjson": whole(orjson.loads),
    "gzip + json": whole(json.loads),
    "DuckDB, columns found out": sql(COLUMNS.format(source="read_json(?)")),
    "DuckDB, columns named": sql(COLUMNS.format(source=f"read_json(?, columns = {{Records: '{THREE}'}})")),
    "DuckDB, paths into the text": sql(TEXTS),
    "ours": ours,
}


def compare(paths: Sequence[Path], records: int, rounds: int) -> list[str]:
    """Rows of the table: each reader's median time as a multiple of gzip + orjson, and its rate."""
    seconds: dict[str, list[float]] = {name: [] for name in READERS}
    failed: dict[str, str] = {}
    expected = ours(paths)
    for _ in range(rounds):
        for name, read in READERS.items():
            if name in failed:
                continue
            start = time.process_time()
            try:
                counts = read(paths)
            except duckdb.Error as error:
                failed[name] = str(error).partition("\n")[0][:70]
                continue
            seconds[name].append(time.process_time() - start)
            if counts != expected:
                failed[name] = "counts something else"
    medians = {name: statistics.median(taken) for name, taken in seconds.items() if taken}
    base = medians["gzip + orjson"]
    return [
        f"| {name} | fails: {failed[name]} | |"
        if name in failed
        else f"| {name} | {base / medians[name]:.2f} | {records / medians[name]:,.0f} |"
        for name in READERS
    ]


def shares(paths: Sequence[Path], rounds: int) -> list[str]:
    """Rows of the table: where our time goes, step after step over all objects."""
    taken: dict[str, list[float]] = {}

    def timed(step: str, work: Callable[[Any], Any], items: Sequence[Any]) -> list[Any]:
        start = time.process_time()
        results = [work(item) for item in items]
        taken.setdefault(step, []).append(time.process_time() - start)
        return results

    for _ in range(rounds):
        packed = timed("read", Path.read_bytes, paths)
        texts = timed("decompress, check UTF-8", lambda each: unpack(each, Tally(None))[0], packed)
        logs = timed("decode", payloads.read_log, texts)
        timed("keys and oddities", lambda log: Tally(None).add_all(log, list), logs)
    medians = {step: statistics.median(times) for step, times in taken.items()}
    return [f"| {step} | {100 * median / sum(medians.values()):.0f} % |" for step, median in medians.items()]


def main() -> None:
    rounds, scale = arguments(__doc__)
    sets = {"large": [600] * (200 // scale), "small": small_sizes(Random(5), 2000 // scale)}
    with tempfile.TemporaryDirectory() as folder:
        for seed, (name, sizes) in enumerate(sets.items()):
            paths = write(Path(folder, name), sizes, seed)
            packed = sum(path.stat().st_size for path in paths)
            print(f"\n{name}: {len(sizes):,} objects, {sum(sizes):,} records", end="")
            print(f" (median {statistics.median(sizes):g}), {packed / 1e6:.1f} MB; {rounds} rounds\n")
            print("| reader | times gzip + orjson | records/s |\n|---|---|---|")
            print("\n".join(compare(paths, sum(sizes), rounds)))
            print("\n| our time | share |\n|---|---|")
            print("\n".join(shares(paths, rounds)))


if __name__ == "__main__":
    main()
