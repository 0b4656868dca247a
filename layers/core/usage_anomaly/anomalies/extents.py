"""Which stretches of a series are one unusual thing each?

An *extent* runs from the first to the last bucket of findings that belong together. Extents are a function of the series
alone: they are found by going through its used buckets in order of event time, so that late records lead to the same
extents as punctual ones. Six rules, decided here and in docs/decisions.md:

1. In each used bucket every window that ends there is judged. A finding tells unless something excuses it, as a habit does.
2. The first telling finding opens an extent; it starts at the first bucket with use in the shortest window that fired.
3. A telling finding whose window ends within two hours of the last one extends it.
4. The buckets of an ended extent feed no window any more, nor is the release of what was launched in them netted against
   later launches. Buckets above a limit for an hour or less, told or excused, feed no day window, neither the judged one nor
   those it is compared with: a burst is judged once, and a nightly batch excuses no slow leak.
5. Findings that are excused make *recorded* extents of their own while no telling extent is open.
6. A learned finding that stood alone is added to the extent that another detector opens or keeps open, as soon as that one
   says its window too; it moves neither start nor end.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec
from msgspec.structs import replace

from usage_anomaly.coverage import Coverage
from usage_anomaly.detection import Finding
from usage_anomaly.detection.judging import Judge, Rules, Standing, Verdict
from usage_anomaly.detection.learned import Learned, agree, buckets, sure
from usage_anomaly.detection.limits import FIGURES
from usage_anomaly.ranges import Range, left_of, union
from usage_anomaly.series import BUCKETS_PER_DAY, Judged

JOIN = FIGURES.life_cycle.join_buckets
MEMORY = 36 * BUCKETS_PER_DAY  # how long ranges are remembered: the weekday rule looks back five weeks
KEPT_STATES = 4_096  # snapshots per series; older late records lead to a fresh start


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
        return left_of((self.start, self.last_seen), self.excluded)


class _State(msgspec.Struct, frozen=True, kw_only=True):
    """Where the walk through the series stands after a bucket."""

    ended: tuple[Extent, ...] = ()
    open: Extent | None = None
    recorded: Extent | None = None
    owned: tuple[Range, ...] = ()  # ranges of ended extents of the last 36 days, disjoint
    claims: tuple[Range, ...] = ()  # what findings of an hour or less have judged, disjoint
    waiting: tuple[Finding, ...] = ()  # learned findings of the last two hours that stood alone


class Extents:
    """The extents of one series, kept up to date as records arrive in any order.

    `owned` are disjoint ranges of extents that ended before the walk judges anything.
    """

    def __init__(
        self,
        series: Judged,
        rules: Rules,
        coverage: Coverage,
        learned: Sequence[Learned] = (),
        owned: tuple[Range, ...] = (),
    ) -> None:
        self.series = series
        self._judge = Judge(series, rules, coverage, learned)
        self._beginning = _State(owned=owned)
        self._states: list[tuple[int, _State]] = []

    @property
    def rules(self) -> Rules:
        return self._judge.rules

    def refresh(self, bucket: int, rules: Rules | None = None) -> None:
        """Judge again from `bucket` on: its use, the release of something, or a day of the account has become known.

        Changed rules judge everything again.
        """
        if rules is not None and rules != self.rules:
            self._judge = Judge(self.series, rules, self._judge.coverage, self._judge.spikes.learned)
            self._states = []
        self._judge.forget(bucket)
        while self._states and self._states[-1][0] >= bucket:
            self._states.pop()
        reached, state = self._states[-1] if self._states else (self.rules.since - 1, self._beginning)
        for each in self.series.used_since(reached + 1):
            state = _advance(self._judge, state, each)
            self._states.append((each, state))
        if len(self._states) > KEPT_STATES:
            del self._states[: KEPT_STATES // 2]

    def all(self) -> list[Extent]:
        """All extents, told-worthy and recorded, in order of their start."""
        state = self._states[-1][1] if self._states else self._beginning
        running = [each for each in (state.open, state.recorded) if each is not None]
        return sorted([*state.ended, *running], key=lambda extent: (extent.start, extent.last_seen))

    def compared(self, bucket: int) -> list[Verdict]:
        """Every comparison that was made for the windows that end with `bucket`, in the light of what came before it."""
        state = next((state for reached, state in reversed(self._states) if reached < bucket), self._beginning)
        return list(self._judge.compared(bucket, _standing(_before(self._judge, state, bucket))))


def _standing(state: _State) -> Standing:
    if state.open is None:
        return Standing(owned=state.owned, claims=state.claims)
    return Standing(owned=state.owned, claims=state.claims, running=state.open.start, said=state.open.findings)


def _advance(judge: Judge, state: _State, bucket: int) -> _State:
    """The walk's next step: end what is over, judge the windows that end here, open or extend."""
    state = _before(judge, state, bucket)
    if bucket < judge.rules.judged_from:
        return state
    found = list(judge.verdicts(bucket, _standing(state)))
    told = [each for each in found if each.excuse is None]
    alone = (each.finding for each in found if each.waits and each.finding is not None)
    waiting = (each for each in state.waiting if bucket - buckets(each)[1] <= JOIN)
    state = replace(state, waiting=(*waiting, *alone))
    if told:
        state = _tell(judge.series, state, bucket, told)
    elif found and state.open is None:
        recorded = _extend(state.recorded, judge.series, bucket, found, state.owned, telling=False)
        state = replace(state, recorded=recorded)
    return _join(state, told) if state.waiting else state


