"""What does a deployment's tick know of one kind in one account?

Reads the pair's series as far back as this tick has to judge, finds its extents, and lays what was told beside them.
Judging starts three days before the earliest news, after 35 more days of history for the habits; what ended before the news
was judged by earlier ticks. A told anomaly that the news cannot reach is *carried*: nobody doubts its range any more, only
what still runs of it is read again, so that history may be deleted behind it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Protocol

import msgspec

from usage_anomaly.anomalies.extents import Extent, Extents
from usage_anomaly.anomalies.life_cycle import Told, View
from usage_anomaly.anomalies.overrides import NONE, Overrides
from usage_anomaly.anomalies.rules import ORGANIZATION, Pair, cap_of, releasable, rules_of, told_each
from usage_anomaly.anomalies.view import view
from usage_anomaly.catalog import Catalog
from usage_anomaly.coverage import Coverage
from usage_anomaly.enrichment.accounts import Account, AccountType, account_type
from usage_anomaly.series import BUCKETS_PER_HOUR, Judged, Series, bucket_of, bucket_start
from usage_anomaly.totals import CappedTotal
from usage_anomaly.usage import UsageEvent

HISTORY = timedelta(days=38)  # five weeks for the weekday rule, and three days of judging before the news
REACH = timedelta(days=3)
JOIN = timedelta(hours=2)


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

    `account_id` None asks for all accounts. `days` gives the first event of each day that has any. `totals`
    gives account, start of bucket and quantity of every bucket with use.
    """

    def touched(self, since: datetime, until: datetime) -> Sequence[Touched]: ...
    def newest_ingest(self) -> datetime | None: ...
    def days(self, account_id: str | None) -> Iterable[datetime]: ...
    def events(self, account_id: str | None, kind: str, start: datetime, end: datetime) -> Iterable[UsageEvent]: ...
    def totals(self, kind: str, start: datetime, end: datetime) -> Iterable[tuple[str, datetime, int]]: ...


class Reader(msgspec.Struct, frozen=True, kw_only=True):
    """What a bench reads from. `account` gives what is known of an account; it may be None only for now."""

    history: History
    catalog: Catalog
    account: Callable[[str], Account | None]
    prices_date: str
    overrides: Overrides = NONE


class Bench(msgspec.Struct, frozen=True, kw_only=True):
    """One pair at one tick: its series by account, its telling extents in order, and the told anomalies they concern.

    `carried` are told anomalies beyond the reach of the news, not closed.
    """

    pair: Pair
    members: Sequence[Series]
    extents: Sequence[Extent]
    told: Sequence[Told]
    carried: Sequence[Told]
    coverage: Coverage

    def ranges(self) -> list[tuple[int, int]]:
        return [(each.start, each.last_seen) for each in self.extents]


def lay_out(
    reader: Reader, pair: Pair, which: AccountType, news: datetime | None, told: Sequence[Told], until: datetime
) -> Bench:
    """Read one pair, and judge it from the earliest news on if there are any. `which` sets the limits."""
    coverage = Coverage(map(bucket_of, reader.history.days(None if pair[0] == ORGANIZATION else pair[0])))
    first = None if news is None else bucket_of(_reaching_back(news, told))
    concerned = [each for each in told if first is not None and each.seen[1] >= first]
    carried = [each for each in told if each.state != "closed" and each not in concerned]
    high = until + timedelta(hours=1)
    usual = news is None or (pair[0] == ORGANIZATION and not concerned and not _passes(reader, pair, news, high))
    starts = [bucket_start(each.seen[0]) for each in carried]
    members: list[Series] = []
    extents: list[Extent] = []
    if not usual and first is not None:
        low = bucket_start(first) - HISTORY
        if pair[0] != ORGANIZATION:
            members = _members(reader, pair, min([low, *starts]), high)
        judged: Judged = members[0] if members else _total(reader, pair[1], low, high)
        extents = _judge(reader, pair, which, judged, first, concerned, coverage)
        starts += [bucket_start(each.start) for each in extents] + [bucket_start(each.seen[0]) for each in concerned]
    if not members and starts:
        members = _members(reader, pair, min(starts), high)
    return Bench(
        pair=pair, members=members, extents=extents, told=() if usual else concerned, carried=carried, coverage=coverage
    )


def view_of(reader: Reader, bench: Bench, extent: Extent) -> View:
    """How an extent stands now."""
    name, catalog = bench.pair[1], reader.catalog
    return view(bench.members, extent, releasable=releasable(catalog, name), each=told_each(catalog, name))


def as_told(told: Told) -> Extent:
    """The extent of a told anomaly, as it was last seen."""
    return Extent(
        start=told.seen[0],
        last_seen=told.seen[1],
        telling=True,
        findings=(),
        excluded=told.excluded,
        peak=told.told_peak,
    )


def _judge(
    reader: Reader, pair: Pair, which: AccountType, judged: Judged, first: int, told: Sequence[Told], coverage: Coverage
) -> list[Extent]:
    """The telling extents that end at or after the first bucket with news, or that were told."""
    start = bucket_start(first)
    since, judged_from = bucket_of(start - HISTORY), bucket_of(start - REACH)
    rules = rules_of(reader.catalog, pair, which, reader.overrides, since, judged_from)
    extents = Extents(judged, rules, coverage)
    extents.refresh(rules.since)
    return [each for each in extents.all() if each.telling and (each.last_seen >= first or _was_told(each, told))]


def _was_told(extent: Extent, told: Sequence[Told]) -> bool:
    return any(each.seen[0] <= extent.last_seen and extent.start <= each.seen[1] for each in told)


def _reaching_back(news: datetime, told: Sequence[Told]) -> datetime:
    """The start of the earliest told anomaly that records at `news` could join, directly or through another."""
    begin = news
    for each in sorted(told, key=lambda each: each.seen[0], reverse=True):
        if bucket_start(each.seen[1]) + JOIN >= begin:
            begin = min(begin, bucket_start(each.seen[0]))
    return begin


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
    caps: dict[str, int] = {}
    for account_id, start, quantity in reader.history.totals(kind, low, high):
        if account_id not in caps:
            which = account_type(reader.account(account_id))
            caps[account_id] = cap_of(reader.catalog, (account_id, kind), which, reader.overrides)
        total.put(account_id, bucket_of(start), quantity, caps[account_id])
    return total


def _passes(reader: Reader, pair: Pair, news: datetime, high: datetime) -> bool:
    """Whether any window since the news passes the organization's limit: a cheap question before five weeks are read."""
    total = _total(reader, pair[1], news - timedelta(hours=1), high)
    rules = rules_of(reader.catalog, pair, "unknown", reader.overrides)
    return any(
        total.quantity(end - window.buckets + 1, end) > rules.limit * window.factor
        for end in total.used_since(bucket_of(news))
        for window in rules.windows
        if window.buckets <= BUCKETS_PER_HOUR
    )
