"""How did the use run, beside what is usual and what is allowed?

Bars are as long as a window that is judged (10 minutes, an hour, a day), the shortest that gives few enough of them, so
that each stands beside its own limit.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from statistics import median

import msgspec

from usage_anomaly.anomalies import Anomaly
from usage_anomaly.detection.judging import Rules
from usage_anomaly.enrichment.expected import DAYS
from usage_anomaly.series import BUCKET_SECONDS, BUCKETS_PER_DAY, BUCKETS_PER_HOUR, Series, bucket_of, bucket_start

BARS = 300
AFTER = 2 * BUCKETS_PER_HOUR  # shows that it ended
TOLD_WITHIN = 3 * BUCKETS_PER_DAY  # of its end; an alert that came later stretches the chart no more


class Timeline(msgspec.Struct, frozen=True, kw_only=True):
    """Bars of equal length from `start` (UTC) on; `first` and `last` are those of the anomaly, both included.

    `usual` is the median of the same bar on up to 14 days before the anomaly, None where no such day was read. `limit` is
    what may be used in the length of a bar, None where no window of that length is judged.
    """

    start: datetime
    bar_buckets: int
    actual: tuple[int, ...]
    usual: tuple[float | None, ...]
    limit: int | None
    first: int
    last: int

    def place(self, moment: datetime) -> float | None:
        """Where a moment stands, counted in bars from the start; None after the end."""
        place = (moment - self.start).total_seconds() / (self.bar_buckets * BUCKET_SECONDS)
        return place if place <= len(self.actual) else None

    @property
    def bar(self) -> str:
        """The length of a bar: "10 minutes", "hour", "day", "2 days"."""
        days, rest = divmod(self.bar_buckets, BUCKETS_PER_DAY)
        if days and not rest:
            return "day" if days == 1 else f"{days} days"
        return "hour" if self.bar_buckets == BUCKETS_PER_HOUR else f"{self.bar_buckets * 5} minutes"


def timeline(
    anomaly: Anomaly, members: Sequence[Series], rules: Rules, coverage: int | None, read_until: datetime
) -> Timeline:
    """The anomaly's use with a day and more before it and two hours after, as far as records were read; later where it was told.

    `members` are the series it is about, `coverage` the first bucket with any record of the account.
    """
    begin, end = bucket_of(anomaly.start), bucket_of(anomaly.last_seen)
    known = 0 if coverage is None else coverage
    low = min(begin, max(known, begin - max(BUCKETS_PER_DAY, (end - begin) // 4)))
    told = max(
        (each for each in (bucket_of(alert.at) for alert in anomaly.alerts) if each <= end + TOLD_WITHIN), default=end
    )
    high = max(end, told, min(end + AFTER, bucket_of(read_until)))
    bar = _bar(high - low + 1, [window.buckets for window in rules.windows])
    origin = _origin(anomaly, bar, begin)
    numbers = range((low - origin) // bar, (high - origin) // bar + 1)
    used = _used(members, origin, bar, numbers.start - DAYS * BUCKETS_PER_DAY)
    limits = {window.buckets: rules.limit * window.factor for window in rules.windows}
    since = (begin - origin) // bar
    return Timeline(
        start=bucket_start(origin + numbers.start * bar),
        bar_buckets=bar,
        actual=tuple(used[number] for number in numbers),
        usual=tuple(_usual(used, number, bar, since, (known - origin + bar - 1) // bar) for number in numbers),
        limit=limits.get(bar),
        first=since - numbers.start,
        last=(end - origin) // bar - numbers.start,
    )


def _bar(buckets: int, windows: Sequence[int]) -> int:
    """The shortest judged window, else the fewest days, that makes at most `BARS` bars; two may be cut at the ends."""
    for window in sorted({*windows, BUCKETS_PER_DAY}):
        if buckets // window + 2 <= BARS:
            return window
    return BUCKETS_PER_DAY * (1 + buckets // ((BARS - 2) * BUCKETS_PER_DAY))


def _origin(anomaly: Anomaly, bar: int, begin: int) -> int:
    """Where a bar begins: with the window that was found unusual, so that its bar shows the figure that was judged."""
    found = (each for each in anomaly.findings if each.window_minutes == bar * 5)
    return next((bucket_of(each.window_start) for each in found), begin)


def _used(members: Sequence[Series], origin: int, bar: int, first: int) -> Counter[int]:
    """Quantity by number of the bar, from the bar `first` on."""
    used: Counter[int] = Counter()
    for series in members:
        for bucket in series.used_since(origin + first * bar):
            used[(bucket - origin) // bar] += series.quantity(bucket, bucket)
    return used


def _usual(used: Mapping[int, int], number: int, bar: int, since: int, covered: int) -> float | None:
    """The median of the same bar on days before the bar `since`, in which the anomaly began; it is no habit of its own."""
    if bar > BUCKETS_PER_DAY:
        return None
    a_day = BUCKETS_PER_DAY // bar
    newest = max(1, (number - since) // a_day + 1)
    earlier = (number - a_day * day for day in range(newest, newest + DAYS))
    amounts = [used.get(each, 0) for each in earlier if each >= covered]
    return float(median(amounts)) if amounts else None
