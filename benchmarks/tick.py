"""What does a tick cost for each touched series, and does it cost more where more is stored?

An organization's usage of five weeks is written into a search server, once and with ten times as many accounts; the same 500
series get news in both. A fresh process then runs what the functions run: the daily job for these, and ticks. The state
table is one in memory, for what is measured is reading and judging; its requests are counted.

    python -m benchmarks.tick http://127.0.0.1:9200
    python -m benchmarks.tick http://127.0.0.1:9200 --accounts 300 --a-day 18.5
    python -m benchmarks.tick http://127.0.0.1:9200 --only-measure --together
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from itertools import islice
from random import Random
from typing import Any

from msgspec.structs import replace
from opensearchpy import OpenSearch

from usage_anomaly import catalog as catalogs
from usage_anomaly.anomalies.rules import Pair
from usage_anomaly.bench import Reader
from usage_anomaly.history import cut_of
from usage_anomaly.renewing import make
from usage_anomaly.search import events, setup
from usage_anomaly.search.client import connect
from usage_anomaly.search.history import History
from usage_anomaly.state import Item, cursor
from usage_anomaly.ticking import tick
from usage_anomaly.usage import UsageEvent

NOW = datetime(2026, 11, 25, 10, 30, tzinfo=UTC)
DAYS = 36
REGIONS = ("us-east-1", "us-west-2", "eu-west-1", "ap-south-1")
KINDS = ("ec2.instances", "ebs.volumes", "rds.instances", "ecs.tasks", "lambda.invocations")
TOUCHED = 500  # series: a kind in an account and a region


def happened(account: int, a_day: float, lot: Random) -> Iterator[UsageEvent]:
    """Five weeks of an account: launches and releases at working hours, a nightly batch, calls that come all day."""
    for kind in KINDS:
        running: list[tuple[str, str]] = []
        for day in range(DAYS):
            for number in range(round(lot.gauss(a_day, a_day / 4))):
                hour = 2 if number == 0 else lot.randrange(7, 20)
                moment = (NOW - timedelta(days=DAYS - day)).replace(hour=hour, minute=lot.randrange(60))
                yield used(account, kind, moment, lot, running)


def used(account: int, kind: str, moment: datetime, lot: Random, running: list[tuple[str, str]]) -> UsageEvent:
    """One call; two of five releases end what runs longest."""
    busy = kind == "lambda.invocations"
    ends = not busy and len(running) > 3 and lot.random() < 0.4
    made = f"i-{lot.getrandbits(64):016x}", REGIONS[min(3, int(lot.expovariate(2)))]
    name, region = running.pop(0) if ends else made
    if not busy and not ends:
        running.append(made)
    # The pipeline and a few people work in all accounts, from a few offices; applications at home only.
    role, session = lot.choice(
        [("deploy", "ci"), ("admin", f"person-{lot.randrange(8)}"), ("app", f"i-{account:017x}")]
    )
    address = (
        f"203.0.113.{lot.randrange(4)}" if role == "admin" else f"10.{account >> 8}.{account & 255}.{lot.randrange(9)}"
    )
    return UsageEvent(
        event_id=f"{lot.getrandbits(128):032x}",
        event_time=moment,
        event_source=f"{kind.partition('.')[0]}.amazonaws.com",
        event_name="Invoke" if busy else "Terminate" if ends else "Run",
        kind=kind,
        account_id=f"{account:012}",
        region=region,
        direction="release" if ends else "use",
        quantity=lot.randrange(1, 40) if busy else 1,
        unit="units",
        group=lot.choice(["m5.large", "m5.xlarge", "c6g.large"]),
        usd_per_hour=None if busy or ends else lot.choice([0.096, 0.192, 0.068]),
        usd=0.0001 if busy else None,
        actor_arn=f"arn:aws:iam::{account:012}:role/{role}",
        actor_session=session,
        actor_type="AssumedRole",
        access_key_id=f"ASIA{lot.randrange(10**9):016}",
        user_agent="Boto3/1.34 md/Botocore#1.34 lang/python#3.12",
        source_address=address,
        source_ip=address,
        image_id=f"ami-{lot.randrange(8):08}",
        function_name=f"function-{lot.randrange(6)}" if busy else None,
        resource_ids=() if busy else (name,),
        origin="live",
        catalog_version="benchmark",
    )


class Table:
    """The state table in memory, with its requests counted."""

    name = "state"

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str], Item] = {}
        self.asked = Counter[str]()
        self.meta: Any = self
        self.client = self

    def get_item(self, *, Key: Mapping[str, str], ConsistentRead: bool = False) -> Item:  # noqa: N803 - boto3's names
        self.asked["read"] += 1
        found = self.rows.get((Key["pk"], Key["sk"]))
        return {} if found is None else {"Item": found}

    def query(self, **asked: Any) -> Item:
        self.asked["read"] += 1
        work = asked["ExpressionAttributeValues"][":work"]
        return {"Items": [each for each in self.rows.values() if each.get("work") == work]}

    def put_item(self, **asked: Any) -> Item:
        self.asked["write"] += 1
        self._put(asked["Item"])
        return {}

    def update_item(self, **asked: Any) -> Item:
        """News are noted, or a snapshot is dispatched."""
        self.asked["write"] += 1
        key, values = asked["Key"], asked["ExpressionAttributeValues"]
        if ":expires" in values:
            del self.rows[key["pk"], key["sk"]]["work"]
            return {}
        row = self.rows.setdefault((key["pk"], key["sk"]), {**key, "first": values[":first"]})
        row.update(token=values.get(":token"), work="DUE")
        return {"Attributes": row}

    def delete_item(self, **asked: Any) -> Item:
        self.asked["write"] += 1
        self.rows.pop((asked["Key"]["pk"], asked["Key"]["sk"]), None)
        return {}

    def transact_write_items(self, **asked: Any) -> None:
        self.asked["write"] += 1
        for each in asked["TransactItems"]:
            self._put(each["Put"]["Item"])

    def _put(self, item: Item) -> None:
        self.rows[item["pk"], item["sk"]] = item


class Watch:
    """Wall and processor seconds, ours and the server's, and the requests of what is done inside."""

    def __init__(self, client: OpenSearch) -> None:
        self._client = client
        self.requests = 0
        perform = client.transport.perform_request

        def counted(*arguments: Any, **rest: Any) -> Any:
            self.requests += 1
            return perform(*arguments, **rest)

        client.transport.perform_request = counted  # type: ignore[method-assign]  # to be watched

    def begin(self) -> None:
        self._server = self._server_seconds()
        self.requests = 0
        self._began, self._ours = time.perf_counter(), time.process_time()

    def end(self) -> tuple[float, float, float, int]:
        wall, ours, requests = time.perf_counter() - self._began, time.process_time() - self._ours, self.requests
        return wall, ours, self._server_seconds() - self._server, requests

    def _server_seconds(self) -> float:
        (stats,) = self._client.nodes.stats(metric="process")["nodes"].values()
        return float(stats["process"]["cpu"]["total_in_millis"]) / 1_000


