"""Which told anomalies would other limits hide, add, or tell otherwise?

Sets two replays of the same records side by side, pair by pair. What was told by both is the same anomaly where it has the
same id, else where the two share a stretch of time.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Literal

import msgspec

from usage_anomaly.anomalies import Anomaly
from usage_anomaly.anomalies.extents import Extent
from usage_anomaly.anomalies.rules import Pair
from usage_anomaly.replay import Outcome
from usage_anomaly_cli.running import Plan, Run, composed

RECORDED = "; recorded: "  # how an extent's finding says why it is not told

Change = Literal["hidden", "added", "changed"]


class Counted(msgspec.Struct, frozen=True):
    """What one replay comes to; an anomaly makes a message when it is opened, grows, is quiet, is closed."""

    told: int
    messages: int
    recorded: int


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """One anomaly that is told by one set of limits only, or otherwise by the other.

    `whole` is the id of the anomaly that covers its time too: what is hidden has become part of it, what is added was.
    `instead` says why it is recorded where it is not told; None where it is not even that.
    """

    change: Change
    before: Anomaly | None
    after: Anomaly | None
    whole: str | None = None
    instead: str | None = None

    @property
    def anomaly(self) -> Anomaly:
        """As it is told: by the limits as they are, where it is told by them."""
        found = self.before or self.after
        if found is None:
            raise ValueError("a difference without an anomaly")
        return found


class Comparison(msgspec.Struct, frozen=True):
    """The limits as they are against the changed ones."""

    before: Counted
    after: Counted
    differences: tuple[Difference, ...]

    def of(self, change: Change) -> list[Difference]:
        return [each for each in self.differences if each.change == change]


def compare(before: Run, after: Run, plan: Plan) -> Comparison:
    """What is told by two replays of the same records."""
    old, new = _by_pair(before), _by_pair(after)
    found = [
        each
        for pair in sorted({*old, *new})
        for each in _of_pair(_Side(old[pair], before, plan), _Side(new[pair], after, plan))
    ]
    found.sort(key=lambda each: (each.anomaly.start, each.anomaly.account_id, each.anomaly.kind, each.anomaly.id))
    return Comparison(_counted(old), _counted(new), tuple(found))


class _Side:
    """What one set of limits makes of a pair; anomalies are put together only for what differs, for that takes time."""

    def __init__(self, outcomes: Sequence[Outcome], finished: Run, plan: Plan) -> None:
        self.told = [each for each in outcomes if each.told is not None]
        self.recorded = [each.extent for each in outcomes if each.told is None]
        self._finished, self._plan = finished, plan

    def anomalies(self) -> list[Anomaly]:
        return composed(self.told, self._finished, self._plan)


def _of_pair(old: _Side, new: _Side) -> Iterator[Difference]:
    if old.told == new.told:
        return
    before, after = old.anomalies(), new.anomalies()
    partners = _partners(before, after)
    for index, each in enumerate(before):
        if index in partners:
            other = after[partners[index]]
            if _as_read(each) != _as_read(other):
                yield Difference(change="changed", before=each, after=other)
            continue
        whole = _overlapping(each, after)
        instead = _recorded(old.told[index].extent, new.recorded)
        yield Difference(change="hidden", before=each, after=None, whole=whole, instead=instead)
    for index, each in enumerate(after):
        if index not in partners.values():
            whole = _overlapping(each, before)
            instead = _recorded(new.told[index].extent, old.recorded)
            yield Difference(change="added", before=None, after=each, whole=whole, instead=instead)


def _partners(before: Sequence[Anomaly], after: Sequence[Anomaly]) -> dict[int, int]:
    """For each anomaly before, by its place, which one it is after."""
    found: dict[int, int] = {}
    for same in (_same_id, overlap):
        for index, each in enumerate(before):
            free = (at for at, other in enumerate(after) if at not in found.values() and same(each, other))
            if index not in found and (at := next(free, None)) is not None:
                found[index] = at
    return found


def _as_read(anomaly: Anomaly) -> tuple[object, ...]:
    """What a reader would notice."""
    alerts = [each.reason for each in anomaly.alerts]
    return opened(anomaly), anomaly.total, alerts, anomaly.severity, anomaly.start, anomaly.last_seen


def opened(anomaly: Anomaly) -> datetime:
    """When it was first told."""
    return anomaly.alerts[0].at


def _recorded(extent: Extent, recorded: Sequence[Extent]) -> str | None:
    """Why what lies at the same time is recorded and not told, or None."""
    for each in recorded:
        if each.start <= extent.last_seen and extent.start <= each.last_seen:
            reasons = (finding.reason.partition(RECORDED)[2] for finding in each.findings)
            return next(filter(None, reasons), "")
    return None


def _overlapping(anomaly: Anomaly, others: Sequence[Anomaly]) -> str | None:
    return next((each.id for each in others if overlap(anomaly, each)), None)


def _same_id(left: Anomaly, right: Anomaly) -> bool:
    return left.id == right.id


def overlap(left: Anomaly, right: Anomaly) -> bool:
    return left.start <= right.last_seen and right.start <= left.last_seen


def _by_pair(finished: Run) -> Mapping[Pair, list[Outcome]]:
    found: dict[Pair, list[Outcome]] = defaultdict(list)
    for each in finished.replay.outcomes():
        found[each.account_id, each.kind].append(each)
    return found


def _counted(pairs: Mapping[Pair, Sequence[Outcome]]) -> Counted:
    every = [each for outcomes in pairs.values() for each in outcomes]
    alerts = [len(each.told.alerts) for each in every if each.told is not None]
    return Counted(told=len(alerts), messages=sum(alerts), recorded=len(every) - len(alerts))
