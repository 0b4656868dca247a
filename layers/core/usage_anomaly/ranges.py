"""Which of the numbered buckets of a series belong together?

A range is a first and a last bucket, both included. Sets of ranges are disjoint and in order.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from operator import itemgetter

Range = tuple[int, int]
Measure = Callable[[int, int], int]  # what is summed over a range

_LAST = itemgetter(1)


def without(measure: Measure, skipped: tuple[Range, ...]) -> Measure:
    """The measure over what is left of a window without the skipped ranges, which are disjoint."""
    if not skipped:
        return measure

    def rest(low: int, high: int) -> int:
        found = measure(low, high)
        for place in range(bisect_left(skipped, low, key=_LAST), len(skipped)):
            first, last = skipped[place]
            if first > high:
                break
            found -= measure(max(low, first), min(high, last))
        return found

    return rest


def union(left: tuple[Range, ...], right: tuple[Range, ...]) -> tuple[Range, ...]:
    """Both sets of ranges as one, disjoint and in order."""
    merged: list[Range] = []
    for low, high in sorted((*left, *right)):
        if merged and low <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(merged[-1][1], high))
        else:
            merged.append((low, high))
    return tuple(merged)


def left_of(whole: Range, holes: tuple[Range, ...]) -> list[Range]:
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
