"""Which pasts have to be made, or made anew?

Once a day every pair with use in the day that is over gets a past that ends a day later: the one it has and that day's events.
A pair of which older events came in since (late, or of a backfill) gets its past anew from all its events, and the sums of
all accounts are forgotten. A pair without either keeps what it has, which stays true. All of it may stop anywhere and goes
on in the next run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Protocol

import msgspec
from msgspec.structs import replace

from usage_anomaly.anomalies.rules import ORGANIZATION, Pair
from usage_anomaly.catalog import Catalog
from usage_anomaly.history import MEMORY, History, PastOvertaken, cut_of, series_since
from usage_anomaly.search.client import SearchUnavailable
from usage_anomaly.series import Past, bucket_of, bucket_start
from usage_anomaly.state import Table, progress

JOB = "pasts"
SETTLED = timedelta(minutes=10)  # after midnight: by then a tick has noted what came before it
OVERLAP = timedelta(minutes=5)  # a bulk request may take that long until it is searchable
LEAST_SECONDS = 30.0  # for one pair


class Archive(History, Protocol):
    """The history by pairs, in order: those with use in [start, end), and those of which use before a time came in within
    (since, until] of ingest time, backfilled or not."""

    def used(self, start: datetime, end: datetime) -> Iterable[Pair]: ...
    def came(self, since: datetime, until: datetime, before: datetime) -> Iterable[Pair]: ...


class Round(msgspec.Struct, frozen=True, kw_only=True):
    """One walk through the pairs of a span, and the last one that is done."""

    since: datetime
    until: datetime
    after: Pair = ("", "")


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """All pasts are made up to `cut`, since `finished`; they hold what came in up to `seen`. `began` is the first run.

    A round is there while it is not finished: `daily` of use, `late` of ingest time.
    """

    began: datetime | None = None
    cut: datetime | None = None
    finished: datetime | None = None
    seen: datetime | None = None
    daily: Round | None = None
    late: Round | None = None


class Renewed(msgspec.Struct):
    """What a run did: pasts written, and pairs that somebody else wrote meanwhile. `finished` False: the time ran out."""

    written: int = 0
    overtaken: int = 0
    finished: bool = True


class _Run(msgspec.Struct, frozen=True, kw_only=True):
    archive: Archive
    catalog: Catalog
    time_left: Callable[[], float]
    renewed: Renewed
    failures: list[Exception]

    def walk(self, round_: Round, pairs: Iterable[Pair], cut: int, *, whole: bool) -> Round | None:
        """Make the pasts of all pairs that are left; what is left when the time is over or the cluster does not answer."""
        for pair in pairs:
            if pair <= round_.after or not self.catalog.judges(pair[1]):
                continue
            if self.time_left() < LEAST_SECONDS:
                self.renewed.finished = False
                return round_
            try:
                if whole:
                    forget(self.archive, pair[1])
                self.renewed.written += make(self.archive, self.catalog, pair, cut, whole=whole)
            except PastOvertaken:
                self.renewed.overtaken += 1
            except SearchUnavailable as error:
                self.failures.append(error)
                return round_
            except Exception as error:  # noqa: BLE001 - one pair holds up no other; raised at the end
                self.failures.append(error)
            round_ = replace(round_, after=pair)
        return None


def renew(archive: Archive, catalog: Catalog, table: Table, now: datetime, time_left: Callable[[], float]) -> Renewed:
    """Make the pasts that are due, as far as the time goes. Raises the first failure after everything else was done."""
    run = _Run(archive=archive, catalog=catalog, time_left=time_left, renewed=Renewed(), failures=[])
    target = cut_of(now - SETTLED)
    known = progress.read(table, JOB, Progress)
    known = replace(known, began=known.began or now)
    late = known.late or Round(since=known.seen or now, until=now)
    pairs = archive.came(late.since - OVERLAP, late.until, bucket_start(target)) if known.seen else ()
    left = run.walk(late, pairs, target, whole=True)
    known = replace(known, late=left, seen=known.seen if left else late.until)
    if known.daily or known.cut != bucket_start(target):
        first = known.cut or bucket_start(target - MEMORY)
        daily = known.daily or Round(since=first, until=bucket_start(target))
        # The first time whole: ticks made pasts before, and a backfill may have come in after those.
        whole = known.cut is None
        left = run.walk(daily, archive.used(daily.since, daily.until), bucket_of(daily.until), whole=whole)
        known = replace(known, daily=left)
        if left is None:
            known = replace(known, cut=daily.until, finished=now)
    else:
        known = replace(known, finished=now)
    progress.write(table, JOB, known)
    if run.failures:
        raise run.failures[0]
    return run.renewed


def forget(archive: Archive, kind: str) -> None:
    """Let the next tick that needs the sums of all accounts read them: they may lack what came in late."""
    while True:
        (kept,) = archive.kept([ORGANIZATION], kind)
        if kept.past in (None, Past()):
            return
        with suppress(PastOvertaken):  # by a tick, that read less
            archive.keep_past(ORGANIZATION, kind, Past(), kept)


def make(archive: Archive, catalog: Catalog, pair: Pair, cut: int, *, whole: bool) -> bool:
    """Bring the past of a pair up to a cut, from all its events (`whole`) or those since it ends; whether it was written."""
    (kept,) = archive.kept(pair[:1], pair[1])
    past = kept.past
    if past is not None and past.cut >= cut:
        if not whole:
            return False
        cut = past.cut
    if past is None or whole or past.cut < cut - MEMORY:
        past = Past(cut=cut - MEMORY)
    tally = catalog.kind_of(pair[1]).keep == "tally"
    until = bucket_start(cut)
    read = series_since(archive, pair[0], pair[1], past.cut, until, tally=tally, pasts={pair[0]: past})
    made = read[pair[0]].past(cut, MEMORY)
    if made == kept.past:
        return False
    archive.keep_past(*pair, made, kept)
    return True
