"""How are the events of five minutes kept, so that busy kinds need no more memory than they have doers?"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from msgspec.structs import replace

from usage_anomaly.usage import UsageEvent


def order(event: UsageEvent) -> tuple[datetime, str, str]:
    return event.event_time, event.event_id, event.group or ""


class Bucket:
    """The events of five minutes; `merged` is the busy kinds' form: one event per distinct doer and thing, and their use.

    Single calls and CloudTrail's aggregated ones are two counts of the same: in each region the larger one stands.
    """

    __slots__ = ("_used", "events", "merged", "quantity")

    def __init__(self) -> None:
        self.events: list[UsageEvent] = []
        self.merged: dict[tuple[object, ...], UsageEvent] = {}
        self.quantity = 0  # of the busy kinds' form
        self._used: dict[str, list[int]] = {}  # by region: single calls, those of truncated records, aggregated calls

    def take(self, event: UsageEvent) -> None:
        """Add an event of a busy kind."""
        _merge(self.merged, event)
        if event.direction == "release" or event.dry_run:
            return
        used = self._used.setdefault(event.region, [0, 0, 0])
        before = max(used[0], used[2])
        used[2 if event.aggregated else 0] += event.quantity
        used[1] += event.quantity if event.truncated else 0
        self.quantity += max(used[0], used[2]) - before

    def stands(self, event: UsageEvent) -> bool:
        """Whether an event is of the count that stands in its region."""
        single, _, summed = self._used.get(event.region, (0, 0, 0))
        return (summed > single) == event.aggregated

    def standing(self) -> Iterator[UsageEvent]:
        """The merged events without the uses of the counts that do not stand."""
        return (each for each in self.merged.values() if each.direction == "release" or self.stands(each))

    def truncated(self) -> int:
        return sum(cut for single, cut, summed in self._used.values() if single >= summed)


def _merge(merged: dict[tuple[object, ...], UsageEvent], event: UsageEvent) -> None:
    """Add an event of a busy kind to its like; the earliest id and time stand for all of them."""
    key = (
        event.direction, event.region, event.event_name, event.group, event.function_name, event.actor_arn,
        event.access_key_id, event.invoked_by, event.user_agent, event.source_address, event.error_code, event.dry_run,
        event.truncated, event.aggregated,
    )  # fmt: skip
    like = merged.get(key)
    if like is None:
        merged[key] = event
        return
    first = min(like, event, key=order)
    usd = None if like.usd is None or event.usd is None else like.usd + event.usd
    merged[key] = replace(first, quantity=like.quantity + event.quantity, usd=usd)
