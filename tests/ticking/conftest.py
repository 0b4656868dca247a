"""A state table as the template makes it, and a history that holds what was ingested."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import UTC, date, datetime
from operator import attrgetter

import boto3
import pytest
from moto import mock_aws

from usage_anomaly.anomalies.overrides import NONE, Overrides
from usage_anomaly.anomalies.rules import Pair
from usage_anomaly.bench import Reader
from usage_anomaly.catalog import Catalog
from usage_anomaly.enrichment.accounts import Account
from usage_anomaly.history import Doer, Kept, PastOvertaken, Wanted, Whose
from usage_anomaly.series import Past, bucket_of, bucket_start
from usage_anomaly.state import Table
from usage_anomaly.totals import Trait, traits
from usage_anomaly.usage import UsageEvent

BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)


class News:
    """A pair with newly ingested events."""

    def __init__(self, account_id: str, kind: str, first: datetime) -> None:
        self.account_id, self.kind, self.first = account_id, kind, first


class MemoryHistory:
    """Answers as the search rooms do, over events in memory; an event of the same id counts once."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str, str], tuple[datetime, UsageEvent]] = {}
        self.pasts: dict[tuple[str, str], Kept] = {}

    def ingest(self, moment: datetime, events: Iterable[UsageEvent]) -> None:
        for event in events:
            self.rows.setdefault((event.event_id, event.kind, event.group or ""), (moment, event))

    def touched(self, since: datetime, until: datetime) -> list[News]:
        found: dict[tuple[str, str], datetime] = {}
        for moment, event in self.rows.values():
            if since < moment <= until and event.origin != "backfill":
                key = (event.account_id, event.kind)
                found[key] = min(event.event_time, found.get(key, event.event_time))
        return [News(*pair, first) for pair, first in sorted(found.items())]

    def used(self, start: datetime, end: datetime) -> list[Pair]:
        events = (each for _, each in self.rows.values() if start <= each.event_time < end)
        return sorted({(each.account_id, each.kind) for each in events})

    def came(self, since: datetime, until: datetime, before: datetime) -> list[Pair]:
        events = (each for moment, each in self.rows.values() if since < moment <= until and each.event_time < before)
        return sorted({(each.account_id, each.kind) for each in events})

    def newest_ingest(self) -> datetime | None:
        return max((moment for moment, each in self.rows.values() if each.origin != "backfill"), default=None)

    def days(self, whose: Whose, until: datetime | None = None) -> list[datetime]:
        times: dict[date, datetime] = {}
        for moment, event in self.rows.values():
            there = until is None or moment <= until or event.origin == "backfill"
            if _is_of(event, whose) and there:
                day = event.event_time.date()
                times[day] = min(event.event_time, times.get(day, event.event_time))
        return sorted(times.values())

    def kinds(self, whose: Whose, since: datetime) -> list[str]:
        events = (each for _, each in self.rows.values() if _is_of(each, whose))
        return sorted({each.kind for each in events if each.event_time >= since})

    def events(self, whose: Whose, kind: str, start: datetime, end: datetime) -> list[UsageEvent]:
        found = (each for _, each in self.rows.values() if each.kind == kind and start <= each.event_time < end)
        return sorted((each for each in found if _is_of(each, whose)), key=attrgetter("account_id"))

    def doers(self, kind: str, start: datetime, end: datetime, having: Collection[Trait] | None = None) -> list[Doer]:
        found = [
            Doer(
                account_id=each.account_id,
                start=bucket_start(bucket_of(each.event_time)),
                image_id=each.image_id,
                source_ip=each.source_ip,
                actor_arn=each.actor_arn,
                actor_session=each.actor_session,
                invoked_by=each.invoked_by,
            )
            for each in self.events(None, kind, start, end)
            if each.quantity and each.direction != "release"
        ]
        wanted = {each for each in found if having is None or any(trait in having for trait in traits(each))}
        return sorted(wanted, key=lambda each: each.start, reverse=True)

    def earlier(self, whose: Whose, kind: str, before: datetime, wanted: Wanted) -> list[UsageEvent]:
        known = [each for each in self.events(whose, kind, BEGINNING, before) if _is_wanted(each, wanted)]
        launches = [each for each in self.events(whose, kind, BEGINNING, before) if _is_rated(each)]
        launches.sort(key=lambda each: (each.event_time, each.event_id, each.group or ""))
        return [*known, *(launches[-wanted.rated :] if wanted.rated else [])]

    def past(self, account_id: str, kind: str) -> Kept:
        return self.pasts.get((account_id, kind), Kept())

    def kept(self, account_ids: Sequence[str], kind: str) -> list[Kept]:
        return [self.past(each, kind) for each in account_ids]

    def keep_past(self, account_id: str, kind: str, past: Past, kept: Kept) -> None:
        stands = self.past(account_id, kind).version
        if stands != kept.version:
            raise PastOvertaken(f"{account_id} {kind}")
        self.pasts[account_id, kind] = Kept(past, ((stands or (0, 0))[0] + 1, 1))

    def totals(self, kind: str, start: datetime, end: datetime) -> Iterator[tuple[str, datetime, int]]:
        sums: dict[tuple[str, datetime], int] = {}
        for event in self.events(None, kind, start, end):
            if event.direction != "release" and not event.dry_run:
                key = (event.account_id, bucket_start(bucket_of(event.event_time)))
                sums[key] = sums.get(key, 0) + event.quantity
        yield from ((account_id, moment, quantity) for (account_id, moment), quantity in sums.items())


def _is_of(event: UsageEvent, whose: Whose) -> bool:
    return whose is None or event.account_id in ((whose,) if isinstance(whose, str) else whose)


def _is_wanted(event: UsageEvent, wanted: Wanted) -> bool:
    parts = {each.partition(":")[0] for each in event.resource_ids if ":" in each}
    return bool(
        wanted.resources.intersection(event.resource_ids)
        or wanted.holders & parts
        or (event.direction == "use" and event.launcher_id in wanted.launchers)
        or (event.direction == "definition" and event.group in wanted.groups)
    )


def _is_rated(event: UsageEvent) -> bool:
    rated = event.usd_per_hour is not None and bool(event.resource_ids)
    return rated and event.direction == "use" and not event.dry_run


class Executions:
    """What the state machine was started with; a name starts once."""

    def __init__(self) -> None:
        self.inputs: dict[str, bytes] = {}

    def start(self, name: str, snapshot: bytes) -> None:
        self.inputs.setdefault(name, snapshot)


@pytest.fixture
def table() -> Iterator[Table]:
    """The state table, emulated."""
    with mock_aws():
        yield make_table()


def make_table(name: str = "state") -> Table:
    return boto3.resource("dynamodb", region_name="eu-central-1").create_table(  # type: ignore[no-any-return]  # boto3 has no types
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk", "work", "at")],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "work",
                "KeySchema": [
                    {"AttributeName": "work", "KeyType": "HASH"},
                    {"AttributeName": "at", "KeyType": "RANGE"},
                ],
                "Projection": {"ProjectionType": "KEYS_ONLY"},
            }
        ],
    )


def reader_of(
    catalog: Catalog, history: MemoryHistory, accounts: dict[str, Account], overrides: Overrides = NONE
) -> Reader:
    return Reader(history=history, catalog=catalog, account=accounts.get, prices_date="2026-07-20", overrides=overrides)
