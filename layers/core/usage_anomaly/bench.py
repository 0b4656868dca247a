"""What does a deployment's tick know of one kind in one account?

Reads the pair's series as far back as this tick has to judge, finds its extents, and lays what was told beside them. The
walk through the series starts 38 days before the earliest news or running anomaly, so that habits and claims are in place
there; what ended before the news was judged by earlier ticks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Protocol

import msgspec

from usage_anomaly.anomalies.extents import Extent, Extents
from usage_anomaly.anomalies.life_cycle import Tick, Told, View
from usage_anomaly.anomalies.rules import ORGANIZATION, Pair, limit_of, releasable, rules_of
from usage_anomaly.anomalies.view import gather, view
from usage_anomaly.catalog import Catalog
from usage_anomaly.enrichment.accounts import Account, AccountType, account_type
from usage_anomaly.enrichment.compose import Material, bare
from usage_anomaly.enrichment.expected import usual
from usage_anomaly.series import BUCKETS_PER_HOUR, CappedTotal, Judged, Series, bucket_of, bucket_start
from usage_anomaly.usage import UsageEvent
from usage_anomaly.workflow import Input
from usage_anomaly.workflow.bounds import INPUT_BYTES, fit

HISTORY = timedelta(days=38)  # five weeks for the weekday rule, the longest window, and the claims in the first of them
JOIN = timedelta(hours=2)
READY = {
    "threshold": "yes",
    "burn_rate": "yes",
    "baseline": "not in this version",
    "first_use": "not in this version",
    "learned": "not in this version",
}


class Touched(Protocol):
    """A kind and account with newly arrived usage events, and the time of the earliest of them."""

    @property
    def account_id(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def first(self) -> datetime: ...


class History(Protocol):
    """The usage events that were ingested, without backfilled ones where news are asked for; spans are [start, end), UTC.

    `account_id` None asks for all accounts. `totals` gives account, start of bucket and quantity of every bucket with use.
    """

    def touched(self, since: datetime, until: datetime) -> Sequence[Touched]: ...
    def newest_ingest(self) -> datetime | None: ...
    def coverage(self, account_id: str | None) -> datetime | None: ...
    def events(self, account_id: str | None, kind: str, start: datetime, end: datetime) -> Iterable[UsageEvent]: ...
    def totals(self, kind: str, start: datetime, end: datetime) -> Iterable[tuple[str, datetime, int]]: ...


class Reader(msgspec.Struct, frozen=True, kw_only=True):
    """What a bench reads from. `account` gives what is known of an account without asking Organizations."""

    history: History
    catalog: Catalog
    account: Callable[[str], Account | None]
    prices_date: str

    def type_of(self, account_id: str) -> AccountType:
        return account_type(self.account(account_id))


class Bench(msgspec.Struct, frozen=True, kw_only=True):
    """One pair at one tick: its series by account, its telling extents in order, and the told anomalies they concern."""

    pair: Pair
    members: Sequence[Series]
    extents: Sequence[Extent]
    told: Sequence[Told]
    coverage: int | None

    def ranges(self) -> list[tuple[int, int]]:
        return [(each.start, each.last_seen) for each in self.extents]


def lay_out(reader: Reader, pair: Pair, begin: datetime, told: Sequence[Told], until: datetime) -> Bench:
    """Read and judge one pair from `begin` on, with every told anomaly that reaches there."""
    first = bucket_of(_reaching_back(begin, told))
    low, high = bucket_start(first) - HISTORY, until + timedelta(hours=1)
    covered = reader.history.coverage(None if pair[0] == ORGANIZATION else pair[0])
    coverage = None if covered is None else bucket_of(covered)
    concerned = [each for each in told if each.seen[1] >= first]
    if pair[0] == ORGANIZATION and not concerned and not _anything_unusual(reader, pair, begin, high):
        return Bench(pair=pair, members=(), extents=(), told=(), coverage=coverage)
    members = [] if pair[0] == ORGANIZATION else _members(reader, pair, low, high)
    judged: Judged = members[0] if members else _total(reader, pair[1], low, high)
    rules = rules_of(reader.catalog, pair, reader.type_of(pair[0]), coverage or 0, bucket_of(low))
    extents = Extents(judged, rules)
    extents.refresh(bucket_of(low))
    found = [each for each in extents.all() if each.telling and _concerns(each, first, concerned)]
    if pair[0] == ORGANIZATION and found:
        members = _members(reader, pair, bucket_start(found[0].start), high)
    return Bench(pair=pair, members=members, extents=found, told=concerned, coverage=coverage)


def view_of(reader: Reader, bench: Bench, extent: Extent) -> View:
    """How an extent stands now."""
    return view(bench.members, extent, releasable=releasable(reader.catalog, bench.pair[1]))


def snapshot(reader: Reader, bench: Bench, told: Told, extent: Extent | None, tick: Tick) -> Input:
    """What the workflow of a new alert starts with; `extent` is None for an anomaly that was withdrawn."""
    extent = extent or Extent(start=told.seen[0], last_seen=told.seen[1], telling=True, findings=())
    gathered = gather(bench.members, extent)
    material = Material(
        kind=reader.catalog.kind_of(bench.pair[1]),
        kind_name=bench.pair[1],
        account_id=bench.pair[0],
        account=reader.account(bench.pair[0]),
        extent=extent,
        told=told,
        view=view_of(reader, bench, extent),
        state=told.state,
        uses=gathered.uses,
        released=gathered.released,
        expected=usual(bench.members, extent, bench.coverage),
        covered_from=None if bench.coverage is None else bucket_start(bench.coverage),
        median_rate_used=False,
        ready=READY,
        now=tick.minute,
        prices_date=reader.prices_date,
    )
    return Input(anomaly=fit(bare(material), INPUT_BYTES), reason=told.alerts[-1].reason, notify=True, now=tick.minute)


def _reaching_back(begin: datetime, told: Sequence[Told]) -> datetime:
    """The start of the earliest told anomaly that late records at `begin` could join, directly or through another."""
    for each in sorted(told, key=lambda each: each.seen[0], reverse=True):
        if bucket_start(each.seen[1]) + JOIN >= begin:
            begin = min(begin, bucket_start(each.seen[0]))
    return begin


def _concerns(extent: Extent, first: int, told: Sequence[Told]) -> bool:
    overlaps = any(each.seen[0] <= extent.last_seen and extent.start <= each.seen[1] for each in told)
    return extent.last_seen >= first or overlaps


def _members(reader: Reader, pair: Pair, low: datetime, high: datetime) -> list[Series]:
    """The series of one account, or of every account with use, by account id."""
    tally = reader.catalog.kind_of(pair[1]).keep == "tally"
    account_id = None if pair[0] == ORGANIZATION else pair[0]
    found: dict[str, Series] = {} if account_id is None else {account_id: Series(tally=tally)}
    for event in reader.history.events(account_id, pair[1], low, high):
        found.setdefault(event.account_id, Series(tally=tally)).add(event)
    return [found[each] for each in sorted(found)]


def _total(reader: Reader, kind: str, low: datetime, high: datetime) -> CappedTotal:
    total = CappedTotal()
    for account_id, start, quantity in reader.history.totals(kind, low, high):
        cap = limit_of(reader.catalog, (account_id, kind), reader.type_of(account_id))
        total.put(account_id, bucket_of(start), quantity, cap)
    return total


def _anything_unusual(reader: Reader, pair: Pair, begin: datetime, high: datetime) -> bool:
    """Whether any window since `begin` passes the organization's limit: a cheap question before five weeks are read."""
    total = _total(reader, pair[1], begin - timedelta(hours=1), high)
    rules = rules_of(reader.catalog, pair, "unknown", 0)
    return any(
        total.quantity(end - window.buckets + 1, end) > rules.limit * window.factor
        for end in total.used_since(bucket_of(begin))
        for window in rules.windows
        if window.buckets <= BUCKETS_PER_HOUR
    )
