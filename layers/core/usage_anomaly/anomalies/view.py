"""How does an extent stand now: how much was used, what still runs, at what rate?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

import msgspec
from msgspec.structs import replace

from usage_anomaly.anomalies.extents import Extent
from usage_anomaly.anomalies.life_cycle import View
from usage_anomaly.series import BUCKETS_PER_HOUR, MICRO, Series
from usage_anomaly.usage import UsageEvent


def uses(series: Series, extent: Extent) -> Iterator[UsageEvent]:
    """The use (or refused calls) in an extent, in order; a start without a type carries the rate of the earlier launch."""
    for low, high in extent.ranges():
        for event in series.events(low, high):
            if event.direction != "release" and not event.dry_run:
                yield _with_rate(series, event)


class Gathered(msgspec.Struct, frozen=True):
    """The use of an extent in order, and when its resources were seen released."""

    uses: list[UsageEvent]
    released: dict[str, datetime]


def gather(members: Sequence[Series], extent: Extent) -> Gathered:
    """Collect what an extent is made of, over one account's series or all accounts'."""
    found: list[UsageEvent] = []
    released: dict[str, datetime] = {}
    for series in members:
        for event in uses(series, extent):
            found.append(event)
            ends = ((each, series.released_at(each, event.event_time)) for each in event.resource_ids)
            released.update((each, when) for each, when in ends if when is not None)
    return Gathered(sorted(found, key=lambda each: (each.event_time, each.event_id, each.group or "")), released)


def view(members: Sequence[Series], extent: Extent, *, releasable: bool) -> View:
    """The sums that decide on alerts, over one account's series or, for the organization, all accounts' series."""
    total = micro = resources = released = 0
    for series in members:
        for event in uses(series, extent):
            gone = sum(series.released_at(each, event.event_time) is not None for each in event.resource_ids)
            total += event.quantity
            resources += len(event.resource_ids)
            released += gone
            if event.usd_per_hour is not None and event.quantity:
                micro += round(event.usd_per_hour * MICRO) * (event.quantity - gone) // event.quantity
        if not releasable:
            micro += series.net_micro(extent.last_seen - BUCKETS_PER_HOUR + 1, extent.last_seen)
    return View(
        start=extent.start,
        last_seen=extent.last_seen,
        total=total,
        micro=micro,
        resources=resources,
        released=released,
        releasable=releasable,
    )


def _with_rate(series: Series, event: UsageEvent) -> UsageEvent:
    if event.usd_per_hour is not None or event.usd is not None or not event.resource_ids:
        return event
    micro = series.started_rate(event)
    return (
        event
        if micro is None
        else replace(event, usd_per_hour=micro / MICRO, price_basis="rate of the launch read before")
    )
