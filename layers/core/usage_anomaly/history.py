"""What has to be read to know a series from a day on?

A series is read from the *cut* of its past on. What was used before stands there in sums; of single launches, releases and
definitions before the cut only those are read that what follows depends on. So a series costs what happened in its last
days, however long it has been used, and still answers as if all of it had been read.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import Protocol

import msgspec

from usage_anomaly.errors import UsageAnomalyError
from usage_anomaly.resources import MEDIAN_OF, holder, resources
from usage_anomaly.series import BUCKETS_PER_DAY, NEVER, Past, Series, bucket_of, bucket_start
from usage_anomaly.totals import Trait
from usage_anomaly.usage import UsageEvent

# Five weeks, the window of a day and an hour and a half for the weekday rule, and three days of judging before the news.
MEMORY_DAYS = 40
CUT_DAYS = 5  # a past ends so many days before today, UTC
LATE_DAYS = 4  # what is older is told by a past already, or by the one that is made next: one day to spare
MEMORY = MEMORY_DAYS * BUCKETS_PER_DAY

Whose = str | frozenset[str] | None  # an account id, several, or None for all accounts


class Touched(Protocol):
    """A kind and account with newly arrived usage events, and the time of the earliest of them."""

    @property
    def account_id(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def first(self) -> datetime: ...


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked of the time before a cut: the events that name one of the `resources` or a part of one of the `holders`,
    the uses that `launchers` asked for, the definitions of `groups`, and so many of the latest launches as have a rate."""

    resources: frozenset[str] = frozenset()
    holders: frozenset[str] = frozenset()
    launchers: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    rated: int = 0


class Doer(msgspec.Struct, frozen=True, kw_only=True):
    """What a use in a bucket that begins at `start` could share with others."""

    account_id: str
    start: datetime
    image_id: str | None = None
    source_ip: str | None = None
    actor_arn: str | None = None
    actor_session: str | None = None
    invoked_by: str | None = None


class Kept(msgspec.Struct, frozen=True):
    """The past of a kind in an account as it is kept; `past` is None where none is, or none that can be read.

    `version` is what a newer one is written against.
    """

    past: Past | None = None
    version: tuple[int, int] | None = None


class PastOvertaken(UsageAnomalyError):
    """Somebody else wrote the past since it was read."""


class History(Protocol):
    """The usage events that were ingested, without backfilled ones where news are asked for; spans are [start, end), UTC.

    `days` gives the time of the first event, and one time of each further day that has any, of all that came in or of what
    came in up to `until` or was backfilled; `kinds` what was used since a time. `events` come account after account.
    `totals` gives account, start of bucket and quantity of every bucket with use. `doers` gives what was used or refused, no
    releases; at least all of it that has one of the traits. `earlier` gives what is wanted of the time before, each event
    at least once. `kept` gives one past for each account; `keep_past` raises PastOvertaken if somebody else wrote since
    `kept` was read.
    """

    def touched(self, since: datetime, until: datetime) -> Sequence[Touched]: ...
    def newest_ingest(self) -> datetime | None: ...
    def days(self, whose: Whose, until: datetime | None = None) -> Iterable[datetime]: ...
    def kinds(self, whose: Whose, since: datetime) -> Iterable[str]: ...
    def events(self, whose: Whose, kind: str, start: datetime, end: datetime) -> Iterable[UsageEvent]: ...
    def totals(self, kind: str, start: datetime, end: datetime) -> Iterable[tuple[str, datetime, int]]: ...
    def doers(
        self, kind: str, start: datetime, end: datetime, having: Collection[Trait] | None = None
    ) -> Iterable[Doer]: ...
    def earlier(self, whose: Whose, kind: str, before: datetime, wanted: Wanted) -> Iterable[UsageEvent]: ...
    def kept(self, account_ids: Sequence[str], kind: str) -> Sequence[Kept]: ...
    def keep_past(self, account_id: str, kind: str, past: Past, kept: Kept) -> None: ...


def cut_of(now: datetime) -> int:
    """The bucket in which a past ends that is made now: a midnight."""
    return (bucket_of(now) // BUCKETS_PER_DAY - CUT_DAYS) * BUCKETS_PER_DAY


def is_late(news: datetime, now: datetime) -> bool:
    """Whether usage at a time may be missing in a past that was made already."""
    return bucket_of(news) // BUCKETS_PER_DAY < bucket_of(now) // BUCKETS_PER_DAY - LATE_DAYS


def series_since(
    history: History,
    whose: Whose,
    kind: str,
    cut: int,
    end: datetime,
    *,
    tally: bool,
    pasts: Mapping[str, Past],
    most: int | None = None,
) -> dict[str, Series]:
    """The series from bucket `cut` on, by account; `pasts` holds what is known of the time before, by account.

    `most`: no more events than these are read; the accounts that they do not reach to the end are left out.
    """
    before = bucket_start(cut)
    events = list(islice(history.events(whose, kind, before, end), most))
    accounts = sorted({*pasts, *(each.account_id for each in events)})
    if len(events) == most:
        last = events[-1].account_id
        accounts = [each for each in accounts if each < last]
        events = [each for each in events if each.account_id < last]
    found = {each: Series(tally=tally, past=pasts.get(each, Past(cut=cut))) for each in accounts}
    if not tally:
        _know(found, history.earlier(whose, kind, before, _needed(events)))
    for event in events:
        found[event.account_id].add(event)
    for account_id, series in found.items():
        if series.unsure:
            _know(found, history.earlier(account_id, kind, before, Wanted(rated=MEDIAN_OF)))
    return found


def know_launchers(history: History, account_id: str, kind: str, series: Series) -> bool:
    """Let a series know what its groups launched before its cut, and what became of it; whether it has any groups.

    Only what replaces older machines depends on them.
    """
    uses = series.uses(series.cut, NEVER)
    names = frozenset(each.launcher_id for each in uses if each.launcher_id and each.image_id)
    if not names:
        return False
    before = bucket_start(series.cut)
    launched = list(history.earlier(account_id, kind, before, Wanted(launchers=names)))
    ends = history.earlier(account_id, kind, before, Wanted(resources=_names(launched)))
    _know({account_id: series}, [*launched, *ends])
    return True


def _know(found: Mapping[str, Series], events: Iterable[UsageEvent]) -> None:
    for event in events:
        if event.account_id in found:
            found[event.account_id].know(event)


def _needed(events: Sequence[UsageEvent]) -> Wanted:
    """What the worth of these events depends on: the earlier life of what they name, and what their groups are."""
    holding = (event for event in events if event.direction == "release" and not event.quantity)
    untold = (event for event in events if event.direction == "use" and event.usd_per_hour is None)
    return Wanted(
        resources=_names(events),
        holders=frozenset(each for event in holding for each in event.resource_ids),
        groups=frozenset(event.group for event in untold if event.group),
    )


def _names(events: Iterable[UsageEvent]) -> frozenset[str]:
    """The ids of what events name, and of what that hangs on."""
    found = {each for event in events for each in resources(event)}
    return frozenset(each[2] for each in {*found, *filter(None, map(holder, found))})
