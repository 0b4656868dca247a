"""Which hour has more than the hours before it, or than the same hours of other weeks?

`over_last_week`: each call and region of its own, against mean and standard deviation of the seven days before.
`over_same_hours`: each kind and account, against median and median deviation of the same hour of the week, up to five weeks
back; while there is less than two weeks, of the same hour of the days before. Of each week or day the largest of the hour
and the ones beside it stands. A deviation is at least what counts that are independent have (the square root), and one:
without that every first use alarms.
"""

from __future__ import annotations

import warnings

import numpy as np

from benchmarks.detection.organization import Organization
from benchmarks.detection.peers.windows import PER_HOUR, Line, Numbers, Windows, lines, windows

HOURS_A_DAY, HOURS_A_WEEK = 24, 168
LEAST_HOURS = 24  # of history before a mean is trusted
MOST_WEEKS = 5
LEAST_WEEKS = 2
LEAST_VALUES = 2
NORMAL = 1.4826  # a median deviation times this is a standard deviation where values are normally distributed


def over_last_week(organization: Organization) -> list[Windows]:
    """Standard deviations above the mean of the 168 hours before, hour by hour."""
    return [windows(line, week_scores(line), PER_HOUR) for line in lines(organization, by_call=True)]


def over_same_hours(organization: Organization) -> list[Windows]:
    """Robust deviations above the median of the same hours, hour by hour."""
    return [windows(line, seasonal_scores(line), PER_HOUR) for line in lines(organization)]


def week_scores(line: Line) -> Numbers:
    """Deviations above the mean of the week before, for each hour; NaN while too little is known."""
    amounts, begins = line.summed(PER_HOUR)[0], line.begins // PER_HOUR
    scores = np.full(len(amounts), np.nan)
    for hour in range(begins + LEAST_HOURS, len(amounts)):
        before = amounts[max(begins, hour - HOURS_A_WEEK) : hour]
        scores[hour] = (amounts[hour] - before.mean()) / max(before.std(), 1.0)
    return scores


def seasonal_scores(line: Line) -> Numbers:
    """Robust deviations above the median of the same hours, for each hour; NaN while too little is known."""
    amounts, begins = line.summed(PER_HOUR)[0], line.begins // PER_HOUR
    known = np.where(np.arange(len(amounts)) >= begins, amounts, np.nan)
    weekly = _earlier(known, HOURS_A_WEEK, MOST_WEEKS)
    daily = _earlier(known, HOURS_A_DAY, 2 * HOURS_A_WEEK // HOURS_A_DAY)
    young = np.arange(len(amounts)) - begins < LEAST_WEEKS * HOURS_A_WEEK
    middle, deviation = (np.where(young, day, week) for day, week in zip(_robust(daily), _robust(weekly), strict=True))
    scale = np.maximum(NORMAL * deviation, np.sqrt(np.maximum(middle, 1.0)))
    scores: Numbers = (amounts - middle) / scale
    return scores


def _earlier(known: Numbers, step: int, most: int) -> Numbers:
    """For each hour the values so many steps before, each the largest of three hours."""
    padded = np.concatenate([np.full(step * most + 1, np.nan), known, [np.nan]])
    length, offset = len(known), step * most + 1
    rows = []
    for back in (step * number for number in range(1, most + 1)):
        beside = [padded[offset - back + side : offset - back + side + length] for side in (-1, 0, 1)]
        rows.append(np.fmax(np.fmax(*beside[:2]), beside[2]))
    return np.array(rows)


def _robust(rows: Numbers) -> tuple[Numbers, Numbers]:
    """Median and median deviation of each column; NaN where it has too few values."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # columns without any value
        middle = np.nanmedian(rows, axis=0)
        deviation = np.nanmedian(np.abs(rows - middle), axis=0)
    few = np.isfinite(rows).sum(axis=0) < LEAST_VALUES
    return np.where(few, np.nan, middle), np.where(few, np.nan, deviation)
