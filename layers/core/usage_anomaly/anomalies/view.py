"""How does an extent stand now: how much was used, what still runs, at what rate?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

import msgspec
from msgspec.structs import replace

from usage_anomaly.anomalies.extents import Extent
from usage_anomaly.anomalies.life_cycle import View
from usage_anomaly.detection import Finding
from usage_anomaly.resources import MICRO, Run, resources, runs
from usage_anomaly.series import BUCKETS_PER_HOUR, Series, bucket_of
from usage_anomaly.usage import UsageEvent


def uses(series: Series, extent: Extent) -> Iterator[UsageEvent]:
    """The use (or refused calls) that counts in an extent, in order; a start without a type carries the rate of the
    earlier launch."""
    for low, high in extent.ranges():
        for event in series.uses(low, high):
            yield _with_rate(series, event)


class Gathered(msgspec.Struct, frozen=True):
    """The use of an extent in order, and when what it launched or started was seen released."""

    uses: Sequence[UsageEvent]
    released: Mapping[Run, datetime]


def gather(members: Sequence[Series], extent: Extent) -> Gathered:
    """Collect what an extent is made of, over one account's series or all accounts'."""
    found: list[UsageEvent] = []
    released: dict[Run, datetime] = {}
    for series in members:
        for event in uses(series, extent):
            found.append(event)
            for run, each in zip(runs(event), resources(event), strict=True):
                when = series.released_at(each, event.event_time)
                if when is not None:
                    released[run] = when
    return Gathered(sorted(found, key=lambda each: (each.event_time, each.event_id, each.group or "")), released)


def view(members: Sequence[Series], extent: Extent, *, releasable: bool, each: bool = False) -> View:
    """The sums that decide on alerts, over one account's series or, for the organization, all accounts' series."""
    total = micro = named = released = 0
    for series in members:
        for low, high in extent.ranges():
            total += series.quantity(low, high)
            micro += series.standing_micro(low, high)
            named += series.resources(low, high)
            released += series.gone(low, high)
        if not releasable:
            micro += series.net_micro(extent.last_seen - BUCKETS_PER_HOUR + 1, extent.last_seen)
    return View(
        start=extent.start,
        last_seen=extent.last_seen,
        total=total,
        micro=micro,
        peak=extent.peak,
        excluded=extent.excluded,
        resources=named,
        released=released,
        releasable=releasable,
        each=each,
    )


def nets_unread_launch(series: Series, findings: Sequence[Finding], last_seen: int) -> bool:
    """Whether a burn-rate finding rests on releases, up to the bucket `last_seen`, of launches that were not read."""
    if all(finding.detector != "burn_rate" for finding in findings):
        return False
    first = min(bucket_of(finding.window_start) for finding in findings)
    released = (event for event in series.events(first, last_seen) if event.direction == "release")
    return any(not series.launches_read(event) for event in released)


def _with_rate(series: Series, event: UsageEvent) -> UsageEvent:
    if event.usd_per_hour is not None or event.usd is not None:
        return event
    micro = series.earlier_rate(event)
    if micro is None:
        return event
    return replace(
        event, usd_per_hour=micro / MICRO, price_basis="list price by their launch or task definition, read before"
    )
