"""Which stretches of a series are one unusual thing each?

An *extent* runs from the first to the last bucket of findings that belong together. Extents are a function of the series
alone: they are found by going through its used buckets in order of event time, so that late records lead to the same
extents as punctual ones. Five rules, decided here and in docs/decisions.md:

1. In each used bucket every window that ends there is judged. A finding tells unless it is a habit.
2. The first telling finding opens an extent; it starts at the first bucket with use in the shortest window that fired.
3. A telling finding whose window ends within two hours of the last one extends it.
4. The buckets of an ended extent feed no window any more, nor is the release of what was launched in them netted against
   later launches. Buckets of a finding of an hour or less, told or habit, feed no day window, neither the judged one nor
   those it is compared with: a burst is judged once, and a nightly batch excuses no slow leak.
5. Findings that are habits make *recorded* extents of their own while no telling extent is open.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec
from msgspec.structs import replace

from usage_anomaly.detection import Finding, Scope, burn_rate, threshold
from usage_anomaly.detection.habit import habit
from usage_anomaly.detection.limits import FIGURES, Window
from usage_anomaly.resources import MICRO
from usage_anomaly.series import BUCKETS_PER_DAY, BUCKETS_PER_HOUR, Judged, Range

JOIN = FIGURES.life_cycle.join_buckets
MEMORY = 36 * BUCKETS_PER_DAY  # how long ranges are remembered: the weekday rule looks back five weeks
KEPT_STATES = 4_096  # snapshots per series; older late records lead to a fresh start


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """What a series is judged by. `limit` is per 10 minutes; `burn_limit` is USD per hour, None for unpriced kinds.

    Buckets before `coverage` have no records of the account; the walk starts at `since`, and up
    to `judged_from` only notes what windows of an hour or less have judged.
    """

    limit: int
    burn_limit: float | None
    windows: tuple[Window, ...] = FIGURES.windows
    scope: Scope = "account"
    unit: str = "units"
    one: str = "unit"
    whose: str = "accounts"
    coverage: int = 0
    since: int = 0
    judged_from: int = 0


class Extent(msgspec.Struct, frozen=True, kw_only=True):
    """Buckets [start, last_seen] without the `excluded` ranges (earlier extents inside a day window)."""

    start: int
    last_seen: int
    telling: bool
    findings: tuple[Finding, ...]  # the peak per detector and window length
    excluded: tuple[Range, ...] = ()
    peak: int = 0  # thousandths: the highest actual over its limit

    def ranges(self) -> list[Range]:
        """The stretches of buckets that belong to it."""
        return _without((self.start, self.last_seen), self.excluded)


class _State(msgspec.Struct, frozen=True, kw_only=True):
    """Where the walk through the series stands after a bucket."""

    ended: tuple[Extent, ...] = ()
    open: Extent | None = None
    recorded: Extent | None = None
    owned: tuple[Range, ...] = ()  # ranges of ended extents of the last 36 days, disjoint
    claims: tuple[Range, ...] = ()  # what findings of an hour or less have judged, disjoint


class Extents:
    """The extents of one series, kept up to date as records arrive in any order."""

    def __init__(self, series: Judged, rules: Rules) -> None:
        self.series = series
        self.rules = rules
        self._states: list[tuple[int, _State]] = []

    def refresh(self, bucket: int, rules: Rules | None = None) -> None:
        """Judge again from `bucket` on: its use, or the release of something, has become known.

        Changed rules (an earlier first record of the account) judge everything again.
        """
        if rules is not None and rules != self.rules:
            self.rules, self._states = rules, []
        while self._states and self._states[-1][0] >= bucket:
            self._states.pop()
        reached, state = self._states[-1] if self._states else (self.rules.since - 1, _State())
        for each in self.series.used_since(reached + 1):
            state = _advance(self.series, self.rules, state, each)
            self._states.append((each, state))
        if len(self._states) > KEPT_STATES:
            del self._states[: KEPT_STATES // 2]

    def all(self) -> list[Extent]:
        """All extents, told-worthy and recorded, in order of their start."""
        state = self._states[-1][1] if self._states else _State()
        running = [each for each in (state.open, state.recorded) if each is not None]
        return sorted([*state.ended, *running], key=lambda extent: (extent.start, extent.last_seen))


def _advance(series: Judged, rules: Rules, state: _State, bucket: int) -> _State:
    """The walk's next step: end what is over, judge the windows that end here, open or extend."""
    state = _end_what_is_over(state, bucket)
    if bucket < rules.judged_from:
        return _claim(state, bucket, _short_lengths(series, rules, bucket))
    told: list[_Found] = []
    habits: list[_Found] = []
    for found, excuse in _judge(series, rules, state, bucket):
        if excuse is None:
            told.append(found)
        else:
            reason = f"{found.finding.reason}; a habit: {excuse}"
            habits.append(replace(found, finding=replace(found.finding, reason=reason)))
    state = _claim(state, bucket, [each.length for each in (*told, *habits) if each.length <= BUCKETS_PER_HOUR])
    if told:
        return _tell(series, state, bucket, told)
    if habits and state.open is None:
        return replace(state, recorded=_extend(state.recorded, series, bucket, habits, state.owned, telling=False))
    return state


