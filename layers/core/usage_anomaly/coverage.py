"""Where is the trail silent although it usually is not?"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from itertools import groupby, pairwise

import msgspec

from usage_anomaly.series import BUCKETS_PER_HOUR, bucket_start

STEADY = 0.75  # share of its hours in which a region must have records for silence to mean anything
SILENCE_HOURS = 3


class Gap(msgspec.Struct, frozen=True):
    """An account and region without any record in [start, end), UTC, between hours that have some."""

    account_id: str
    region: str
    start: datetime
    end: datetime


def gaps(presence: Iterable[tuple[str, str, int]]) -> list[Gap]:
    """The silences of three hours and more, of accounts and regions that log in three quarters of their hours.

    `presence` holds (account, region, hour since 1970). A region that is rarely used is silent by nature and has no gap.
    """
    found: list[Gap] = []
    for (account_id, region), rows in groupby(sorted(set(presence)), key=lambda row: row[:2]):
        hours = [hour for *_, hour in rows]
        silent = [(before + 1, after) for before, after in pairwise(hours) if after - before > SILENCE_HOURS]
        missing = sum(end - start for start, end in silent)
        if silent and len(hours) >= STEADY * (hours[-1] - hours[0] + 1 - missing) and len(hours) > missing:
            found += [Gap(account_id, region, _start(start), _start(end)) for start, end in silent]
    return found


def _start(hour: int) -> datetime:
    return bucket_start(hour * BUCKETS_PER_HOUR)
