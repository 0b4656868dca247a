"""Is this what the account does at this hour anyway?

A window is a habit when enough earlier days saw at least two thirds of its amount in a window of equal length that ended
within an hour of the same time of day: half of the covered days of its type (working day, weekend; at least two) in 14
days, or three of the last seven days, or the same weekday in two of five weeks, or the same day of the month before, counted
from its beginning or its end. Days of which no record was read do not count either way, nor does anything from the
running anomaly itself: an incident never becomes its own habit.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Callable
from datetime import datetime
from functools import cache

from usage_anomaly.coverage import Coverage
from usage_anomaly.detection.limits import FIGURES
from usage_anomaly.ranges import Measure
from usage_anomaly.series import BUCKETS_PER_DAY, BUCKETS_PER_HOUR, bucket_start

RULE = FIGURES.habit


def habit(
    measure: Measure,
    end: int,
    length: int,
    amount: float,
    coverage: Coverage,
    running_since: int | None,
    *,
    nets: bool = False,
) -> str | None:
    """Why the window of `length` buckets that ends with bucket `end` is a habit, or None.

    `measure(low, high)` sums the judged quantity over buckets; `coverage` says which days of the account are
    known; `nets` that what is measured may be negative; `running_since` is the start of the anomaly that is open at `end`.
    """
    newest = min(end - length, end if running_since is None else running_since - 1)
    seen = _seen(measure, end, length, amount * RULE.share, coverage, newest, nets=nets)
    weekend, days = _is_weekend(end), range(1, RULE.days + 1)
    same = (day for day in days if _is_weekend(end - day * BUCKETS_PER_DAY) == weekend)
    alike = [saw for day in same if (saw := seen(day)) is not None]
    hits = alike.count(True)
    if hits >= RULE.same_type_hits and 2 * hits >= len(alike):
        return f"{hits} of {len(alike)} {'weekend' if weekend else 'working'} days before saw two thirds of it at this hour"
    week = [day for day in range(1, RULE.week_days + 1) if seen(day)]
    if len(week) >= RULE.week_hits:
        return f"{len(week)} of the last {RULE.week_days} days saw two thirds of it at this hour"
    weeks = [week for week in range(1, RULE.weeks + 1) if seen(7 * week)]
    if len(weeks) >= RULE.weekday_hits:
        return f"the same weekday saw two thirds of it in {len(weeks)} of the last {RULE.weeks} weeks"
    for day in sorted(_a_month(bucket_start(end))):
        if seen(day):
            return f"the same day of the month before, {day} days ago, saw two thirds of it"
    return None


def _seen(
    measure: Measure, end: int, length: int, floor: float, coverage: Coverage, newest: int, *, nets: bool
) -> Callable[[int], bool | None]:
    """Asks whether a day before saw as much at this hour; None where nobody knows."""
    step = 1 if length <= BUCKETS_PER_HOUR else RULE.shift_buckets // 3  # a day's sum moves slowly

    @cache
    def seen(day: int) -> bool | None:
        middle = end - day * BUCKETS_PER_DAY
        if middle > newest:
            return None
        first, last = middle - RULE.shift_buckets, min(middle + RULE.shift_buckets, newest)
        # What a longer window lacks none of the shorter ones in it has; money is net, and may be less in the longer.
        if (nets or measure(first - length + 1, last) >= floor) and any(
            measure(each - length + 1, each) >= floor for each in range(first, last + 1, step)
        ):
            return True
        return False if coverage.whole(middle - length + 1, middle) else None

    return seen


def _a_month(moment: datetime) -> set[int]:
    """How many days ago the same day of the month before was, counted from its beginning and from its end.

    Only the first and last days of a month count so: what happens once in its middle is no monthly job yet.
    """
    last = monthrange(moment.year, moment.month)[1]
    before = monthrange(moment.year, moment.month - 1)[1] if moment.month > 1 else 31
    days = set[int]()
    if moment.day <= RULE.month_edge:
        days.add(before)
    if moment.day > last - RULE.month_edge:
        days.add(last)
    return days


def _is_weekend(bucket: int) -> bool:
    return bucket_start(bucket).weekday() >= 5  # Saturday, Sunday; UTC
