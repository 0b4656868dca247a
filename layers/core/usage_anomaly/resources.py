"""Which resources of a series run, since when, at what rate?

Launches, starts and releases by resource id, in order of event time, whatever order they came in.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from datetime import UTC, datetime
from statistics import median_low

from usage_anomaly.usage import UsageEvent

MICRO = 1_000_000
MEDIAN_OF = 100  # launches that speak for one whose record was not read
_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)

_Launch = tuple[datetime, str, int | None]  # when, by which record, micro-dollars an hour of one resource


class Ledger:
    """Launches and releases of one kind in one account."""

    def __init__(self) -> None:
        self._launches: dict[str, list[_Launch]] = {}
        self._releases: dict[str, list[tuple[datetime, str]]] = {}
        self._rates: list[tuple[datetime, str, int]] = []

    def take(self, event: UsageEvent) -> list[datetime]:
        """Note a launch or release; gives the times of the launches that a release ends."""
        if event.direction != "release":
            self._launch(event)
            return []
        ended: list[datetime] = []
        for each in event.resource_ids:
            insort(self._releases.setdefault(each, []), (event.event_time, event.event_id))
            ended += [when for when, *_ in self._launches.get(each, ()) if when <= event.event_time]
        return ended

    def released_at(self, resource_id: str, launched: datetime) -> datetime | None:
        """When the resource was released for the first time at or after `launched`, or None."""
        return next((when for when, _ in self._releases.get(resource_id, ()) if when >= launched), None)

    def launched_before(self, resource_id: str, event: UsageEvent) -> datetime | None:
        """When the resource was last launched or started before `event`, or None if no record of it was read."""
        launch = self._last(resource_id, event)
        return None if launch is None else launch[0]

    def started_rate(self, event: UsageEvent) -> int | None:
        """Micro-dollars an hour of an event whose record names no type, from earlier launches of the same resources."""
        launches = [self._last(each, event) for each in event.resource_ids]
        rates = [launch[1] for launch in launches if launch is not None and launch[1] is not None]
        return sum(rates) if rates and len(rates) == len(launches) else None

    def rate_released(self, resource_id: str, release: UsageEvent) -> int:
        """Micro-dollars an hour that one release takes off.

        Nothing if the resource was released before and not started since. A launch that was not read, or had no price,
        counts with the median of the last 100 launches before the release.
        """
        since, rate = self._last(resource_id, release) or (_BEGINNING, None)
        this = (release.event_time, release.event_id)
        if any(since <= row[0] and row < this for row in self._releases.get(resource_id, ())):
            return 0
        if rate is not None:
            return rate
        end = bisect_right(self._rates, release.event_time, key=lambda row: row[0])
        recent = self._rates[max(0, end - MEDIAN_OF) : end]
        return median_low([rate for *_, rate in recent]) if recent else 0

    def _launch(self, event: UsageEvent) -> None:
        rate = None if event.usd_per_hour is None else round(event.usd_per_hour * MICRO / max(event.quantity, 1))
        for each in event.resource_ids:
            rows = self._launches.setdefault(each, [])
            insort(rows, (event.event_time, event.event_id, rate), key=lambda row: row[:2])
        if rate is not None and event.resource_ids:
            insort(self._rates, (event.event_time, event.event_id, rate))

    def _last(self, resource_id: str, event: UsageEvent) -> tuple[datetime, int | None] | None:
        """The last launch or start before the event, and the last rate known for the resource."""
        rows = [
            row
            for row in self._launches.get(resource_id, ())
            if row[0] <= event.event_time and row[1] != event.event_id
        ]
        rates = [rate for *_, rate in rows if rate is not None]
        return (rows[-1][0], rates[-1] if rates else None) if rows else None
