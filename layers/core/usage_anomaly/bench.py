"""What does a deployment's tick know of one kind in one account?

Reads the pair's series as far back as this tick has to judge, finds its extents, and lays what was told beside them. Judging
starts three days before the earliest news; what ended before the news was judged by earlier ticks. What was used before is
read in sums where a past is kept that ends early enough, else event by event. A told anomaly that the news cannot reach is
*carried*: nobody doubts its range any more, only what still runs of it is read again, so that history may be deleted behind
it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from functools import cache, partial

import msgspec

from usage_anomaly.anomalies.extents import Extent, Extents
from usage_anomaly.anomalies.life_cycle import OUT_OF_PLAY, Told, View
from usage_anomaly.anomalies.overrides import NONE, Overrides
from usage_anomaly.anomalies.rules import ORGANIZATION, Pair, cap_of, releasable, rules_of, told_each
from usage_anomaly.anomalies.view import view
from usage_anomaly.catalog import Catalog
from usage_anomaly.coverage import Coverage
from usage_anomaly.detection.learned import Detectors, Learned
from usage_anomaly.enrichment.accounts import Account, AccountType, account_type
from usage_anomaly.enrichment.expected import usual
from usage_anomaly.everyone import FRESH, is_much, is_ready, note_shared, shortened, total_of, total_with
from usage_anomaly.history import MEMORY, History, Kept, cut_of, is_late, know_launchers, series_since
from usage_anomaly.ranges import Range, union
from usage_anomaly.series import (
    BUCKETS_PER_DAY,
    BUCKETS_PER_HOUR,
    NEVER,
    Judged,
    Past,
    Series,
    bucket_of,
    bucket_start,
)
from usage_anomaly.totals import CappedTotal

REACH = 3 * BUCKETS_PER_DAY
JOIN = timedelta(hours=2)
MOST_EVENTS = 10_000  # read together: some 20 MB


class Reader(msgspec.Struct, frozen=True, kw_only=True):
    """What a bench reads from. `account` gives what is known of an account; it may be None only for now. `learned` is None
    where nothing learns."""

    history: History
    catalog: Catalog
    account: Callable[[str], Account | None]
    prices_date: str
    overrides: Overrides = NONE
    learned: Detectors | None = None


class Bench(msgspec.Struct, frozen=True, kw_only=True):
    """One pair at one tick: its series by account, its telling extents in order, and the told anomalies they concern.

    `carried` are told anomalies beyond the reach of the news, not closed. `renewed` is a past to be kept in place of `kept`,
    for the news may be missing there.
    """

    pair: Pair
    coverage: Coverage
    members: Sequence[Series] = ()
    extents: Sequence[Extent] = ()
    told: Sequence[Told] = ()
    carried: Sequence[Told] = ()
    renewed: Past | None = None
    kept: Kept = Kept()

    def ranges(self) -> list[tuple[int, int]]:
        return [(each.start, each.last_seen) for each in self.extents]


class _Before(msgspec.Struct, frozen=True, kw_only=True):
    """The use of all accounts before a cut."""

    history: History
    kind: str
    cut: int

    def quantity(self, low: int, high: int) -> int:
        if low >= self.cut:
            return 0
        read = self.history.totals(self.kind, bucket_start(low), bucket_start(min(high + 1, self.cut)))
        return sum(quantity for *_, quantity in read)


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be laid out: the first bucket that has to be judged (None: no news), and the told anomalies.

    `which` sets the limits; `owned` are the buckets of what was told earlier than judging begins.
    """

    pair: Pair
    which: AccountType
    coverage: Coverage
    news: datetime | None
    first: int | None
    told: Sequence[Told]
    carried: Sequence[Told]
    owned: tuple[Range, ...]
    until: datetime
    learned: Sequence[Learned]

    @property
    def end(self) -> datetime:
        return self.until + timedelta(hours=1)

    def starts(self) -> list[int]:
        """Where what is told begins, the judged and the carried."""
        return [each.seen[0] for each in (*self.told, *self.carried)]

    @property
    def late(self) -> bool:
        """Whether the news may be missing in a past that is kept."""
        return self.news is not None and is_late(self.news, self.until)

    def before(self, kept: Past | None) -> Past | None:
        """What the series is read behind: the past that is kept, where that ends before all that is asked for and is not
        older than what would be read without. None where nothing is to be read."""
        told = self.starts()
        begins = told if self.first is None else [self.first, *told]
        if not begins:
            return None
        whole = Past(cut=min(begins) - MEMORY)
        judged_with = told if self.first is None else [self.first - REACH - BUCKETS_PER_DAY, *told]
        usable = kept is not None and not self.late and whole.cut <= kept.cut <= min(judged_with)
        return kept if usable else whole