def _join(state: _State, told: Iterable[Verdict]) -> _State:
    """Add the learned findings that stood alone to the open extent, as far as another detector says the same."""
    if state.open is None:
        return state
    said = [*state.open.findings, *(each.finding for each in told if each.finding is not None)]
    joined = [each for each in state.waiting if any(agree(each, other) for other in said)]
    return replace(state, open=replace(state.open, findings=_peaks([*state.open.findings, *joined])))


def _before(judge: Judge, state: _State, bucket: int) -> _State:
    """The state in which the windows that end here are judged: without what is over, and with what is above a limit for an
    hour or less claimed."""
    state = _end_what_is_over(state, bucket)
    length = judge.claimed(bucket)
    if not length:
        return state
    return replace(state, claims=union(state.claims, ((bucket - length + 1, bucket),)))


def _tell(series: Judged, state: _State, bucket: int, told: list[Verdict]) -> _State:
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
    found: list[Verdict],
    owned: tuple[Range, ...],
    *,
    telling: bool,
) -> Extent:
    findings = [_said(each.finding, each.excuse) for each in found if each.finding is not None]
    peak = max(each.peak for each in found)
    if extent is not None:
        peak = max(peak, extent.peak)
        return replace(extent, last_seen=bucket, findings=_peaks([*extent.findings, *findings]), peak=peak)
    low = bucket - min(each.length for each in found) + 1
    free = left_of((low, bucket), owned)
    start = next(first for first in (series.first_used(*each) for each in free) if series.quantity(first, first) > 0)
    excluded = tuple(each for each in owned if each[1] >= start)
    return Extent(
        start=start, last_seen=bucket, telling=telling, findings=_peaks(findings), excluded=excluded, peak=peak
    )


def _end_what_is_over(state: _State, bucket: int) -> _State:
    if state.open is not None and bucket - state.open.last_seen > JOIN:
        owned = _within_reach(union(state.owned, tuple(state.open.ranges())), bucket)
        claims = _within_reach(state.claims, bucket)
        state = replace(state, ended=(*state.ended, state.open), open=None, claims=claims, owned=owned)
    if state.recorded is not None and bucket - state.recorded.last_seen > JOIN:
        claims = _within_reach(state.claims, bucket)
        state = replace(state, ended=(*state.ended, state.recorded), recorded=None, claims=claims)
    return state


def _within_reach(ranges: tuple[Range, ...], bucket: int) -> tuple[Range, ...]:
    """The ranges that a window ending now, or one it is compared with, can still contain."""
    return tuple(each for each in ranges if each[1] > bucket - MEMORY)


def _said(finding: Finding, excuse: str | None) -> Finding:
    """The finding, with why it is recorded where it is."""
    return finding if excuse is None else replace(finding, reason=f"{finding.reason}; recorded: {excuse}")


def _peaks(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """The highest finding of each detector and window length; the earlier of equals."""
    best: dict[tuple[str, int], Finding] = {}
    for finding in findings:
        key = (finding.detector, finding.window_minutes)
        if key not in best or _height(finding) > _height(best[key]):
            best[key] = finding
    return tuple(best[key] for key in sorted(best))


def _height(finding: Finding) -> tuple[bool, float, float]:
    """What the peak is: the most used; of learned findings, whose units differ, a sure one of the highest grade."""
    return (
        (sure(finding), finding.score, finding.actual) if finding.detector == "learned" else (True, 0.0, finding.actual)
    )
