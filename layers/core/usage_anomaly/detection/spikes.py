"""Where in a series does what the learned detectors said end, is it a habit, and does it go on?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from usage_anomaly.coverage import Coverage
from usage_anomaly.detection import Finding
from usage_anomaly.detection.habit import habit
from usage_anomaly.detection.learned import Learned, buckets, sure
from usage_anomaly.detection.limits import FIGURES
from usage_anomaly.series import BUCKETS_PER_DAY, Judged

FROZEN = FIGURES.baseline.frozen_days * BUCKETS_PER_DAY  # then it is the account's new level


class Spikes:
    """What the learned detectors said of one series."""

    def __init__(self, series: Judged, learned: Sequence[Learned]) -> None:
        self.learned = learned
        self._series = series
        self._near: dict[int, list[Learned]] = defaultdict(list)  # by each bucket that a window touches
        for each in learned:
            low, high = buckets(each.finding)
            for bucket in range(low, high + 1):
                self._near[bucket].append(each)

    def ending(self, bucket: int) -> Iterator[Learned]:
        """The findings whose window touches a bucket with use, and none with use after it."""
        for each in self._near.get(bucket, ()):
            last = buckets(each.finding)[1]
            if bucket == last or self._series.quantity(bucket + 1, last) == 0:
                yield each

    def habit(self, bucket: int, length: int, coverage: Coverage, running: int | None) -> str | None:
        """Why a window is a habit in quantity and in money, or None: as many, but larger ones, are none."""
        excuse = None
        for measure, nets in ((self._series.quantity, False), (self._series.net_micro, True)):
            amount = measure(bucket - length + 1, bucket)
            excuse = habit(measure, bucket, length, amount, coverage, running, nets=nets)
            if excuse is None:
                break
        return excuse

    def going_on(self, bucket: int, said: Sequence[Finding]) -> Iterator[Finding]:
        """The sure ones of the findings that were said before, while use stays nearer to them than to what they expected.

        A forest says a spike once, when it begins.
        """
        for each in said:
            low, last = buckets(each)
            if each.detector == "learned" and sure(each) and last < bucket <= last + FROZEN:
                measure = self._series.net_micro if self._series.net_micro(low, last) > 0 else self._series.quantity
                least = measure(low, last) * (1 + (each.expected or 0.0) / each.actual) / 2
                if measure(bucket - (last - low), bucket) >= least:
                    yield each