class Read(msgspec.Struct, frozen=True):
    """What was read of an account: its past as it is kept, and its series."""

    kept: Kept
    series: Series


def ask(
    pair: Pair,
    which: AccountType,
    coverage: Coverage,
    news: datetime | None,
    told: Sequence[Told],
    until: datetime,
    learned: Sequence[Learned] = (),
) -> Asked:
    """What has to be laid out of a pair with news since a time, or with none (None), and with these told anomalies;
    `learned` is what the learned detectors said of it."""
    first = None if news is None else bucket_of(_reaching_back(news, told))
    concerned = [each for each in told if first is not None and each.seen[1] >= first]
    carried = [each for each in told if each.state != "closed" and each not in concerned]
    return Asked(
        pair=pair,
        which=which,
        coverage=coverage,
        news=news,
        first=first,
        told=concerned,
        carried=carried,
        owned=() if first is None else _owned(told, first - REACH),
        until=until,
        learned=learned,
    )


def read_together(reader: Reader, asked: Sequence[Asked], most: int | None = MOST_EVENTS) -> dict[Pair, Read]:
    """The series of accounts, all of one kind; those for which so many events have no room are left out."""
    if not asked:
        return {}
    kind, end = asked[0].pair[1], asked[0].end
    accounts = [each.pair[0] for each in asked]
    kept = dict(zip(accounts, reader.history.kept(accounts, kind), strict=True))
    behind: defaultdict[int, dict[str, Past]] = defaultdict(dict)
    for each in asked:
        past = each.before(kept[each.pair[0]].past)
        if past is not None:
            behind[past.cut][each.pair[0]] = past
    tally = reader.catalog.kind_of(kind).keep == "tally"
    read: dict[Pair, Read] = {}
    for cut, pasts in behind.items():
        found = series_since(reader.history, frozenset(pasts), kind, cut, end, tally=tally, pasts=pasts, most=most)
        read |= {(account_id, kind): Read(kept[account_id], series) for account_id, series in found.items()}
        if most is not None:  # one room for all cuts: each new account has its own
            most -= sum(1 for series in found.values() for _ in series.events(cut, NEVER))
            if most <= 0 or len(found) < len(pasts):
                break
    return read


def lay_out(reader: Reader, asked: Asked, read: Read | None = None) -> Bench:
    """Judge a pair from the earliest news on if there are any; an account's series is read if it was not yet."""
    if asked.pair[0] == ORGANIZATION:
        return _organization(reader, asked)
    read = read or read_together(reader, [asked], None).get(asked.pair)
    return Bench(pair=asked.pair, coverage=asked.coverage) if read is None else _account(reader, asked, read)


def view_of(reader: Reader, bench: Bench, extent: Extent) -> View:
    """How an extent stands now."""
    name, catalog = bench.pair[1], reader.catalog
    return view(bench.members, extent, releasable=releasable(catalog, name), each=told_each(catalog, name))


def usual_of(reader: Reader, bench: Bench, extent: Extent) -> float | None:
    """How much of an extent is usual at its time of the day. Of all accounts only the spans that say so are read."""
    if bench.pair[0] != ORGANIZATION:
        return usual(bench.members, extent, bench.coverage)
    before = _Before(history=reader.history, kind=bench.pair[1], cut=bench.members[0].cut if bench.members else NEVER)
    return usual([*bench.members, before], extent, bench.coverage)


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


def _account(reader: Reader, asked: Asked, read: Read) -> Bench:
    """What one account's series tells."""
    (account_id, kind), first, series = asked.pair, asked.first, read.series
    extents = [] if first is None else _judge(reader, asked, series, first)
    if first is not None and extents and know_launchers(reader.history, account_id, kind, series):
        extents = _judge(reader, asked, series, first)
    renew = asked.late or read.kept.past is None
    return Bench(
        pair=asked.pair,
        coverage=asked.coverage,
        members=[series],
        extents=[] if first is None else _in_play(extents, asked, first),
        told=asked.told,
        carried=asked.carried,
        renewed=series.past(cut_of(asked.until), MEMORY) if renew else None,
        kept=read.kept,
    )


