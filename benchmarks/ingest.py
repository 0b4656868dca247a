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
READ, FIND, BUILD, WAIT = "read the payload", "find the usage", "build the documents", "wait for the server"
REST = "the rest"
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


def measure(client: OpenSearch, watch: Watch, size: int, records: int) -> tuple[float, float, dict[str, float]]:
    """Records and documents a second over so many records in payloads of this size, and the share of each step."""
    intake = ingesting.Intake(
        catalog=catalogs.load(),
        prices=prices.load(),
        client=client,
        failure_store=ingesting.FailureStore(NothingRejected(), ""),
        settings=SETTINGS,
    )
    lot = Random(size)
    taken, created = list[float](), 0
    for number in range((WARMING + records) // size):
        content = payload(lot, size, SHARE)
        if number * size < WARMING:
            ingesting.ingest(content, intake, NOW, lambda: 60.0)
            watch.spent.clear()
            continue
        began = time.perf_counter()
        done = ingesting.ingest(content, intake, NOW, lambda: 60.0)
        taken.append(time.perf_counter() - began)
        created += done.created
    spent = sum(taken)
    shares = {step: seconds / spent for step, seconds in watch.spent.items()}
    return size / statistics.median(taken), created / spent, {**shares, REST: 1 - sum(shares.values())}


def main() -> None:
    _, scale = arguments(__doc__)
    watch = Watch()
    watch.over(ingesting, "read_payload", READ)
    watch.over(ingesting, "read_usage", FIND)
    watch.over(events, "_row", BUILD)
    steps = (READ, FIND, BUILD, WAIT, REST)
    print(f"| records in a payload | records/s | documents/s | {' | '.join(steps)} |\n|{'---|' * (len(steps) + 3)}")
    for size in (30, 300, 3_000):
        with served() as client:
            watch.over(client.transport, "perform_request", WAIT)
            rate, documents, shares = measure(client, watch, size, 100_000 // scale)
            told = " | ".join(f"{shares[step]:.0%}" for step in steps)
            print(f"| {size:,} | {rate:,.0f} | {documents:,.0f} | {told} |")


if __name__ == "__main__":
    main()
