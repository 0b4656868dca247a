"""Is this hour, or this day, more than the account's own past explains?

The past of a series becomes a small value, its *profile*: the mean use in the hour before each half hour of the day, a factor
for each weekday, and how much more than a Poisson process it scatters. Use is then a negative binomial draw, and the score
is how unlikely so much of it is: -log10 P(X >= amount). Days have a profile of one mean. A profile is a function of the
days before it, as far as they are known: late records lead to the same profile as punctual ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import accumulate
from math import exp, lgamma, log, log1p, sqrt

import msgspec

from usage_anomaly.detection import Finding, Scope
from usage_anomaly.detection.limits import FIGURES
from usage_anomaly.series import BUCKETS_PER_DAY, BUCKETS_PER_HOUR, bucket_start

RULE = FIGURES.baseline
SLOT = 6  # buckets of half an hour
SLOTS = BUCKETS_PER_DAY // SLOT
SMOOTHED = 2  # slots on either side: jobs jitter, and clocks change by an hour twice a year
LEAST_PHI = 1.001  # of a Poisson process it is 1, where the negative binomial has no parameters
EXACT_TERMS = 64
_SATURDAY = 5
EDGE = RULE.edge_hours * BUCKETS_PER_HOUR

Counts = Callable[[int, int], Iterable[tuple[int, int]]]


class Profile(msgspec.Struct, frozen=True):
    """What an account usually does in the window that ends in each slot of the day (UTC), before the weekday's factor.

    `means` has one slot for each half hour, or one for the whole day. `phi` is variance over mean; `days` says from how many
    days it was made, `most` what the busiest window of them held.
    """

    means: tuple[float, ...]
    weekdays: tuple[float, ...]
    phi: float
    days: int
    most: float = 0.0

    def beyond(self, amount: float) -> bool:
        """Whether so much is far more than any window of the days before, at whatever hour.

        A job that always comes at one minute scatters much around a mean over half hours; this needs no mean.
        """
        return amount >= RULE.peak_factor * self.most

    def expected(self, end: int) -> float:
        """The mean use in the window that ends with bucket `end`.

        The weekday is the busiest of those that it may be: its own in UTC, that of another time zone, and for days that of the
        day before, which the window holds most of.
        """
        slot = end % BUCKETS_PER_DAY * len(self.means) // BUCKETS_PER_DAY
        before = BUCKETS_PER_DAY - 1 if len(self.means) == 1 else EDGE
        return self.means[slot] * max(
            self.weekdays[_weekday(each // BUCKETS_PER_DAY)] for each in (end - before, end, end + EDGE)
        )

    def score(self, end: int, amount: float) -> float:
        """-log10 of the chance of so much or more in the window that ends with bucket `end`."""
        return tail(amount, self.expected(end), self.phi)


def profile(counts: Counts, days: Iterable[int], length: int = BUCKETS_PER_HOUR, cap: int | None = None) -> Profile:
    """The profile of windows of `length` buckets (hours, or a day), from the known days before (since 1970, UTC).

    `counts(low, high)` gives the used buckets in [low, high] with their quantity; each half hour counts up to `cap`. Hours that
    are unusual themselves are taken down to what was still usual, so that no incident becomes normal; the first look leaves
    out each half hour's largest day, so that an incident cannot hide itself. Whole days are taken as they were: only the cap
    bounds what an earlier incident adds to them.
    """
    if length == BUCKETS_PER_DAY:
        return _daily({each: sum(_halves(counts, each, 1, cap)) for each in days})
    hours = {each: _hours(_halves(counts, each, length // SLOT, cap), length // SLOT) for each in days}
    first = _fit(hours, trimmed=True)
    tamed = {each: _tamed(first, each, found) for each, found in hours.items()}
    most = max((use for found in hours.values() for use in found.values()), default=0.0)
    return msgspec.structs.replace(_fit(tamed, trimmed=False), most=most)


def needed(days: int, *, running: bool) -> float:
    """The score from which a window is unusual: higher where few days are known, lower while an anomaly is open."""
    return RULE.score_open if running else RULE.score * (1 + RULE.young / max(1, days))


def _daily(totals: Mapping[int, float]) -> Profile:
    level = sum(totals.values()) / max(1, len(totals))
    mean, weekdays = level + 1 / RULE.days, _weekdays(totals)
    scatter = sum((use - (usual := mean * weekdays[_weekday(day)])) ** 2 / usual for day, use in totals.items())
    phi = max(LEAST_PHI, scatter / max(1, len(totals) - 1))
    return Profile((mean * _trend(totals),), weekdays, phi, len(totals), max(totals.values(), default=0.0))


def tail(amount: float, mean: float, phi: float) -> float:
    """-log10 P(X >= amount) of a negative binomial with this mean and variance phi * mean; 0 up to the mean."""
    if amount <= mean:
        return 0.0
    size, log_rest = mean / (phi - 1), log1p(-1 / phi)
    largest = lgamma(amount + size) - lgamma(size) - lgamma(amount + 1) - size * log(phi) + amount * log_rest
    total = term = 1.0
    at = amount
    for _ in range(EXACT_TERMS):
        term *= (at + size) / (at + 1) * exp(log_rest)
        total += term
        at += 1
    # What is left is about geometric: its ratio moves slowly.
    ratio = (at + size) / (at + 1) * exp(log_rest)
    total += term * ratio / (1 - ratio) if ratio < 1 else 0.0
    return max(0.0, -(largest + log(total)) / log(10))


def finding(
    end: int, window: int, amount: int, usual: Profile, limit: int, *, scope: Scope, unit: str, confidence: float
) -> Finding:
    """The finding for the window of so many buckets that ends with `end`.

    Its score says how far the amount is above the window's limit, or above what is usual where that is more.
    """
    expected = usual.expected(end)
    span = "60 minutes" if window == BUCKETS_PER_HOUR else f"{window // BUCKETS_PER_HOUR} hours, short bursts left out"
    return Finding(
        detector="baseline",
        scope=scope,
        region=None,
        window_start=bucket_start(end - window + 1),
        window_end=bucket_start(end + 1),
        window_minutes=window * 5,
        actual=float(amount),
        expected=round(expected, 2),
        score=round(max(0.0, 1 - max(limit, expected) / amount), 4),
        confidence=confidence,
        reason=f"{amount:,} {unit} in {span}; usual then {said(expected)} ({usual.days} days known)",
    )


def said(mean: float) -> str:
    """A mean as people write it."""
    return f"{mean:,.0f}" if mean >= 10 else f"{mean:,.1f}".removesuffix(".0")


Hours = dict[
    int, float
]  # by half hour of the day: the use in the window before its end; those without any are left out


def _halves(counts: Counts, day: int, width: int, cap: int | None) -> list[int]:
    """The use in each half hour of a day, and in the `width` - 1 before it."""
    low, begin = day * BUCKETS_PER_DAY, width - 1
    halves = [0] * (begin + SLOTS)
    for bucket, quantity in counts(low - begin * SLOT, low + BUCKETS_PER_DAY - 1):
        halves[(bucket - low) // SLOT + begin] += quantity
    return halves if cap is None else [min(cap, each) for each in halves]


def _hours(halves: Sequence[int], width: int) -> Hours:
    """The windows of so many half hours that end on one day, those with use."""
    if not any(halves):
        return {}
    sums = [0, *accumulate(halves)]
    return {slot: float(use) for slot in range(SLOTS) if (use := sums[slot + width] - sums[slot])}


def _fit(hours: dict[int, Hours], *, trimmed: bool) -> Profile:
    number = len(hours)
    sums, largest = [0.0] * SLOTS, [0.0] * SLOTS
    for found in hours.values():
        for slot, use in found.items():
            sums[slot] += use
            largest[slot] = max(largest[slot], use)
    if trimmed and number > 1:
        sums = [total - most for total, most in zip(sums, largest, strict=True)]
    divisor = max(1, number - trimmed)
    level = sum(sums) / divisor / SLOTS
    means = tuple(
        max(_around(sums, slot) / divisor, level / RULE.level_share) + BUCKETS_PER_HOUR / (RULE.days * BUCKETS_PER_DAY)
        for slot in range(SLOTS)
    )
    dispersion = _dispersion(hours, means, largest if trimmed and number > 1 else None, divisor)
    totals = {day: sum(found.values()) for day, found in hours.items()}
    trend = 1.0 if trimmed else _trend(totals)
    return Profile(tuple(mean * trend for mean in means), _weekdays(totals), max(LEAST_PHI, dispersion), number)


def _trend(totals: Mapping[int, float]) -> float:
    """How much more the last days brought than all of them, shrunk by one day of the mean; never less than 1.

    A service that grows is ahead of its own four weeks; a past that was busier than last week is still the past.
    """
    last = sorted(totals)[-RULE.trend_days :]
    level = sum(totals.values()) / max(1, len(totals))
    return max(1.0, (sum(totals[day] for day in last) / level + 1) / (len(last) + 1)) if level else 1.0


def _around(sums: Sequence[float], slot: int) -> float:
    """The mean over the slots within an hour of this one."""
    near = [sums[(slot + shift) % SLOTS] for shift in range(-SMOOTHED, SMOOTHED + 1)]
    return sum(near) / len(near)


def _dispersion(
    hours: dict[int, Hours], means: Sequence[float], left_out: Sequence[float] | None, divisor: int
) -> float:
    """The mean of (use - mean)^2 / mean, over hours without use too."""
    total = sum(means) * divisor
    out = list(left_out or ())
    for found in hours.values():
        for slot, use in found.items():
            if out and use == out[slot]:
                out[slot] = -1.0  # the largest day of this half hour, once
                continue
            mean = means[slot]
            total += (use - mean) ** 2 / mean - mean
    return total / (divisor * SLOTS)


def _weekdays(totals: Mapping[int, float]) -> tuple[float, ...]:
    """A factor for each weekday, shrunk towards that of working days or weekends, and that towards 1."""
    level = sum(totals.values()) / max(1, len(totals))
    if not level:
        return (1.0,) * 7
    factors = []
    for weekday in range(7):
        alike = [use for day, use in totals.items() if (_weekday(day) >= _SATURDAY) == (weekday >= _SATURDAY)]
        same = [use for day, use in totals.items() if _weekday(day) == weekday]
        kind = (sum(alike) / level + 1) / (len(alike) + 1)
        factors.append((sum(same) / level + kind) / (len(same) + 1))
    return tuple(factors)


def _tamed(usual: Profile, day: int, hours: Hours) -> Hours:
    """The hours of a day with the unusual ones taken down."""
    tamed: Hours = {}
    for slot, use in hours.items():
        end = day * BUCKETS_PER_DAY + slot * SLOT + SLOT - 1
        mean = usual.expected(end)
        most = mean + 3 * sqrt(usual.phi * mean)
        tamed[slot] = most if use > most and usual.score(end, use) >= RULE.tamed_score else use
    return tamed


def _weekday(day: int) -> int:
    """Of a day since 1970, which began on a Thursday; Monday is 0."""
    return (day + 3) % 7
