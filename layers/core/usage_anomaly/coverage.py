"""Which days of an account are known, and where is the trail silent although it usually is not?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from itertools import pairwise

import msgspec

from usage_anomaly.series import BUCKETS_PER_DAY, BUCKETS_PER_HOUR, bucket_start

SILENCE_HOURS = 3
EXPECTED_BUCKETS = 20.0  # by chance, a stretch that usually has 20 busy buckets is silent once in 500 million times


NOWHERE = 1 << 62  # later than any bucket


class Coverage:
    """The days (since 1970, UTC) of which some record of an account was read, and the first bucket with one.

    A day without any is a gap: it says nothing of what the account usually does.
    """

    __slots__ = ("days", "first")

    def __init__(self, buckets: Iterable[int] = ()) -> None:
        self.first = NOWHERE
        self.days: set[int] = set()
        for bucket in buckets:
            self.note(bucket)

    @property
    def since(self) -> int | None:
        """The first bucket with a record; None where there is none."""
        return None if self.first == NOWHERE else self.first

    def note(self, bucket: int) -> int | None:
        """Note a bucket with a record; gives the first bucket that is judged otherwise now, None where none is."""
        day = bucket // BUCKETS_PER_DAY
        changed = None
        if day not in self.days:
            self.days.add(day)
            changed = (day + 1) * BUCKETS_PER_DAY
        if bucket < self.first:
            self.first, changed = bucket, bucket
        return changed

    def whole(self, low: int, high: int) -> bool:
        """Whether the buckets [low, high] lie in days that are known."""
        days = {low // BUCKETS_PER_DAY, high // BUCKETS_PER_DAY}
        return low >= self.first and days <= self.days

    def before(self, day: int, most: int) -> list[int]:
        """The known days among the `most` before a day."""
        return [each for each in range(day - most, day) if each in self.days]


class Gap(msgspec.Struct, frozen=True):
    """An account and region without any record in [start, end), UTC, between hours that have some."""

    account_id: str
    region: str
    start: datetime
    end: datetime


def gaps(presence: Mapping[tuple[str, str], Mapping[int, int]]) -> list[Gap]:
    """The silences of three hours and more in which the same hours of other days have at least 20 busy buckets together.

    `presence` holds by account and region the hours (since 1970) with records, each with a bit for each busy bucket. A
    region that is rarely used, or sleeps at night, has no gap.
    """
    found: list[Gap] = []
    for (account_id, region), hours in sorted(presence.items()):
        busy = {hour: bits.bit_count() for hour, bits in hours.items()}
        usual = _usual(busy)
        for before, after in pairwise(sorted(busy)):
            silent = range(before + 1, after)
            if len(silent) >= SILENCE_HOURS and _expected(usual, silent) >= EXPECTED_BUCKETS:
                found.append(Gap(account_id, region, _start(before + 1), _start(after)))
    return found


def _usual(busy: Mapping[int, int]) -> dict[int, float]:
    """Busy buckets by hour of day: the mean over the days of the trail; of any hour where that is all of a day."""
    first, last = min(busy), max(busy)
    sums = dict.fromkeys(range(24), 0)
    for hour, buckets in busy.items():
        sums[hour % 24] += buckets
    overall = sum(busy.values()) / (last - first + 1)
    days = {hour: (last - hour) // 24 - (first - 1 - hour) // 24 for hour in range(24)}
    return {hour: sums[hour] / days[hour] if days[hour] > 2 else overall for hour in range(24)}


def _expected(usual: Mapping[int, float], silent: range) -> float:
    """Busy buckets that usually lie in so many hours. Costs the same for a century: records may name any year."""
    days, rest = divmod(len(silent), 24)
    return days * sum(usual.values()) + sum(usual[hour % 24] for hour in silent[:rest])


def _start(hour: int) -> datetime:
    return bucket_start(hour * BUCKETS_PER_HOUR)