def write(client: OpenSearch, first: int, last: int, a_day: float) -> int:
    """Write the past of accounts [first, last)."""
    written = 0
    stream = (each for account in range(first, last) for each in happened(account, a_day, Random(account)))
    while part := list(islice(stream, 20_000)):
        written += events.write(client, part, NOW - timedelta(days=1), lambda: 600.0, 400).created
    return written


def touched(*, together: bool) -> int:
    """The accounts of the touched series: each series of another kind and account, or all regions of few (`together`)."""
    return TOUCHED // len(KINDS) // (len(REGIONS) if together else 1)


def pairs(accounts: int) -> Iterator[Pair]:
    """The touched ones."""
    return ((f"{account:012}", kind) for account in range(accounts) for kind in KINDS)


def news(client: OpenSearch, moment: datetime, lot: Random, *, together: bool) -> None:
    """Two calls in every touched series."""
    found = [
        replace(used(account, kind, moment - timedelta(minutes=minutes), lot, []), region=region)
        for account in range(touched(together=together))
        for kind in KINDS
        for region in (REGIONS if together else REGIONS[:1])
        for minutes in (3, 7)
    ]
    events.write(client, found, moment, lambda: 600.0, 400)
    client.indices.refresh(index="usage-*", params={"request_timeout": 120})


def measure(address: str, *, together: bool) -> None:
    """What the daily job does for 500 series, then three ticks with news of the same; prints a row of each.

    The first makes the sums of all accounts that are kept.
    """
    catalog, table, accounts = catalogs.load(), Table(), touched(together=together)
    with connect(address, "none", "") as client:
        history = History(client, lambda kind: catalog.kind_of(kind).keep == "tally")
        reader = Reader(history=history, catalog=catalog, account=lambda _: None, prices_date="2026-11-01")
        watch, lot = Watch(client), Random(time.time_ns())
        watch.begin()
        made = sum(make(history, catalog, pair, cut_of(NOW), whole=False) for pair in pairs(accounts))
        cursor.advance(table, NOW - timedelta(hours=1))
        said = [f"{made:,} pasts in {watch.end()[0]:.0f} s"]
        for number in range(3):
            moment = NOW + timedelta(minutes=10 * number)
            news(client, moment, lot, together=together)
            table.asked.clear()
            watch.begin()
            report = tick(reader, table, lambda *_: None, moment + timedelta(minutes=1), lambda: 600.0)
            wall, ours, server, requests = watch.end()
            assert report.finished
            assert report.touched == accounts * len(KINDS) + len(KINDS)
            said.append(
                f"{wall:.2f} s, {ours:.2f} s of ours, {server:.2f} s of the server, {requests:,} searches, "
                f"{table.asked['read']:,} + {table.asked['write']:,} of the table, {report.alerts} alerts"
            )
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1_024
        print("\n".join([*said, f"{peak:.0f} MB at most"]), flush=True)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("address", help="of an OpenSearch with nothing of ours in it")
    arguments.add_argument("--accounts", default="100,1000", help="to measure with, one after the other")
    arguments.add_argument("--a-day", type=float, default=5.5, help="events of a kind in an account")
    arguments.add_argument("--only-measure", action="store_true", help="what was written before")
    arguments.add_argument("--together", action="store_true", help="news in all regions of a quarter of the accounts")
    given = arguments.parse_args()
    if given.only_measure:
        measure(given.address, together=given.together)
        return
    with connect(given.address, "none", "") as client:
        setup.configure(client)
        written = first = 0
        for last in map(int, given.accounts.split(",")):
            began = time.perf_counter()
            written += write(client, first, last, given.a_day)
            client.indices.refresh(index="usage-*", params={"request_timeout": 120})
            client.indices.delete(index="usage-profiles", ignore_unavailable=True)
            print(f"{written:,} events of {last:,} accounts, in {time.perf_counter() - began:.0f} s", flush=True)
            command = [
                sys.executable,
                "-m",
                "benchmarks.tick",
                given.address,
                "--only-measure",
                *(["--together"] if given.together else []),
            ]
            subprocess.run(command, check=True, env={**os.environ, "PYTHONPATH": ":".join(sys.path)})
            first = last


if __name__ == "__main__":
    main()