def _organization(reader: Reader, asked: Asked) -> Bench:
    """All accounts' sums where anything is unusual or was told; their series where something is told."""
    kind, first = asked.pair[1], asked.first
    extents: list[Extent] = []
    cap = cache(partial(_cap, reader, kind))
    shares = reader.catalog.kind_of(kind).keep != "tally"  # a busy kind's callers are too many
    rules = rules_of(reader.catalog, asked.pair, asked.which, reader.overrides)
    kept, renewed = Kept(), None
    if first is not None:
        lately = total_of(reader.history, kind, cap, Past(cut=first - BUCKETS_PER_HOUR), asked.end)
        ready = shares and is_ready(lately, asked.coverage, first)
        new = ready and note_shared(reader.history, kind, CappedTotal(), first, asked.end)
        news = first if asked.news is None else bucket_of(asked.news)
        if new or asked.told or is_much(lately, rules, first):
            (kept,) = reader.history.kept([ORGANIZATION], kind)
            total, renewed = total_with(reader.history, kind, cap, kept.past, first, news, asked.end)
            if new or (shares and asked.told):
                note_shared(reader.history, kind, total, first - REACH, asked.end)
            extents = _in_play(_judge(reader, asked, total, first), asked, first)
        elif news < bucket_of(asked.end) - FRESH:  # too little to be judged, and yet what is kept lacks it
            (kept,) = reader.history.kept([ORGANIZATION], kind)
            short = None if kept.past is None else shortened(kept.past, news)
            renewed = None if short is kept.past else short
    starts = [*asked.starts(), *(each.start for each in extents)]
    return Bench(
        pair=asked.pair,
        coverage=asked.coverage,
        members=_members(reader, kind, min(starts), asked.end) if starts else [],
        extents=extents,
        told=asked.told,
        carried=asked.carried,
        renewed=renewed,
        kept=kept,
    )


def _judge(reader: Reader, asked: Asked, judged: Judged, first: int) -> list[Extent]:
    """All extents that can be told from three days before the news on."""
    rules = rules_of(reader.catalog, asked.pair, asked.which, reader.overrides, first - MEMORY, first - REACH)
    extents = Extents(judged, rules, asked.coverage, asked.learned, asked.owned)
    extents.refresh(rules.since)
    return extents.all()


def _owned(told: Iterable[Told], before: int) -> tuple[Range, ...]:
    """The buckets before one that belong to told anomalies."""
    ranges = (each for one in told if one.closed_reason not in OUT_OF_PLAY for each in as_told(one).ranges())
    return union((), tuple((low, min(high, before - 1)) for low, high in ranges if low < before))


def _in_play(extents: Iterable[Extent], asked: Asked, first: int) -> list[Extent]:
    """The telling extents that end at or after the first bucket with news, or that were told."""
    return [each for each in extents if each.telling and (each.last_seen >= first or _was_told(each, asked.told))]


def _was_told(extent: Extent, told: Sequence[Told]) -> bool:
    return any(each.seen[0] <= extent.last_seen and extent.start <= each.seen[1] for each in told)


def _reaching_back(news: datetime, told: Sequence[Told]) -> datetime:
    """The start of the earliest told anomaly that records in the bucket of `news` could join, directly or through another."""
    begin = bucket_start(bucket_of(news))
    for each in sorted(told, key=lambda each: each.seen[0], reverse=True):
        if bucket_start(each.seen[1]) + JOIN >= begin:
            begin = min(begin, bucket_start(each.seen[0]))
    return begin


def _cap(reader: Reader, kind: str, account_id: str) -> int:
    """What of an account's use in a bucket counts for the organization."""
    return cap_of(reader.catalog, (account_id, kind), account_type(reader.account(account_id)), reader.overrides)


def _members(reader: Reader, kind: str, cut: int, end: datetime) -> list[Series]:
    """The series of every account with use since a bucket, by account id."""
    tally = reader.catalog.kind_of(kind).keep == "tally"
    return list(series_since(reader.history, None, kind, cut, end, tally=tally, pasts={}).values())
