"""Which point is one that a random cut forest has not seen the like of?

One forest for each kind and account with AWS's own library (`krcf`) and the settings of OpenSearch's plugin: 50 trees of 256
points, eight points in a row, zeros where nothing was used, scores from the 32nd point on. Asked are the raw score, and
AWS's thresholder, which compares it with the scores before. Spikes only: a point below the mean of its shingle is none.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf, nan, sqrt
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from benchmarks.detection.organization import Organization
from benchmarks.detection.peers.windows import Line, Numbers, Windows, lines, windows

SHINGLE, TREES, SAMPLES, FIRST_SCORE, SEED = 8, 50, 256, 32, 7
DECAY = 1 / (10 * SAMPLES)
# AWS's BasicThresholder (random-cut-forest-by-aws, parkservices): its defaults, under other names.
FEWEST_SCORES, SURELY_USUAL, LOW_MEAN, HIGHEST_LEARNED = 10, 0.8, 0.9, 2.0


class Forest(Protocol):
    """What is asked of a forest."""

    def score(self, point: list[float]) -> float: ...

    def update(self, point: list[float]) -> None: ...


def new_forest() -> Forest:
    """A forest as OpenSearch's plugin makes one."""
    from krcf import RandomCutForest  # only where the peers are asked: it is no test's dependency

    forest: Forest = RandomCutForest(
        {
            "dimensions": 1,
            "shingle_size": SHINGLE,
            "num_trees": TREES,
            "sample_size": SAMPLES,
            "output_after": FIRST_SCORE,
            "lambda": DECAY,
            "random_seed": SEED,
            "internal_shingling": True,
        }
    )
    return forest


def scored_by_forest(
    organization: Organization, minutes: int, new: Callable[[], Forest]
) -> tuple[list[Windows], list[Windows]]:
    """Windows of so many minutes with the raw score, and with the largest factor at which the thresholder alarms."""
    raw, grades = [], []
    for line in lines(organization):
        scores, rising = forest_scores(line, minutes // 5, new())
        raw.append(windows(line, np.where(rising, scores, nan), minutes // 5))
        grades.append(windows(line, np.where(rising, thresholder_factors(scores), nan), minutes // 5))
    return raw, grades


def forest_scores(line: Line, buckets: int, forest: Forest) -> tuple[Numbers, NDArray[np.bool_]]:
    """The raw score of each window, NaN before the account's beginning, and whether it is above its shingle's mean."""
    amounts = line.summed(buckets)[0].tolist()
    scores, rising = np.full(len(amounts), nan), np.zeros(len(amounts), dtype=np.bool_)
    for place in range(line.begins // buckets, len(amounts)):
        amount, shingle = amounts[place], amounts[max(0, place - SHINGLE + 1) : place + 1]
        scores[place], rising[place] = forest.score([amount]), amount * len(shingle) > sum(shingle)
        forest.update([amount])
    return scores, rising


def thresholder_factors(scores: Numbers) -> Numbers:
    """For each score the largest z-factor with which it would still be above the thresholder's threshold.

    The threshold is the mean of the scores so far, one deviation of theirs, and (factor - 1) times a deviation that also
    looks at their differences and at the scores below the mean; means fade. It is never below 0.8 (less where the mean is
    low), and 1.5 counts in while there are fewer than 20 scores.
    """
    overall, steps, below = _Fading(DECAY), _Fading(DECAY), _Fading(DECAY / 10)
    last, factors = 0.0, np.full(len(scores), nan)
    for place, score in enumerate(scores.tolist()):
        if not score > 0:  # before the beginning, or before the first score
            continue
        factors[place] = _factor(score, overall, steps, below)
        learned = min(score, HIGHEST_LEARNED)
        if learned < overall.mean:
            below.take(overall.mean - learned)
        overall.take(learned)
        steps.take(score - last)
        last = score
    return factors


def _factor(score: float, overall: _Fading, steps: _Fading, below: _Fading) -> float:
    least = SURELY_USUAL * min(1.0, overall.mean / LOW_MEAN) if overall.count > 2 * FEWEST_SCORES else SURELY_USUAL
    if score < least or overall.count < 2 * FEWEST_SCORES:
        return -inf
    wide = min(overall.deviation, max(steps.deviation, sqrt(2) * below.deviation))
    deviation = (wide + steps.deviation) / 2
    above = score - overall.mean - overall.deviation
    return 1 + above / deviation if deviation > 0 else (inf if above > 0 else -inf)


class _Fading:
    """Mean and deviation in which older values count less, once there are many."""

    def __init__(self, decay: float) -> None:
        self.decay, self.count, self.weight = decay, 0, 0.0
        self.total = self.squares = 0.0

    def take(self, value: float) -> None:
        kept = 1.0 - max(0.0, min(self.decay, 1.0 / (self.count + 2)))
        self.count += 1
        self.weight = self.weight * kept + 1.0
        self.total = self.total * kept + value
        self.squares = self.squares * kept + value * value

    @property
    def mean(self) -> float:
        return self.total / self.weight if self.weight else 0.0

    @property
    def deviation(self) -> float:
        if not self.weight:
            return 0.0
        return sqrt(max(0.0, self.squares / self.weight - self.mean**2))
