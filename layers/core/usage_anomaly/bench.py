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
from usage_anomaly.detection.judging import union
from usage_anomaly.detection.learned import Detectors, Learned
from usage_anomaly.enrichment.accounts import Account, AccountType, account_type
from usage_anomaly.everyone import note_shared, total_of, unusual
from usage_anomaly.history import MEMORY, History, Kept, cut_of, is_late, know_launchers, series_since
from usage_anomaly.series import BUCKETS_PER_DAY, Judged, Past, Range, Series, bucket_of, bucket_start

REACH = 3 * BUCKETS_PER_DAY
JOIN = timedelta(hours=2)


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


class _Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be laid out: the first bucket that has to be judged (None: no news), and the told anomalies.

    `owned` are the buckets of what was told earlier than judging begins.
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


def lay_out(
    reader: Reader,
    pair: Pair,
    which: AccountType,
    coverage: Coverage,
    news: datetime | None,
    told: Sequence[Told],
    until: datetime,
    learned: Sequence[Learned] = (),
) -> Bench:
    """Read one pair, and judge it from the earliest news on if there are any. `which` sets the limits; `learned` is what the
    learned detectors said of it."""
    first = None if news is None else bucket_of(_reaching_back(news, told))
    concerned = [each for each in told if first is not None and each.seen[1] >= first]
    carried = [each for each in told if each.state != "closed" and each not in concerned]
    asked = _Asked(
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
    return _organization(reader, asked) if pair[0] == ORGANIZATION else _account(reader, asked)


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


def _account(reader: Reader, asked: _Asked) -> Bench:
    """One account's series, from the cut of its past on where that lies before all that is asked for."""
    (account_id, kind), first = asked.pair, asked.first
    begins = asked.starts() if first is None else [first, *asked.starts()]
    if not begins:
        return Bench(pair=asked.pair, coverage=asked.coverage)
    kept = reader.history.past(account_id, kind)
    whole = Past(cut=min(begins) - MEMORY)
    judged_with = asked.starts() if first is None else [first - REACH - BUCKETS_PER_DAY, *asked.starts()]
    late = asked.news is not None and is_late(asked.news, asked.until)
    past = kept.past if not late and _reaches(kept.past, whole.cut, min(judged_with)) else None
    tally = reader.catalog.kind_of(kind).keep == "tally"
    used = past or whole
    found = series_since(reader.history, account_id, kind, used.cut, asked.end, tally=tally, pasts={account_id: used})
    series = found[account_id]
    extents = [] if first is None else _judge(reader, asked, series, first)
    if first is not None and extents and know_launchers(reader.history, account_id, kind, series):
        extents = _judge(reader, asked, series, first)
    renew = late or kept.past is None
    return Bench(
        pair=asked.pair,
        coverage=asked.coverage,
        members=[series],
        extents=[] if first is None else _in_play(extents, asked, first),
        told=asked.told,
        carried=asked.carried,
        renewed=series.past(cut_of(asked.until), MEMORY) if renew else None,
        kept=kept,
    )


def _reaches(past: Past | None, low: int, high: int) -> bool:
    """Whether a past ends where all that is asked for lies behind it, and is not older than what would be read without."""
    return past is not None and low <= past.cut <= high


def _organization(reader: Reader, asked: _Asked) -> Bench:
    """All accounts' sums where anything is unusual or was told; their series where something is told."""
    kind, first = asked.pair[1], asked.first
    extents: list[Extent] = []
    cap = cache(partial(_cap, reader, kind))
    shares = reader.catalog.kind_of(kind).keep != "tally"  # a busy kind's callers are too many
    rules = rules_of(reader.catalog, asked.pair, asked.which, reader.overrides)
    if first is not None and (
        asked.told or unusual(reader.history, kind, cap, rules, asked.coverage, first, asked.end, shares=shares)
    ):
        total = total_of(reader.history, kind, cap, first - MEMORY, asked.end)
        if shares:
            note_shared(reader.history, kind, total, first - REACH, asked.end)
        extents = _in_play(_judge(reader, asked, total, first), asked, first)
    starts = [*asked.starts(), *(each.start for each in extents)]
    return Bench(
        pair=asked.pair,
        coverage=asked.coverage,
        members=_members(reader, kind, min(starts), asked.end) if starts else [],
        extents=extents,
        told=asked.told,
        carried=asked.carried,
    )


def _judge(reader: Reader, asked: _Asked, judged: Judged, first: int) -> list[Extent]:
    """All extents that can be told from three days before the news on."""
    rules = rules_of(reader.catalog, asked.pair, asked.which, reader.overrides, first - MEMORY, first - REACH)
    extents = Extents(judged, rules, asked.coverage, asked.learned, asked.owned)
    extents.refresh(rules.since)
    return extents.all()


def _owned(told: Iterable[Told], before: int) -> tuple[Range, ...]:
    """The buckets before one that belong to told anomalies."""
    ranges = (each for one in told if one.closed_reason not in OUT_OF_PLAY for each in as_told(one).ranges())
    return union((), tuple((low, min(high, before - 1)) for low, high in ranges if low < before))


def _in_play(extents: Iterable[Extent], asked: _Asked, first: int) -> list[Extent]:
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
    """The series of every account with use, by account id; before the cut their sums only."""
    used: dict[str, list[tuple[int, int, int]]] = defaultdict(list)
    for account_id, start, quantity in reader.history.totals(kind, bucket_start(cut - MEMORY), bucket_start(cut)):
        used[account_id].append((bucket_of(start), quantity, 0))
    pasts = {each: Past(cut=cut, used=tuple(sorted(rows))) for each, rows in used.items()}
    tally = reader.catalog.kind_of(kind).keep == "tally"
    found = series_since(reader.history, None, kind, cut, end, tally=tally, pasts=pasts)
    return list(found.values())
