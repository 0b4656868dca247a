"""What does this minute tell? (a deployment's tick, over a history and a table that it is given)

Each tick takes the kinds and accounts touched since the cursor, and those that are due; reads their series, finds the
extents, steps what was told, and writes the result with the snapshots of new alerts; then starts the workflow for every
snapshot that waits. Every step may be repeated or cut off anywhere: a row is written on condition of its version, an
execution's name is its id and sequence, and the cursor moves last.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Protocol

import msgspec

from usage_anomaly.anomalies.extents import Extent, Extents
from usage_anomaly.anomalies.life_cycle import WATERMARK, Tick, Told, View, due, update
from usage_anomaly.anomalies.view import uses, view
from usage_anomaly.catalog import ATTEMPTS, Catalog
from usage_anomaly.enrichment.accounts import Account
from usage_anomaly.enrichment.compose import Material, bare
from usage_anomaly.enrichment.expected import usual
from usage_anomaly.replay import ORGANIZATION, Pair, rules_of
from usage_anomaly.series import bucket_of, bucket_start
from usage_anomaly.state import Table, cursor
from usage_anomaly.state import told as rows
from usage_anomaly.usage import UsageEvent
from usage_anomaly.workflow import Input

OVERLAP = timedelta(minutes=5)  # a bulk request may take that long until it is searchable
HABIT_DAYS = timedelta(days=36)  # five weeks for the weekday rule, and the window itself
REACH = timedelta(days=3)  # a walk that starts there has its claims in place when judging begins
FORGET = timedelta(days=60)
_NEVER = datetime.max

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
    """The usage events that were ingested; spans are [start, end), UTC."""

    def touched(self, since: datetime, until: datetime) -> Sequence[Touched]: ...
    def newest_ingest(self) -> datetime | None: ...
    def coverage(self, account_id: str | None) -> datetime | None: ...
    def events(self, account_id: str | None, kind: str, start: datetime, end: datetime) -> Iterable[UsageEvent]: ...
    def totals(self, kind: str, start: datetime, end: datetime) -> Iterable[tuple[str, datetime, int]]: ...


class Report(msgspec.Struct):
    """What a tick did."""

    touched: int = 0
    due: int = 0
    alerts: int = 0
    overtaken: int = 0  # rows that another tick wrote first
    dispatched: int = 0
    finished: bool = True  # False: the time ran out, and the next tick takes up where the cursor stands


class Detector(msgspec.Struct, frozen=True, kw_only=True):
    """What a tick works with. `account` gives what is known of an account without asking Organizations.

    `dispatch` starts an execution by name with a snapshot as input; a name that was started before counts as started.
    """

    history: History
    table: Table
    catalog: Catalog
    account: Callable[[str], Account | None]
    dispatch: Callable[[str, bytes], None]
    prices_date: str


def tick(detector: Detector, now: datetime, time_left: Callable[[], float]) -> Report:
    """Judge what is new, tell it, dispatch what waits. `time_left` gives the seconds until the function is cut off."""
    report = Report()
    since = cursor.read(detector.table)
    touched = _touched(detector.history, since, now)
    late = set(rows.due_pairs(detector.table, now))
    report.touched, report.due = len(touched), len(late)
    newest = detector.history.newest_ingest()
    moment = Tick(minute=now.replace(second=0, microsecond=0), watermark=min(newest or now, now) - WATERMARK)
    for pair in sorted({*touched, *late}):
        if time_left() < 10:
            report.finished = False
            break
        _judge(detector, pair, touched.get(pair), moment, report)
    report.dispatched = dispatch(detector, now)
    if report.finished:
        cursor.advance(detector.table, now)
    return report


def dispatch(detector: Detector, now: datetime) -> int:
    """Start the workflow for every snapshot that waits; after a crash between start and mark the name says it runs."""
    started = 0
    for each in rows.waiting(detector.table, now):
        snapshot = msgspec.json.decode(each.snapshot, type=Input)
        detector.dispatch(f"{snapshot.anomaly.id}-{snapshot.anomaly.sequence}", each.snapshot)
        rows.dispatched(detector.table, each, now)
        started += 1
    return started


def _touched(history: History, since: datetime | None, now: datetime) -> dict[Pair, datetime]:
    """The pairs with news and the time of their earliest new event; the organization's pair of each kind too."""
    start = since - OVERLAP if since is not None else datetime.fromtimestamp(0, tz=now.tzinfo)
    found: dict[Pair, datetime] = {}
    for each in history.touched(start, now):
        for pair in ((each.account_id, each.kind), (ORGANIZATION, each.kind)):
            found[pair] = min(each.first, found.get(pair, each.first))
    return found


