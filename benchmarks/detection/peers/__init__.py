"""Which other detectors read the same events, and at which settings?

Each gives every window a score and is then asked at many thresholds; `customary` is the one that its users know. With
`floors` an alarm also needs what ours needs: the account type's floor of the kind within the hour.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from benchmarks.detection.organization import Organization
from benchmarks.detection.peers.forest import new_forest, scored_by_forest
from benchmarks.detection.peers.limits import over_limits
from benchmarks.detection.peers.rates import over_last_week, over_same_hours
from benchmarks.detection.peers.windows import Windows

GRID = (1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 5.0, 6.0, 8.0, 11.0, 15.0, 20.0, 30.0, 50.0, 80.0, 150.0, 300.0, 1000.0)
RAW = (0.8, 1.0, 1.5, 1.8, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5.0, 5.5, 6.0, 6.5, 7.0)
FACTORS = (1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 13.0, 17.0, 25.0, 40.0, 80.0)

Scored = dict[str, list[Windows]]


class Peer(msgspec.Struct, frozen=True, kw_only=True):
    """One detector: what it is called, which of the scored windows it takes, its thresholds, and the customary one."""

    name: str
    source: str
    thresholds: tuple[float, ...]
    customary: float
    floors: bool = True


PEERS = (
    Peer(name="fixed limits per 10 minutes", source="limits", thresholds=GRID, customary=1.0, floors=False),
    Peer(
        name="hourly rate per call and region over 7 days, mean + 3 sigma",
        source="week",
        thresholds=GRID,
        customary=3.0,
    ),
    Peer(name="seasonal robust z, hour of the week, 3.5", source="seasonal", thresholds=GRID, customary=3.5),
    Peer(
        name="random cut forest, 10 minutes, AWS thresholder, 3", source="10 grade", thresholds=FACTORS, customary=3.0
    ),
    Peer(name="random cut forest, 10 minutes, raw score, 3", source="10 raw", thresholds=RAW, customary=3.0),
    Peer(name="random cut forest, hourly, AWS thresholder, 3", source="60 grade", thresholds=FACTORS, customary=3.0),
    Peer(name="random cut forest, hourly, raw score, 3", source="60 raw", thresholds=RAW, customary=3.0),
)


def scored(organization: Organization) -> Scored:
    """Every window that any peer could alarm on, by source."""
    every: dict[str, Callable[[], list[Windows]]] = {
        "limits": lambda: over_limits(organization),
        "week": lambda: over_last_week(organization),
        "seasonal": lambda: over_same_hours(organization),
    }
    found = {name: make() for name, make in every.items()}
    for minutes in (10, 60):
        found[f"{minutes} raw"], found[f"{minutes} grade"] = scored_by_forest(organization, minutes, new_forest)
    return found
