"""How does our judge stand beside the other detectors, at their customary settings and at all others?

One seed at a time: the organization is generated, judged and scored with nothing kept of it but figures, so that seeds can
run in processes of their own.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Sequence

import msgspec

from benchmarks.detection.judge import openings, replayed, scaled
from benchmarks.detection.organization import Organization, generate
from benchmarks.detection.score import Causes, Score, score, together
from benchmarks.detection.setting import rooms

OURS = "this project"
WITH_FLOORS = ", with floors"


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked of one seed. `factors` scale our limits for our curve."""

    seed: int
    accounts: int
    days: int
    peers: bool
    factors: tuple[float, ...] = ()


class Point(msgspec.Struct, frozen=True, kw_only=True):
    """One detector at one threshold."""

    threshold: float
    found: int
    planted: int
    false: int
    account_weeks: float

    @property
    def recall(self) -> float:
        return self.found / max(1, self.planted)

    @property
    def false_rate(self) -> float:
        return self.false / max(self.account_weeks, 1e-9)


class Curve(msgspec.Struct, frozen=True, kw_only=True):
    """One detector at all its thresholds, in their order, and its whole score at the customary one."""

    name: str
    points: tuple[Point, ...]
    customary: Score

    def recall_at(self, false_rate: float) -> float | None:
        """The best recall of the points with no more false alarms than that; None where each has more."""
        return max((each.recall for each in self.points if each.false_rate <= false_rate), default=None)


def point(threshold: float, scored: Score) -> Point:
    """The figures of a score."""
    return Point(
        threshold=threshold,
        found=sum(bool(each.openings) for each in scored.found),
        planted=len(scored.found),
        false=len(scored.false),
        account_weeks=scored.account_weeks,
    )


def merged(curves: Sequence[Curve]) -> Curve:
    """One detector's curves on several organizations as one; the thresholds are the same."""
    points = tuple(
        Point(
            threshold=same[0].threshold,
            found=sum(each.found for each in same),
            planted=sum(each.planted for each in same),
            false=sum(each.false for each in same),
            account_weeks=sum(each.account_weeks for each in same),
        )
        for same in zip(*(curve.points for curve in curves), strict=True)
    )
    return Curve(name=curves[0].name, points=points, customary=together(curve.customary for curve in curves))


def run(task: Task) -> list[Curve]:
    """Our curve first, then the peers', each with and without floors where that is a choice."""
    begin = time.perf_counter()
    organization = generate(task.seed, task.accounts, task.days)
    made = time.perf_counter()
    curves = [ours(organization, task.factors)]
    judged = time.perf_counter()
    if task.peers:
        curves += others(organization)
    print(
        f"seed {task.seed}: {len(organization.arrived):,} events, {len(organization.labels)} incidents; made in "
        f"{made - begin:.0f} s, judged in {judged - made:.0f} s, peers {time.perf_counter() - judged:.0f} s",
        file=sys.stderr,
        flush=True,
    )
    return curves


def ours(organization: Organization, factors: Iterable[float]) -> Curve:
    """Our score, and points with limits and floors scaled by each factor."""
    causes = Causes(organization)

    def judged(factor: float) -> Score:
        catalog = rooms()[0] if factor == 1 else scaled(rooms()[0], factor)
        replay = replayed(organization.accounts, organization.first, organization.arrived, catalog)
        return score(organization, openings(replay), causes if factor == 1 else None)

    scores = {factor: judged(factor) for factor in sorted({1.0, *factors})}
    points = tuple(point(factor, each) for factor, each in scores.items())
    return Curve(name=OURS, points=points, customary=scores[1.0])


def others(organization: Organization) -> list[Curve]:
    """The peers' curves."""
    from benchmarks.detection.peers import PEERS, scored  # numpy and the forest are not needed without them
    from benchmarks.detection.peers.windows import alarms

    windows = scored(organization)
    curves = []
    for peer in PEERS:
        for floors in (True, False) if peer.floors else (False,):
            told = {
                threshold: score(
                    organization, alarms(windows[peer.source], threshold, organization.first, floors=floors)
                )
                for threshold in sorted({*peer.thresholds, peer.customary})
            }
            name = peer.name + WITH_FLOORS if floors else peer.name
            points = tuple(point(threshold, each) for threshold, each in told.items())
            curves.append(Curve(name=name, points=points, customary=told[peer.customary]))
    return curves
