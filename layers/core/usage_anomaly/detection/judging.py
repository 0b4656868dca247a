"""Which windows that end in a bucket are unusual, and is that told or recorded?

Every detector looks at every used bucket. What it found is told unless an *excuse* says why it is recorded only: the
window is a habit, the baseline judges in place of a limit, new machines replace those of their own group, or a learned
finding stands alone and is not sure. `verdicts` gives what fired; `explain` gives every comparison, fired or not, from the
same steps.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import msgspec

from usage_anomaly.coverage import Coverage
from usage_anomaly.detection import Finding, Scope, baseline, burn_rate, first_use, shared_use, threshold
from usage_anomaly.detection.baseline import SLOT
from usage_anomaly.detection.habit import habit
from usage_anomaly.detection.learned import UNSURE, Learned, buckets, expected_at_most, sure
from usage_anomaly.detection.limits import FIGURES, Window
from usage_anomaly.detection.readiness import baseline_lacks, first_use_lacks
from usage_anomaly.detection.spikes import Spikes
from usage_anomaly.places import Place
from usage_anomaly.ranges import Measure, Range, union, without
from usage_anomaly.resources import MICRO
from usage_anomaly.series import BUCKETS_PER_DAY, BUCKETS_PER_HOUR, Judged
from usage_anomaly.totals import CappedTotal

BASELINE, FIRST_USE = FIGURES.baseline, FIGURES.first_use
MEMORY = FIRST_USE.memory_days * BUCKETS_PER_DAY


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """What a series is judged by. `limit` is per 10 minutes; `burn_limit` is USD per hour, None for unpriced kinds.

    `by_person`: somebody set this limit, so it tells whatever the baseline says; a habit is recorded all the same.
    `burn_by_person`: somebody set the USD per hour. The walk
    starts at bucket `since`, and up to `judged_from` only notes what windows of an hour or less have judged.
    """

    limit: int
    burn_limit: float | None
    windows: tuple[Window, ...] = FIGURES.windows
    scope: Scope = "account"
    unit: str = "units"
    one: str = "unit"
    whose: str = "accounts"
    by_person: bool = False
    burn_by_person: bool = False
    since: int = 0
    judged_from: int = 0

    def floor(self, length: int) -> int:
        """The least use in so many buckets that the baseline tells of.

        For the organization the limit itself: its sum holds each account up to that account's own limit in every bucket, and
        one account alone is that account's anomaly.
        """
        factor = BASELINE.factor(length)
        if self.scope == "organization":
            return self.limit * factor
        return BASELINE.floor(self.limit * factor)

    def said(self, amount: float) -> str:
        return self.one if amount == 1 else self.unit


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """Where a walk stands: the disjoint ranges that feed no window any more (`owned`) or no day's window (`claims`), and
    since when an anomaly is open and by which findings."""

    owned: tuple[Range, ...] = ()
    claims: tuple[Range, ...] = ()
    running: int | None = None
    said: tuple[Finding, ...] = ()


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """One comparison of one detector: the window's length in buckets, what was compared, and what it has to exceed.

    `finding` is there where it did; `excuse` says why that is recorded and not told, `idle` why the detector does not judge;
    a baseline's `score` has to reach `needed` too. `waits`: the excuse falls as soon as another detector says the same.
    `peak` is thousandths of the bound; a learned finding has none, for growth comes from our own sums.
    """

    detector: str
    length: int
    actual: float
    bound: float
    finding: Finding | None = None
    excuse: str | None = None
    idle: str | None = None
    expected: float | None = None
    score: float | None = None
    needed: float | None = None
    waits: bool = False

    @property
    def peak(self) -> int:
        if self.detector == "learned":
            return 0
        return int(self.actual * 1000 // max(self.bound, 1))  # of a limit of 0 every unit is as much above it


class Judge:
    """Judges one series by its rules. Keeps the profiles of the days it was asked about.

    `learned` is what the learned detectors said of it.
    """

    def __init__(self, series: Judged, rules: Rules, coverage: Coverage, learned: Sequence[Learned] = ()) -> None:
        self.series = series
        self.rules = rules
        self.coverage = coverage
        self.spikes = Spikes(series, learned)
        short = (each for each in rules.windows if each.buckets <= BUCKETS_PER_HOUR)
        self._short = sorted(((each.buckets, rules.limit * each.factor) for each in short), reverse=True)
        self._least = min((limit for _, limit in self._short), default=0)
        self._profiles: dict[tuple[int, int], baseline.Profile] = {}  # by day and length of the window

    def forget(self, bucket: int) -> None:
        """Use in a bucket has become known: profiles of later days are made again."""
        self._profiles = {key: kept for key, kept in self._profiles.items() if key[0] <= bucket // BUCKETS_PER_DAY}

    def verdicts(self, bucket: int, standing: Standing) -> Iterator[Verdict]:
        """What is unusual in the windows that end with `bucket`, told or excused."""
        return (each for each in self.compared(bucket, standing) if each.finding is not None)

    def compared(self, bucket: int, standing: Standing) -> Iterator[Verdict]:
        """Every comparison for the windows that end with `bucket`."""
        idle = baseline_lacks(self.coverage, bucket)
        for window in self.rules.windows:
            yield self._limit(bucket, window, standing, ready=idle is None)
        if self.rules.burn_limit is not None:
            yield self._burn_rate(bucket, standing, self.rules.burn_limit)
        for window in BASELINE.windows:
            if window.buckets <= max(each.buckets for each in self.rules.windows):
                yield self._baseline(bucket, window.buckets, standing, idle)
        yield from self._first_use(bucket, standing)
        if isinstance(self.series, CappedTotal):
            yield self._shared(self.series, bucket, idle)
        for each in self.spikes.ending(bucket):
            yield self._learned(bucket, each, standing, idle)
        for finding in self.spikes.going_on(bucket, standing.said):
            expected = finding.expected or 0.0
            yield Verdict(detector="learned", length=1, actual=finding.actual, bound=expected, finding=finding)

    def claimed(self, bucket: int) -> int:
        """The longest window of an hour or less that ends here above a limit, in buckets; 0 where none is."""
        rules, low = self.rules, bucket - BUCKETS_PER_HOUR + 1
        if rules.burn_limit is not None and self.series.net_micro(low, bucket) > rules.burn_limit * MICRO:
            return BUCKETS_PER_HOUR
        if self.series.quantity(low, bucket) <= self._least:  # so are its parts
            return 0
        return next((each for each, limit in self._short if self.series.quantity(bucket - each + 1, bucket) > limit), 0)

    def _limit(self, bucket: int, window: Window, standing: Standing, *, ready: bool) -> Verdict:
        rules, length = self.rules, window.buckets
        limit, actual = rules.limit * window.factor, self._use(bucket, window.buckets, standing)
        if actual <= limit:
            return Verdict(detector="threshold", length=length, actual=actual, bound=limit)
        found = threshold.finding(
            self.series,
            bucket,
            window,
            actual=actual,
            limit=limit,
            scope=rules.scope,
            unit=rules.said(actual),
            whose=rules.whose,
        )
        if ready and limit and not rules.by_person:
            excuse: str | None = "the baseline is ready and judges in its place"
        else:
            excuse = self._excuse(bucket, length, actual, standing) or self._replaced(
                bucket, length, lambda rest: actual * rest <= limit
            )
        return Verdict(detector="threshold", length=length, actual=actual, bound=limit, finding=found, excuse=excuse)

    def _burn_rate(self, bucket: int, standing: Standing, limit: float) -> Verdict:
        low = bucket - BUCKETS_PER_HOUR + 1
        micro = without(self.series.net_micro, standing.owned)(low, bucket)
        micro += self.series.taken_off(low, bucket, standing.owned)
        found = excuse = None
        if micro > limit * MICRO:
            found = burn_rate.finding(self.series, bucket, micro, limit, self.rules.whose)
            excuse = habit(
                self.series.net_micro,
                bucket,
                BUCKETS_PER_HOUR,
                micro,
                self.coverage,
                standing.running,
                nets=True,
            ) or self._replaced(bucket, BUCKETS_PER_HOUR, lambda rest: micro * rest <= limit * MICRO)
        return Verdict(
            detector="burn_rate",
            length=BUCKETS_PER_HOUR,
            actual=micro / MICRO,
            bound=limit,
            finding=found,
            excuse=excuse,
        )

    def _baseline(self, bucket: int, length: int, standing: Standing, idle: str | None) -> Verdict:
        floor, measure = self.rules.floor(length), self._evenly(length)
        actual = without(measure, standing.owned)(bucket - length + 1, bucket)
        if idle or actual < floor:
            return Verdict(detector="baseline", length=length, actual=actual, bound=floor, idle=idle)
        usual = self._profile(bucket, length, standing)
        scored = usual.score(bucket, actual)
        found = excuse = None
        needed = baseline.needed(usual.days, running=standing.running is not None)
        limit = self.rules.limit * BASELINE.factor(length)
        if scored >= needed or (actual > limit and usual.beyond(actual)):
            found = baseline.finding(
                bucket,
                length,
                actual,
                usual,
                limit,
                scope=self.rules.scope,
                unit=self.rules.said(actual),
                confidence=self._confidence(bucket, length, actual),
            )
            excuse = habit(measure, bucket, length, actual, self.coverage, standing.running) or self._replaced(
                bucket,
                length,
                lambda rest: usual.score(bucket, actual * rest) < needed and not usual.beyond(actual * rest),
            )
        return Verdict(
            detector="baseline",
            length=length,
            actual=actual,
            bound=floor,
            finding=found,
            excuse=excuse,
            expected=usual.expected(bucket),
            score=scored,
            needed=needed,
        )

    def _first_use(self, bucket: int, standing: Standing) -> Iterator[Verdict]:
        new = {
            place: since
            for place, since in self.series.news(bucket, MEMORY).items()
            if not any(first <= since <= last for first, last in standing.owned)  # it was told
        }
        # A new person is less than a new region: the use has to pass the limit itself.
        for what, floor in (
            (("region", "family"), FIRST_USE.floor(self.rules.limit)),
            (("actor",), FIRST_USE.passing(self.rules.limit)),
        ):
            where = sorted(place for place in new if place.what in what)
            if where:
                yield self._first_use_of(bucket, min(new[each] for each in where), where, floor, standing)

    def _first_use_of(self, bucket: int, begin: int, where: list[Place], floor: int, standing: Standing) -> Verdict:
        length = bucket - begin + 1
        idle = first_use_lacks(self.coverage, bucket)
        if idle:
            return Verdict(detector="first_use", length=length, actual=0, bound=floor, idle=idle)
        actual = without(lambda low, high: self.series.quantity_at(where, low, high), standing.owned)(begin, bucket)
        found = None
        if actual >= floor:
            confidence = self._confidence(bucket, length, actual)
            said = self.rules.said(actual)
            found = first_use.finding(bucket, begin, where, actual, self.rules.limit, unit=said, confidence=confidence)
        return Verdict(detector="first_use", length=length, actual=actual, bound=floor, finding=found)

    def _shared(self, total: CappedTotal, bucket: int, idle: str | None) -> Verdict:
        rule = FIGURES.shared_use
        if idle:
            return Verdict(detector="first_use", length=rule.buckets, actual=0, bound=rule.accounts, idle=idle)
        spreads = shared_use.new_spreads(total, bucket)
        found = shared_use.finding(bucket, spreads) if spreads else None
        actual = found.actual if found else 0
        return Verdict(detector="first_use", length=rule.buckets, actual=actual, bound=rule.accounts, finding=found)

    def _learned(self, bucket: int, learned: Learned, standing: Standing, idle: str | None) -> Verdict:
        """What a learned detector said of a window of which this is the last bucket with use.

        Alone it is told from when on habits can be known; a forest knows no time of day.
        """
        finding, length = learned.finding, bucket - buckets(learned.finding)[0] + 1
        excuse = (
            self._allowed(bucket, learned)
            or self.spikes.habit(bucket, length, self.coverage, standing.running)
            or self._replaced(bucket, length, lambda rest: finding.actual * rest <= expected_at_most(finding))
        )
        alone = idle if sure(finding) else UNSURE
        return Verdict(
            detector="learned",
            length=length,
            actual=finding.actual,
            bound=finding.expected or 0.0,
            finding=finding,
            excuse=excuse or alone,
            expected=finding.expected,
            waits=excuse is None and alone is not None,
        )

    def _allowed(self, bucket: int, learned: Learned) -> str | None:
        """Why people let it pass, or None: they set a limit, and no ten minutes of the window are above it."""
        rules, low = self.rules, buckets(learned.finding)[0]
        if rules.by_person and all(self.series.quantity(end - 1, end) <= rules.limit for end in range(low, bucket + 1)):
            return f"within the limit of {rules.limit:,} for {rules.whose}"
        spent = self.series.net_micro(bucket - BUCKETS_PER_HOUR + 1, bucket)
        if learned.of_money and rules.burn_by_person and spent <= (rules.burn_limit or 0) * MICRO:
            return f"within the limit of {rules.burn_limit:,} USD/h for {rules.whose}"
        return None

    def _profile(self, bucket: int, length: int, standing: Standing) -> baseline.Profile:
        """What is usual on the day of a bucket.

        While an anomaly is open it is what was usual when it began, for a week: an incident is no past of its own, and what
        goes on for longer becomes the account's new level.
        """
        day = bucket // BUCKETS_PER_DAY
        if standing.running is not None:
            day = max(standing.running // BUCKETS_PER_DAY, day - BASELINE.frozen_days)
        found = self._profiles.get((day, length))
        if found is None:
            known = self.coverage.before(day, BASELINE.days)
            cap = None if length == BUCKETS_PER_HOUR else self._cap
            found = self._profiles[day, length] = baseline.profile(self.series.counts, known, length, cap)
        return found

    @property
    def _cap(self) -> int:
        """What half an hour counts up to in windows of many: half of the hour's limit."""
        return self.rules.floor(BUCKETS_PER_HOUR)

    def _evenly(self, length: int) -> Measure:
        """What the baseline measures: use, in windows of many hours each half hour up to the cap.

        A burst is judged in its hour; what is left of it in the day is what makes a slow leak: many hours of some.
        """
        if length == BUCKETS_PER_HOUR:
            return self.series.quantity

        cap = self._cap

        def evenly(low: int, high: int) -> int:
            slots = Counter[int]()
            for bucket, used in self.series.counts(low, high):
                slots[(high - bucket) // SLOT] += used
            return sum(min(cap, used) for used in slots.values())

        return evenly

    def _use(self, bucket: int, length: int, standing: Standing) -> int:
        skipped = union(standing.owned, standing.claims) if length > BUCKETS_PER_HOUR else standing.owned
        return without(self.series.quantity, skipped)(bucket - length + 1, bucket)

    def _excuse(self, bucket: int, length: int, actual: int, standing: Standing) -> str | None:
        claims = standing.claims if length > BUCKETS_PER_HOUR else ()
        measure = without(self.series.quantity, claims)
        return habit(measure, bucket, length, actual, self.coverage, standing.running)

    def _replaced(self, bucket: int, length: int, usual: Callable[[float], bool]) -> str | None:
        """Why the window is usual without what replaces others in it, or None; `usual` is asked about the share that is left."""
        low = bucket - length + 1
        replaced = self.series.replacing(low, bucket)
        if replaced and usual(1 - replaced / max(replaced, self.series.quantity(low, bucket))):
            return f"{replaced:,} replace older ones of their own group with another image"
        return None

    def _confidence(self, bucket: int, length: int, actual: int) -> float:
        cut = self.series.truncated(bucket - length + 1, bucket)
        return round(1 - min(cut, actual) / max(actual, 1), 4)
