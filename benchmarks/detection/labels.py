"""What is known of an incident that was planted, and from when on could a person see it?

Visible is an incident when, of its own use that has arrived, some hour holds the account type's floor for one of its kinds
(half the 10-minute limit, at least 2; 1 where none is usual), or adds the account type's burn limit in USD per hour, or
some 24 hours hold six times the 10-minute limit. One over the organization is visible with its fifth account, a habit that
does three times as much when it has done twice as much as usual.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

import msgspec

from benchmarks.detection.delivery import Delivered
from benchmarks.detection.setting import rooms
from usage_anomaly.catalog import is_attempts
from usage_anomaly.detection.limits import FIGURES
from usage_anomaly.enrichment.accounts import AccountType
from usage_anomaly.usage import UsageEvent

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
MANY_ACCOUNTS = 5
LEAK_FACTOR = 6
TWICE_OF_TRIPLED = 2 / 3


class Label(msgspec.Struct, frozen=True, kw_only=True):
    """One planted incident. `quantity` and `usd_per_hour` are of `kinds[0]`, without what was released; times are UTC.

    `visible_at` is the delivery minute of the record with which it became visible.
    """

    id: str
    row: str
    kinds: tuple[str, ...]
    accounts: tuple[str, ...]
    start: datetime
    end: datetime
    visible_at: datetime
    quantity: int
    usd_per_hour: float | None


def make_label(
    identity: str, row: str, kinds: tuple[str, ...], types: dict[str, AccountType], arrived: Delivered, tripled: bool
) -> Label | None:
    """The label of an incident whose events arrived so; None where nobody could see it. `types` are its accounts'."""
    once = {each.event_id: (at, each) for at, each in sorted(arrived, key=lambda pair: pair[0], reverse=True)}
    used = (pair for pair in once.values() if pair[1].direction != "release" and pair[1].quantity)
    counted = [pair for pair in used if pair[1].kind in kinds]
    if tripled:
        seen = _visible_tripled([pair for pair in counted if pair[1].kind == kinds[0]])
    elif len(types) > 1:
        seen = _visible_everywhere(counted)
    else:
        (which,) = types.values()
        each_kind = ([pair for pair in counted if pair[1].kind == kind] for kind in kinds)
        seen = min(filter(None, (_visible(pairs, which) for pairs in each_kind)), default=None)
    if seen is None:
        return None
    first = [each for _, each in counted if each.kind == kinds[0]]
    return Label(
        id=identity,
        row=row,
        kinds=kinds,
        accounts=tuple(sorted(types)),
        start=min(each.event_time for _, each in counted),
        end=max(each.event_time for _, each in counted),
        visible_at=seen,
        quantity=sum(each.quantity for each in first),
        usd_per_hour=_rate(first, [each for _, each in arrived if each.direction == "release"]),
    )


def floor_of(kind: str, which: AccountType) -> int:
    """The use within an hour that is worth a word: half the 10-minute limit, at least 2; 1 where none is usual."""
    limit = rooms()[0].limit(kind, which)
    return max(2, limit // 2) if limit else 1


def burn_limit(which: AccountType) -> float:
    """USD per hour that an account of the type may add within an hour."""
    burn = FIGURES.burn_rate_usd_per_hour
    return {"production": burn.production, "development": burn.development}.get(which, burn.staging)


def _visible(pairs: Delivered, which: AccountType) -> datetime | None:
    """The first minute in which what has arrived of one kind fills a window of an hour or a day."""
    if not pairs:
        return None
    kind = pairs[0][1].kind
    limit, burn = rooms()[0].limit(kind, which), burn_limit(which)
    tests: list[tuple[timedelta, bool, float]] = [
        (HOUR, False, floor_of(kind, which)),
        (DAY, False, LEAK_FACTOR * limit),
    ]
    tests += [] if is_attempts(kind) else [(HOUR, True, burn)]
    return min(filter(None, (_fills(pairs, *test) for test in tests if test[2] > 0)), default=None)


def _fills(pairs: Delivered, span: timedelta, money: bool, least: float) -> datetime | None:
    times: list[datetime] = []
    amounts: list[float] = []
    for minute, event in sorted(pairs, key=lambda pair: (pair[0], pair[1].event_time)):
        place = bisect_right(times, event.event_time)
        times.insert(place, event.event_time)
        amounts.insert(place, (event.usd_per_hour or 0.0) if money else float(event.quantity))
        for end in range(place, bisect_left(times, event.event_time + span)):
            if sum(amounts[bisect_right(times, times[end] - span) : end + 1]) >= least:
                return minute
    return None


def _visible_everywhere(pairs: Delivered) -> datetime | None:
    seen: set[str] = set()
    for minute, event in sorted(pairs, key=lambda pair: (pair[0], pair[1].event_time)):
        seen.add(event.account_id)
        if len(seen) == MANY_ACCOUNTS:
            return minute
    return None


def _visible_tripled(pairs: Delivered) -> datetime | None:
    wanted, total = TWICE_OF_TRIPLED * sum(event.quantity for _, event in pairs), 0.0
    for minute, event in sorted(pairs, key=lambda pair: pair[0]):
        total += event.quantity
        if total >= wanted:
            return minute
    return None


def _rate(uses: Iterable[UsageEvent], releases: Sequence[UsageEvent]) -> float | None:
    """USD per hour of what was used and not released; None where a price is unknown."""
    gone = {each for release in releases if release.quantity for each in release.resource_ids}
    total = 0.0
    for event in uses:
        if event.usd_per_hour is None:
            return None
        left = event.quantity - sum(each in gone for each in event.resource_ids)
        total += event.usd_per_hour * left / event.quantity
    return total