def _short_lengths(series: Judged, rules: Rules, bucket: int) -> list[int]:
    """The windows of an hour or less that end here above their limit, whether or not they were told."""
    found = [
        window.buckets
        for window in rules.windows
        if window.buckets <= BUCKETS_PER_HOUR
        and series.quantity(bucket - window.buckets + 1, bucket) > rules.limit * window.factor
    ]
    if rules.burn_limit is not None:
        micro = series.net_micro(bucket - BUCKETS_PER_HOUR + 1, bucket)
        found += [BUCKETS_PER_HOUR] if micro > rules.burn_limit * MICRO else []
    return found


class _Found(msgspec.Struct, frozen=True):
    """A finding, the length of its window in buckets, and how many thousandths of its limit it is."""

    finding: Finding
    length: int
    peak: int


def _judge(series: Judged, rules: Rules, state: _State, bucket: int) -> Iterator[tuple[_Found, str | None]]:
    """Each unusual window that ends with `bucket`, and why it is a habit or None."""
    running = state.open.start if state.open else None
    for window in rules.windows:
        limit, length = rules.limit * window.factor, window.buckets
        claims = state.claims if length > BUCKETS_PER_HOUR else ()
        skipped = _union(state.owned, claims) if claims else state.owned
        actual = _without_ranges(series.quantity, skipped)(bucket - length + 1, bucket)
        if actual > limit:
            finding = threshold.finding(
                series,
                bucket,
                window,
                actual=actual,
                limit=limit,
                scope=rules.scope,
                unit=rules.one if actual == 1 else rules.unit,
                whose=rules.whose,
            )
            measure = _without_ranges(series.quantity, claims)
            excuse = habit(measure, bucket, length, actual, rules.coverage, running)
            # Of a limit of 0 every unit is as much above it.
            yield _Found(finding, length, actual * 1000 // max(limit, 1)), excuse
    if rules.burn_limit is not None:
        low = bucket - BUCKETS_PER_HOUR + 1
        micro = _without_ranges(series.net_micro, state.owned)(low, bucket) + series.taken_off(low, bucket, state.owned)
        if micro > rules.burn_limit * MICRO:
            finding = burn_rate.finding(series, bucket, micro, rules.burn_limit, rules.whose)
            excuse = habit(series.net_micro, bucket, BUCKETS_PER_HOUR, micro, rules.coverage, running)
            yield _Found(finding, BUCKETS_PER_HOUR, int(micro * 1000 // (rules.burn_limit * MICRO))), excuse


def _claim(state: _State, bucket: int, lengths: list[int]) -> _State:
    if not lengths:
        return state
    return replace(state, claims=_union(state.claims, ((bucket - max(lengths) + 1, bucket),)))


def _tell(series: Judged, state: _State, bucket: int, told: list[_Found]) -> _State:
    """Open or extend the telling extent; what was being recorded and is now told leaves the record."""
    extent = _extend(state.open, series, bucket, told, state.owned, telling=True)
    recorded = state.recorded
    if recorded is not None and recorded.last_seen >= extent.start:
        recorded = None
    return replace(state, open=extent, recorded=recorded)


def _extend(
    extent: Extent | None,
    series: Judged,
    bucket: int,
    found: list[_Found],
    owned: tuple[Range, ...],
    *,
    telling: bool,
) -> Extent:
    findings = [each.finding for each in found]
    peak = max(each.peak for each in found)
    if extent is not None:
        peak = max(peak, extent.peak)
        return replace(extent, last_seen=bucket, findings=_peaks([*extent.findings, *findings]), peak=peak)
    low = bucket - min(each.length for each in found) + 1
    free = _without((low, bucket), owned)
    start = next(first for first in (series.first_used(*each) for each in free) if series.quantity(first, first) > 0)
    excluded = tuple(each for each in owned if each[1] >= start)
    return Extent(
        start=start, last_seen=bucket, telling=telling, findings=_peaks(findings), excluded=excluded, peak=peak
    )


def _end_what_is_over(state: _State, bucket: int) -> _State:
    if state.open is not None and bucket - state.open.last_seen > JOIN:
        owned = _within_reach(_union(state.owned, tuple(state.open.ranges())), bucket)
        claims = _within_reach(state.claims, bucket)
        state = replace(state, ended=(*state.ended, state.open), open=None, claims=claims, owned=owned)
    if state.recorded is not None and bucket - state.recorded.last_seen > JOIN:
        claims = _within_reach(state.claims, bucket)
        state = replace(state, ended=(*state.ended, state.recorded), recorded=None, claims=claims)
    return state


def _within_reach(ranges: tuple[Range, ...], bucket: int) -> tuple[Range, ...]:
    """The ranges that a window ending now, or one it is compared with, can still contain."""
    return tuple(each for each in ranges if each[1] > bucket - MEMORY)


def _without_ranges(measure: Callable[[int, int], int], skipped: tuple[Range, ...]) -> Callable[[int, int], int]:
    """The measure over what is left of a window without the skipped ranges, which are disjoint."""
    if not skipped:
        return measure

    def rest(low: int, high: int) -> int:
        inside = ((max(low, first), min(high, last)) for first, last in skipped if first <= high and last >= low)
        return measure(low, high) - sum(measure(first, last) for first, last in inside)

    return rest


def _peaks(findings: list[Finding]) -> tuple[Finding, ...]:
    """The highest finding of each detector and window length; the earlier of equals."""
    best: dict[tuple[str, int], Finding] = {}
    for finding in findings:
        key = (finding.detector, finding.window_minutes)
        if key not in best or finding.actual > best[key].actual:
            best[key] = finding
    return tuple(best[key] for key in sorted(best))


def _union(left: tuple[Range, ...], right: tuple[Range, ...]) -> tuple[Range, ...]:
    """Both sets of ranges as one, disjoint and in order."""
    merged: list[Range] = []
    for low, high in sorted((*left, *right)):
        if merged and low <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(merged[-1][1], high))
        else:
            merged.append((low, high))
    return tuple(merged)


def _without(whole: Range, holes: tuple[Range, ...]) -> list[Range]:
    """What is left of a range; `holes` are disjoint and in order."""
    low, high = whole
    rest: list[Range] = []
    for first, last in holes:
        if last < low or first > high:
            continue
        if first > low:
            rest.append((low, first - 1))
        low = last + 1
    if low <= high:
        rest.append((low, high))
    return rest
