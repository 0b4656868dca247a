"""Does the baseline know an account's habits, and forget no incident for one?"""

from __future__ import annotations

from collections.abc import Iterator
from math import exp, isclose, lgamma, log, log10
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from usage_anomaly.detection.baseline import Profile, profile, tail
from usage_anomaly.detection.limits import FIGURES
from usage_anomaly.series import BUCKETS_PER_DAY

DAY = 20_000  # a Thursday
WEEKEND = {2, 3}  # days of the week from DAY on
TOLD = FIGURES.baseline.score


def made(use: dict[int, int], days: int = 28) -> Profile:
    """The hourly profile for day DAY + `days`; `use` by bucket, counted from DAY's midnight."""

    def counts(low: int, high: int) -> Iterator[tuple[int, int]]:
        origin = DAY * BUCKETS_PER_DAY
        return ((origin + at, use[at]) for at in sorted(use) if low <= origin + at <= high)

    return profile(counts, range(DAY, DAY + days))


def score(usual: Profile, day: int, hour: float, amount: int) -> float:
    """The score of an amount in the hour before `hour` o'clock."""
    return usual.score((DAY + day) * BUCKETS_PER_DAY + round(hour * 12) - 1, amount)


def nightly(days: int, amount: int, hour: float = 2, seed: int = 1) -> dict[int, int]:
    """So many each night, within twenty minutes of an hour."""
    rng = Random(seed)
    return {day * BUCKETS_PER_DAY + round(hour * 12) + rng.randint(0, 4): amount for day in range(days)}


def probability(amount: int, mean: float, phi: float) -> float:
    """P(X >= amount), each term of the distribution added up."""
    size, rest = mean / (phi - 1), 1 - 1 / phi
    below = sum(
        exp(lgamma(k + size) - lgamma(size) - lgamma(k + 1) - size * log(phi) + k * log(rest)) for k in range(amount)
    )
    return 1 - below


@given(
    mean=st.floats(0.001, 200),
    phi=st.floats(1.01, 50),
    times=st.floats(1, 4),
)
def test_the_tail_is_that_of_the_distribution(mean: float, phi: float, times: float) -> None:
    """Where adding up all terms is exact enough to compare with."""
    amount = int(mean * times) + 1
    exact = probability(amount, mean, phi)
    if exact > 1e-9:
        assert isclose(tail(amount, mean, phi), -log10(exact), rel_tol=0.03, abs_tol=0.06)


@given(mean=st.floats(0.0001, 1e7), phi=st.floats(1.001, 1e5), amount=st.integers(0, 10**9))
def test_more_use_is_never_less_unusual(mean: float, phi: float, amount: int) -> None:
    """From one invocation to billions, without an overflow."""
    assert 0 <= tail(amount, mean, phi) <= tail(amount + 1 + amount // 3, mean, phi) + 1e-6


def test_a_series_without_use_makes_anything_above_the_floor_unusual() -> None:
    """A forest never starts on such a series; here the floor decides."""
    assert score(made({}), 28, 12, 4) > TOLD


def test_a_nightly_batch_is_usual_and_three_times_it_is_not() -> None:
    """Forty every night at two, then a hundred and twenty; forty at noon are news too."""
    usual = made(nightly(28, 40))
    assert score(usual, 28, 2.5, 40) < TOLD
    assert score(usual, 28, 2.5, 120) > TOLD
    assert score(usual, 28, 13, 40) > TOLD


@pytest.mark.parametrize("seed", range(5))
def test_office_hours_scatter_and_stay_usual(seed: int) -> None:
    """Two launches in an hour on average, on working days from eight to six: chance alone passes no score."""
    rng = Random(seed)
    office = {
        day * BUCKETS_PER_DAY + bucket: 1
        for day in range(28)
        for bucket in range(96, 216)
        if day % 7 not in WEEKEND and rng.random() < 1 / 6
    }
    usual = made(office)
    worst = max(
        score(
            usual, 28, hour, sum(office.get(day * BUCKETS_PER_DAY + round(hour * 12) - 1 - at, 0) for at in range(12))
        )
        for day in range(28)
        for hour in range(9, 19)
    )
    assert worst < TOLD
    assert score(usual, 28, 12, 30) > TOLD


def test_weekends_are_told_from_working_days() -> None:
    """A group that is half as large on weekends has a lower mean there."""
    week = {day * BUCKETS_PER_DAY + 84 + at: 2 if day % 7 in WEEKEND else 10 for day in range(28) for at in range(3)}
    usual = made(week)
    saturday, monday = (DAY + 30) * BUCKETS_PER_DAY + 90, (DAY + 32) * BUCKETS_PER_DAY + 90
    assert usual.expected(saturday) < usual.expected(monday) / 2


def test_an_incident_does_not_become_normal() -> None:
    """A thousand on one afternoon leave the next week's profile nearly as it was."""
    quiet = nightly(28, 10)
    poisoned = dict(quiet) | {20 * BUCKETS_PER_DAY + 180 + at: 250 for at in range(4)}
    before, after = made(quiet), made(poisoned)
    assert score(before, 28, 15.5, 30) > TOLD
    assert score(after, 28, 15.5, 30) > TOLD
    assert after.phi < 2 * before.phi


def test_a_week_is_enough_and_says_so() -> None:
    """Seven nights are a profile, and the finding says of how many days it was made."""
    usual = made(nightly(7, 40), days=7)
    assert usual.days == 7
    assert score(usual, 7, 2.5, 40) < TOLD


def test_days_are_judged_by_days() -> None:
    """A leak of a hundred a day is unusual for an account of twenty, whatever its hours look like."""
    noons = [((DAY + day) * BUCKETS_PER_DAY + 144, 20 + day % 5) for day in range(28)]
    usual = profile(
        lambda low, high: ((at, use) for at, use in noons if low <= at <= high),
        range(DAY, DAY + 28),
        BUCKETS_PER_DAY,
    )
    end = (DAY + 29) * BUCKETS_PER_DAY - 1
    assert usual.score(end, 40) < TOLD < usual.score(end, 100)


@given(
    used=st.dictionaries(st.integers(0, 14 * BUCKETS_PER_DAY - 1), st.integers(0, 10**6), max_size=60),
    days=st.integers(1, 14),
)
def test_any_past_makes_a_profile_of_finite_numbers(used: dict[int, int], days: int) -> None:
    """No division by nothing, no negative mean, whatever was used."""
    usual = made(used, days)
    assert all(0 < mean < 1e12 for mean in usual.means)
    assert all(0 < factor < 20 for factor in usual.weekdays)
    assert usual.phi >= 1
