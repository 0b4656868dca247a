"""Does each of the other detectors see a planted spike, and leave a flat line alone?"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from random import Random

import numpy as np
import pytest
from benchmarks.detection.chart import draw
from benchmarks.detection.compare import OURS, Curve, Point
from benchmarks.detection.peers.forest import forest_scores, thresholder_factors
from benchmarks.detection.peers.limits import limit_scores
from benchmarks.detection.peers.rates import seasonal_scores, week_scores
from benchmarks.detection.peers.windows import Line, Numbers, alarms, windows
from benchmarks.detection.score import Score
from tests.benchmarks.making import line

FIRST = datetime(2026, 3, 2, tzinfo=UTC)
HOURS = 21 * 24
SPIKE = HOURS - 30


class StandIn:
    """Scores a point by how far it is from the mean of those before, as a forest does in the main."""

    def __init__(self) -> None:
        self.seen: list[float] = []

    def score(self, point: list[float]) -> float:
        if len(self.seen) < 32:
            return 0.0
        return 0.9 + abs(point[0] - float(np.mean(self.seen))) / (1.0 + float(np.std(self.seen)))

    def update(self, point: list[float]) -> None:
        self.seen.append(point[0])


def by_forest(of: Line) -> Numbers:
    scores, rising = forest_scores(of, 12, StandIn())
    return np.where(rising, thresholder_factors(scores), np.nan)


HOURLY: dict[str, tuple[Callable[[Line], Numbers], float]] = {
    "week": (week_scores, 3.0),
    "seasonal": (seasonal_scores, 3.5),
    "forest": (by_forest, 3.0),
}


def flat(noise: float = 0.0) -> list[float]:
    """Five each hour, or about that many."""
    dice = Random(7)
    return [max(0.0, round(dice.gauss(5, noise))) for _ in range(HOURS)]


@pytest.mark.parametrize("name", sorted(HOURLY))
def test_an_hourly_detector_finds_a_spike_and_only_that(name: str) -> None:
    """A rival that was made blind would make us look good."""
    scores_of, threshold = HOURLY[name]
    amounts = flat(0.5)
    amounts[SPIKE] = 60
    of = line(amounts)
    found = alarms([windows(of, scores_of(of), 12)], threshold, FIRST, floors=True)
    assert FIRST + timedelta(hours=SPIKE) in [each.start for each in found]
    assert len(found) <= 2


@pytest.mark.parametrize("name", sorted(HOURLY))
def test_an_hourly_detector_leaves_a_flat_line_alone(name: str) -> None:
    """A rival that cries at everything would make us look good, too."""
    scores_of, threshold = HOURLY[name]
    of = line(flat())
    assert alarms([windows(of, scores_of(of), 12)], threshold, FIRST, floors=False) == []


def test_limits_are_passed_by_more_than_the_limit_within_ten_minutes() -> None:
    """At the limit is not above it; ten minutes are any two buckets in a row."""
    of = line([0.0] * 24)
    of.amounts[100:102] = 5
    of.amounts[200:202] = 6
    found = alarms([windows(of, limit_scores(of), 2, sliding=True)], 1.0, FIRST, floors=False)
    assert [(each.start, each.end) for each in found] == [
        (FIRST + timedelta(minutes=5 * 200), FIRST + timedelta(minutes=5 * 202))
    ]


def test_a_weekly_habit_is_usual_to_the_seasonal_detector_only() -> None:
    """That is what it is there for; without it, it would be the other one under another name."""
    amounts = flat()
    for week in range(3):
        amounts[week * 168 + 50] = 60
    of, hour = line(amounts), 2 * 168 + 50
    assert seasonal_scores(of)[hour] < 3.5 < week_scores(of)[hour]


def test_alarms_within_two_hours_are_one_and_keep_the_first_arrival() -> None:
    """Else a rival would be charged twelve false alarms for one morning."""
    amounts = [0.0] * 48
    for hour in (10, 11, 13, 20):
        amounts[hour] = 50
    of = line(amounts)
    found = alarms([windows(of, of.summed(12)[0], 12)], 40.0, FIRST, floors=False)
    assert [(each.start.hour, each.end.hour) for each in found] == [(10, 14), (20, 21)]
    assert found[0].opened == FIRST + timedelta(hours=10, minutes=55 + 8)


def test_floors_keep_small_hours_from_alarming() -> None:
    """Ours asks for half the limit as well; the rivals may have that help."""
    of = line([0.0] * 47 + [4.0])
    scores = windows(of, of.summed(12)[0], 12)
    assert alarms([scores], 1.0, FIRST, floors=True) == []
    assert len(alarms([scores], 1.0, FIRST, floors=False)) == 1


def test_the_chart_has_a_line_for_each_detector_and_the_same_bytes_twice() -> None:
    """A chart that changes from run to run hides the change that matters."""
    points = (Point(threshold=1.0, found=5, planted=10, false=0, account_weeks=10.0),)
    nothing = Score(found=(), false=(), account_weeks=10.0)
    curves = [Curve(name=name, points=points, customary=nothing) for name in (OURS, "one", "one, with floors", "two")]
    first = draw(curves)
    assert first == draw(curves)
    assert [name for name in (">this project<", ">one<", ">one, with floors<", ">two<") if name in first.decode()] == [
        ">this project<",
        ">one, with floors<",
        ">two<",
    ]
