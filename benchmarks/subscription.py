"""How fast are a log subscription's payloads read, as ingest reads them, beside the plain way?

The plain way: base64, gzip, JSON, JSON of each message, and then a look at its eventSource and eventName. All readers give
the ids of the wanted records and the number of all, and must agree. Interleaved, medians of the rounds.
"""

from __future__ import annotations

import base64
import gzip
import json
import statistics
import time
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

import orjson

from benchmarks.trails import arguments, payload
from usage_anomaly import catalog as catalogs
from usage_anomaly.envelopes import event_id, read_payload

Reader = Callable[[Sequence[bytes]], tuple[int, list[str]]]
CATALOG = catalogs.load()
WANTED = CATALOG.wanted


def ours(payloads: Sequence[bytes]) -> tuple[int, list[str]]:
    count, ids = 0, list[str]()
    for each in payloads:
        read = read_payload(each, "log subscription", wanted=CATALOG.readings)
        count += len(read.records) + read.unopened
        for found, key in zip(read.records, read.keys, strict=True):
            if (found.event_source, found.event_name) in WANTED:
                ids.append(event_id(found, key))
    return count, ids


def plain(loads: Callable[[bytes | str], Any]) -> Reader:
    def read(payloads: Sequence[bytes]) -> tuple[int, list[str]]:
        count, ids = 0, list[str]()
        for each in payloads:
            whole = loads(gzip.decompress(base64.b64decode(loads(each)["awslogs"]["data"])))
            for event in whole["logEvents"]:
                one = loads(event["message"])
                count += 1
                if (one["eventSource"], one["eventName"]) in WANTED:
                    ids.append(one["eventID"])
        return count, ids

    return read


READERS: dict[str, Reader] = {
    "plain, orjson": plain(orjson.loads),
    "plain, json": plain(json.loads),
    "ours": ours,
}


def main() -> None:
    rounds, scale = arguments(__doc__)
    for share in (0.01, 0.3, 0.8):
        lot = Random(3)
        payloads = [payload(lot, 300, share) for _ in range(80 // scale)]
        expected, records = ours(payloads), 300 * len(payloads)
        seconds: dict[str, list[float]] = {name: [] for name in READERS}
        for _ in range(rounds):
            for name, read in READERS.items():
                start = time.process_time()
                counts = read(payloads)
                seconds[name].append(time.process_time() - start)
                assert counts == expected, name
        medians = {name: statistics.median(taken) for name, taken in seconds.items()}
        wanted = len(expected[1])
        print(f"\n{len(payloads)} payloads of 300 records, {100 * wanted / records:.0f} % wanted; {rounds} rounds\n")
        print("| reader | times plain, orjson | records/s |\n|---|---|---|")
        for name, median in medians.items():
            print(f"| {name} | {medians['plain, orjson'] / median:.2f} | {records / median:,.0f} |")


if __name__ == "__main__":
    main()
