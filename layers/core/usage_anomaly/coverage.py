"""Where is the trail silent although it usually is not?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime
from itertools import pairwise

import msgspec

from usage_anomaly.series import BUCKETS_PER_HOUR, bucket_start

SILENCE_HOURS = 3
EXPECTED_BUCKETS = 20.0  # by chance, a stretch that usually has 20 busy buckets is silent once in 500 million times


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
            if len(silent) >= SILENCE_HOURS and sum(usual[hour % 24] for hour in silent) >= EXPECTED_BUCKETS:
                found.append(Gap(account_id, region, _start(before + 1), _start(after)))
    return found


def _usual(busy: Mapping[int, int]) -> dict[int, float]:
    """Busy buckets by hour of day: the mean over the days of the trail; of any hour where that is all of a day."""
    first, last = min(busy), max(busy)
    seen: dict[int, list[int]] = defaultdict(list)
    for hour in range(first, last + 1):
        seen[hour % 24].append(busy.get(hour, 0))
    overall = sum(busy.values()) / (last - first + 1)
    return {hour: sum(seen[hour]) / len(seen[hour]) if len(seen[hour]) > 2 else overall for hour in range(24)}


def _start(hour: int) -> datetime:
    return bucket_start(hour * BUCKETS_PER_HOUR)