def _judge(detector: Detector, pair: Pair, first: datetime | None, moment: Tick, report: Report) -> None:
    """Judge one kind of one account from its earliest news on, and write what is told of it now."""
    read = rows.load(detector.table, *pair)
    told = [each for each in read.told if bucket_start(each.seen[1]) > moment.minute - FORGET or each.state != "closed"]
    running = [bucket_start(each.seen[0]) for each in told if each.state != "closed"]
    begin = min([*running, *([first] if first is not None else [])], default=None)
    if begin is None:
        rows.save(detector.table, *pair, read, told, _NEVER.replace(tzinfo=moment.minute.tzinfo), [])
        return
    bench = _Bench(detector, pair, begin, told, moment)
    if not bench.extents and not bench.judged:
        return
    after, owners = update(
        pair[1], pair[0], bench.judged, [(each.start, each.last_seen) for each in bench.extents], bench.view, moment
    )
    kept = [each for each in told if each not in bench.judged]
    new = [each for each in after if each.sequence > bench.sequence(each.id)]
    views = [bench.view(place) for place in range(len(bench.extents))]
    waits = [due(after[owner], seen) for owner, seen in zip(owners, views, strict=True)]
    snapshots = [bench.snapshot(each, after, owners) for each in new[: rows.MOST_SNAPSHOTS]]
    if tuple([*kept, *after]) == read.told:
        return
    when = min(waits, default=_NEVER.replace(tzinfo=moment.minute.tzinfo))
    if rows.save(detector.table, *pair, read, [*kept, *after], when, snapshots):
        report.alerts += len(snapshots)
    else:
        report.overtaken += 1


class _Bench:
    """One pair's series, extents and told anomalies, as far back as this tick has to judge.

    The walk starts three days before the earliest news or running anomaly, over a history of 36 days before that, so that
    habits and claims are in place; what ended before the news and is not told now was judged by earlier ticks.
    """

    def __init__(
        self, detector: Detector, pair: Pair, begin: datetime, told: Sequence[Told], moment: Tick
    ) -> None:
        self.detector, self.pair, self.moment = detector, pair, moment
        for each in sorted(told, key=lambda each: each.seen[0], reverse=True):
            if bucket_start(each.seen[1]) + timedelta(hours=2) >= begin:
                begin = min(begin, bucket_start(each.seen[0]))
        start, end = begin - REACH - HABIT_DAYS, moment.minute + timedelta(hours=1)
        self.members = self._read(start, end)
        covered = detector.history.coverage(None if pair[0] == ORGANIZATION else pair[0])
        self.coverage = None if covered is None else bucket_of(covered)
        rules = rules_of(detector.catalog, pair, detector.account(pair[0]), self.coverage or 0)
        found = Extents(self._judged_series(start, end), msgspec.structs.replace(rules, since=bucket_of(begin - REACH)))
        found.refresh(0)
        first = bucket_of(begin)
        self.extents = [each for each in found.all() if each.telling and each.last_seen >= first]
        self.judged = [each for each in told if each.seen[1] >= first]
        self._before = {each.id: each.sequence for each in told}

    def sequence(self, identity: str) -> int:
        """The sequence that was told before this tick; 0 for a new anomaly."""
        return self._before.get(identity, 0)

    def view(self, place: int) -> View:
        """How an extent stands now."""
        kind = self.detector.catalog.kind_of(self.pair[1])
        releasable = kind.releasable and not self.pair[1].endswith(ATTEMPTS)
        return view(self.members, self.extents[place], releasable=releasable)

    def snapshot(self, told: Told, after: Sequence[Told], owners: Sequence[int]) -> Input:
        """What the workflow of a new alert starts with."""
        place = owners.index(after.index(told)) if after.index(told) in owners else None
        extent = Extent(start=told.seen[0], last_seen=told.seen[1], telling=True, findings=())
        extent = extent if place is None else self.extents[place]
        pairs = [(series, event) for series in self.members for event in uses(series, extent)]
        released = {
            each: when
            for series, event in pairs
            for each in event.resource_ids
            if (when := series.released_at(each, event.event_time)) is not None
        }
        kind = self.detector.catalog.kind_of(self.pair[1])
        material = Material(
            kind=kind,
            kind_name=self.pair[1],
            account_id=self.pair[0],
            account=self.detector.account(self.pair[0]),
            extent=extent,
            told=told,
            view=view(self.members, extent, releasable=kind.releasable and not self.pair[1].endswith(ATTEMPTS)),
            state=told.state,
            uses=sorted((event for _, event in pairs), key=lambda each: (each.event_time, each.event_id, each.group or "")),
            released=released,
            expected=usual(self.members, extent, self.coverage),
            covered_from=None if self.coverage is None else bucket_start(self.coverage),
            median_rate_used=False,
            ready=READY,
            now=self.moment.minute,
            prices_date=self.detector.prices_date,
        )
        return Input(anomaly=bare(material), reason=told.alerts[-1].reason, notify=True, now=self.moment.minute)
