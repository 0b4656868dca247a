"""How much of this is usual for the account at this time of day?"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import Protocol

from usage_anomaly.anomalies.extents import Extent
from usage_anomaly.coverage import Coverage
from usage_anomaly.series import BUCKETS_PER_DAY

DAYS = 14


class Used(Protocol):
    """A part of what was used, in buckets with both ends included."""

    def quantity(self, low: int, high: int) -> int: ...


def usual(members: Sequence[Used], extent: Extent, coverage: Coverage) -> float | None:
    """The median use of the same span of the day on up to 14 days before; None where no day before was read whole.

    Spans of more than a day are set against the spans of the same length before them.
    """
    length = extent.last_seen - extent.start + 1
    stride = BUCKETS_PER_DAY * (1 + (length - 1) // BUCKETS_PER_DAY)
    starts = (extent.start - stride * number for number in range(1, DAYS + 1))
    covered = [start for start in starts if coverage.whole(start, start + length - 1)]
    if not covered:
        return None
    return float(median(sum(series.quantity(start, start + length - 1) for series in members) for start in covered))
