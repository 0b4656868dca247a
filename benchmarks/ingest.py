"""How many records a second does ingest write into OpenSearch, and what does it do meanwhile?

One process runs what the function runs, payload after payload, against a node on the same machine with the heap of a small
managed instance. The index is new; the first payloads, which warm the server up, are not counted.
"""

from __future__ import annotations

import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from random import Random
from typing import Any

from local import node
from opensearchpy import OpenSearch

from benchmarks.trails import arguments, payload
from usage_anomaly import catalog as catalogs
from usage_anomaly import ingesting
from usage_anomaly.enrichment import prices
from usage_anomaly.search import events, setup
from usage_anomaly.search.client import connect

NOW = datetime(2026, 1, 20, 23, 59, tzinfo=UTC)
SETTINGS = ingesting.Settings(
    search_endpoint="",
    search_auth="none",
    aws_region="",
    failure_bucket="",
    own_roles="",
    own_account_id="",
    retention_days=36,
)
READ, FIND, BUILD, WAIT = STEPS = ("read the payload", "find the usage", "build the documents", "wait for the server")
WARMING = 30_000  # records
SHARE = 0.8  # of the records that a filter lets through are wanted


class Watch:
    """Seconds by what they were spent on."""

    def __init__(self) -> None:
        self.spent: defaultdict[str, float] = defaultdict(float)

    def over(self, place: Any, name: str, step: str) -> None:
        """Let every call of this function count for the step."""
        function: Callable[..., Any] = getattr(place, name)

        def timed(*arguments: Any, **rest: Any) -> Any:
            began = time.perf_counter()
            try:
                return function(*arguments, **rest)
            finally:
                self.spent[step] += time.perf_counter() - began

        setattr(place, name, timed)


class NothingRejected:
    """A failure bucket that takes nothing: with rejected records the figures would be those of something else."""

    def refuse(self, *_: Any, **arguments: Any) -> Any:
        raise AssertionError(arguments)

    put_object = get_object = delete_object = refuse

    def get_paginator(self, operation_name: Any) -> Any:
        self.refuse(operation_name)


@contextmanager
def served() -> Iterator[OpenSearch]:
    """A new node with our templates."""
    with node.running() as address, connect(address, "none", "") as client:
        setup.configure(client)
        yield client


def measure(client: OpenSearch, watch: Watch, size: int, records: int) -> list[str]:
    """Over so many records in payloads of this size: records and documents a second, the share of each step, and the
    microseconds of processor time that a record costs us and the server, which other work on the machine changes less."""
    intake = ingesting.Intake(
        catalog=catalogs.load(),
        prices=prices.load(),
        client=client,
        failure_store=ingesting.FailureStore(NothingRejected(), ""),
        settings=SETTINGS,
    )
    lot, taken, created, ours, servers = Random(size), list[float](), 0, 0.0, 0.0
    for number in range(-(WARMING // size), records // size):
        content = payload(lot, size, SHARE)
        if number == 0:
            watch.spent.clear()
            taken, created, ours, servers = [], 0, 0.0, server_seconds(client)
        began, processor = time.perf_counter(), time.process_time()
        created += ingesting.ingest(content, intake, NOW, lambda: 60.0).created
        taken.append(time.perf_counter() - began)
        ours += time.process_time() - processor
    servers = server_seconds(client) - servers
    shares = [watch.spent[step] / sum(taken) for step in STEPS]
    return [
        f"{size / statistics.median(taken):,.0f}",
        f"{created / sum(taken):,.0f}",
        *(f"{share:.0%}" for share in (*shares, 1 - sum(shares))),
        *(f"{seconds / records * 1e6:,.0f}" for seconds in (ours, servers)),
    ]


def server_seconds(client: OpenSearch) -> float:
    """Processor time of the node since its start."""
    (stats,) = client.nodes.stats(metric="process")["nodes"].values()
    return float(stats["process"]["cpu"]["total_in_millis"]) / 1000


def main() -> None:
    _, scale = arguments(__doc__)
    watch = Watch()
    watch.over(ingesting, "read_payload", READ)
    watch.over(ingesting, "read_usage", FIND)
    watch.over(events, "_row", BUILD)
    columns = ["records in a payload", "records/s", "documents/s", *STEPS, "the rest", "us of ours", "us of the server"]
    print(f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}")
    for size in (30, 300, 3_000):
        with served() as client:
            watch.over(client.transport, "perform_request", WAIT)
            print(f"| {size:,} | {' | '.join(measure(client, watch, size, 90_000 // scale))} |", flush=True)


if __name__ == "__main__":
    main()
