"""What was used when?

A series holds the usage events of one kind in one account, summed into buckets of five minutes of event time (UTC). It
answers sums over windows at once, whatever order the events came in: the same events give the same series. Money is kept
in whole micro-dollars, so that sums do not depend on the order of addition.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from statistics import median_low
from typing import Protocol

from msgspec.structs import replace

from usage_anomaly.usage import UsageEvent

BUCKET_SECONDS = 300
BUCKETS_PER_HOUR = 12
BUCKETS_PER_DAY = 288
MICRO = 1_000_000
MEDIAN_OF = 100  # launches that speak for one whose record was not read

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def bucket_of(moment: datetime) -> int:
    """The number of the bucket that holds `moment`, counted from 1970-01-01T00:00Z."""
    return int((moment - _EPOCH).total_seconds()) // BUCKET_SECONDS


def bucket_start(bucket: int) -> datetime:
    """The first moment of a bucket, UTC."""
    return _EPOCH + timedelta(seconds=bucket * BUCKET_SECONDS)


class Sums:
    """Running sums over numbered buckets, extended lazily; `value` tells what a bucket holds now.

    Call `touch` when a bucket's value may have changed: it and all later buckets are summed up again when next asked for.
    """

    __slots__ = ("_sums", "_value", "keys")

    def __init__(self, value: Callable[[int], int]) -> None:
        self._value = value
        self.keys: list[int] = []
        self._sums: list[int] = [0]  # one longer than the keys it is good for

    def touch(self, bucket: int) -> None:
        at = bisect_left(self.keys, bucket)
        if at == len(self.keys) or self.keys[at] != bucket:
            self.keys.insert(at, bucket)
        del self._sums[at + 1 :]

    def between(self, low: int, high: int) -> list[int]:
        """The touched buckets in [low, high], both included, in order."""
        return self.keys[bisect_left(self.keys, low) : bisect_right(self.keys, high)]

    def sum(self, low: int, high: int) -> int:
        """The sum over [low, high], both included."""
        for key in self.keys[len(self._sums) - 1 :]:
            self._sums.append(self._sums[-1] + self._value(key))
        return self._sums[bisect_right(self.keys, high)] - self._sums[bisect_left(self.keys, low)]


class Judged(Protocol):
    """What a detector asks of a series; buckets are inclusive on both ends."""

    def used_since(self, bucket: int) -> list[int]: ...
    def first_used(self, low: int, high: int) -> int: ...
    def quantity(self, low: int, high: int) -> int: ...
    def net_micro(self, low: int, high: int) -> int: ...
    def truncated(self, low: int, high: int) -> int: ...


def _order(event: UsageEvent) -> tuple[datetime, str, str]:
    return event.event_time, event.event_id, event.group or ""


class _Bucket:
    """The events of five minutes; `merged` is the busy kinds' form: one event per distinct doer and thing."""

    __slots__ = ("events", "merged", "quantity", "truncated")

    def __init__(self) -> None:
        self.events: list[UsageEvent] = []
        self.merged: dict[tuple[object, ...], UsageEvent] = {}
        self.quantity = 0
        self.truncated = 0


_Launch = tuple[datetime, str, int | None]  # when, by which record, micro-dollars an hour of one resource


class Series:
    """Usage of one kind in one account. `tally` merges events that differ in nothing but id and time (busy kinds)."""

    def __init__(self, *, tally: bool = False) -> None:
        self._tally = tally
        self._buckets: dict[int, _Bucket] = {}
        self._gross = Sums(lambda key: self._buckets[key].quantity)
        self._net = Sums(self._net_of)
        self._launches: dict[str, list[_Launch]] = {}
        self._releases: dict[str, list[tuple[datetime, str]]] = {}
        self._rates: list[tuple[datetime, str, int]] = []

    def add(self, event: UsageEvent) -> int:
        """Take one event in and return its bucket. Dry runs are kept as evidence and count nothing."""
        number = bucket_of(event.event_time)
        bucket = self._buckets.get(number)
        if bucket is None:
            bucket = self._buckets[number] = _Bucket()
        if event.direction != "release" and not event.dry_run:
            bucket.quantity += event.quantity
            bucket.truncated += event.quantity if event.truncated else 0
        if self._tally:
            _merge(bucket.merged, event)
        else:
            insort(bucket.events, event, key=_order)
        self._index(event)
        self._gross.touch(number)
        self._net.touch(number)
        return number

    def used_since(self, bucket: int) -> list[int]:
        """The buckets with use from `bucket` on, in order."""
        keys = self._gross.keys
        return [key for key in keys[bisect_left(keys, bucket) :] if self._buckets[key].quantity > 0]

    def first_used(self, low: int, high: int) -> int:
        """The first bucket with use in [low, high]; `high` where there is none."""
        return next((key for key in self._gross.between(low, high) if self._buckets[key].quantity > 0), high)

    def quantity(self, low: int, high: int) -> int:
        """Gross use in the buckets [low, high], both included."""
        return self._gross.sum(low, high)

    def net_micro(self, low: int, high: int) -> int:
        """Micro-dollars: the hourly rate added in [low, high] less the rate of what was released there.

        For kinds priced per call: what the calls cost. Calls without a price add nothing.
        """
        return self._net.sum(low, high)

    def truncated(self, low: int, high: int) -> int:
        """The part of the use in [low, high] that truncated records report."""
        return sum(self._buckets[key].truncated for key in self._gross.between(low, high))

    def events(self, low: int, high: int) -> Iterator[UsageEvent]:
        """All events of [low, high] in order of time and id, dry runs and releases included."""
        for key in self._gross.between(low, high):
            bucket = self._buckets[key]
            yield from sorted(bucket.merged.values(), key=_order) if self._tally else bucket.events

    def released_at(self, resource_id: str, launched: datetime) -> datetime | None:
        """When the resource was released for the first time at or after `launched`, or None."""
        return next((when for when, _ in self._releases.get(resource_id, ()) if when >= launched), None)

    def started_rate(self, event: UsageEvent) -> int | None:
        """Micro-dollars an hour of an event whose record names no type, from earlier launches of the same resources."""
        launches = [self._last_launch(each, event.event_time, event.event_id) for each in event.resource_ids]
        rates = [launch[1] for launch in launches if launch is not None and launch[1] is not None]
        return sum(rates) if rates and len(rates) == len(launches) else None

    def launch_read(self, resource_id: str, release: UsageEvent) -> bool:
        """Whether the launch of a resource was read that `release` releases."""
        return self._last_launch(resource_id, release.event_time, release.event_id) is not None

    def _index(self, event: UsageEvent) -> None:
        if event.direction == "release":
            for each in event.resource_ids:
                insort(self._releases.setdefault(each, []), (event.event_time, event.event_id))
            return
        if not event.resource_ids or self._tally:
            return
        rate = None if event.usd_per_hour is None else round(event.usd_per_hour * MICRO / max(event.quantity, 1))
        for each in event.resource_ids:
            insort(
                self._launches.setdefault(each, []), (event.event_time, event.event_id, rate), key=lambda row: row[:2]
            )
        if rate is not None:
            insort(self._rates, (event.event_time, event.event_id, rate))

    def _last_launch(self, resource_id: str, moment: datetime, event_id: str) -> tuple[datetime, int | None] | None:
        """When the resource was last launched or started before the event, and the last rate known for it."""
        rows = [row for row in self._launches.get(resource_id, ()) if row[0] <= moment and row[1] != event_id]
        rates = [rate for *_, rate in rows if rate is not None]
        return (rows[-1][0], rates[-1] if rates else None) if rows else None

    def _net_of(self, key: int) -> int:
        bucket = self._buckets[key]
        events = bucket.merged.values() if self._tally else bucket.events
        return sum(self._released(event) if event.direction == "release" else self._added(event) for event in events)

    def _added(self, event: UsageEvent) -> int:
        if event.usd is not None:
            return round(event.usd * MICRO)
        if event.usd_per_hour is not None:
            return round(event.usd_per_hour * MICRO)
        return (self.started_rate(event) or 0) if event.resource_ids else 0

    def _released(self, event: UsageEvent) -> int:
        return -sum(self._rate_released(each, event) for each in event.resource_ids)

    def _rate_released(self, resource_id: str, event: UsageEvent) -> int:
        """What one release takes off; nothing if the resource was released before and not started since."""
        launch = self._last_launch(resource_id, event.event_time, event.event_id)
        since, rate = launch or (_EPOCH, None)
        rows = self._releases[resource_id]
        if any(since <= row[0] and row < (event.event_time, event.event_id) for row in rows):
            return 0
        if rate is not None:
            return rate
        end = bisect_right(self._rates, event.event_time, key=lambda row: row[0])
        recent = self._rates[max(0, end - MEDIAN_OF) : end]
        return median_low([rate for *_, rate in recent]) if recent else 0


def _merge(merged: dict[tuple[object, ...], UsageEvent], event: UsageEvent) -> None:
    """Add an event of a busy kind to its like; the earliest id and time stand for all of them."""
    key = (
        event.direction, event.region, event.event_name, event.group, event.function_name, event.actor_arn,
        event.access_key_id, event.invoked_by, event.user_agent, event.source_address, event.error_code, event.dry_run,
        event.truncated,
    )  # fmt: skip
    like = merged.get(key)
    if like is None:
        merged[key] = event
        return
    first = min(like, event, key=_order)
    usd = None if like.usd is None or event.usd is None else like.usd + event.usd
    merged[key] = replace(first, quantity=like.quantity + event.quantity, usd=usd)


class CappedTotal:
    """Use of one kind over all accounts, each bucket of an account counted up to that account's own limit.

    One account alone can so never make the organization unusual (that is its own anomaly), while one instance in each of
    300 accounts can.
    """

    def __init__(self) -> None:
        self._parts: dict[int, dict[str, int]] = {}
        self._gross = Sums(lambda key: sum(self._parts[key].values()))

    def put(self, account_id: str, bucket: int, quantity: int, cap: int) -> None:
        """Say what an account used in a bucket by now."""
        self._parts.setdefault(bucket, {})[account_id] = min(quantity, cap)
        self._gross.touch(bucket)

    def used_since(self, bucket: int) -> list[int]:
        keys = self._gross.keys
        return [key for key in keys[bisect_left(keys, bucket) :] if self.quantity(key, key) > 0]

    def first_used(self, low: int, high: int) -> int:
        return next((key for key in self._gross.between(low, high) if self.quantity(key, key) > 0), high)

    def quantity(self, low: int, high: int) -> int:
        return self._gross.sum(low, high)

    def net_micro(self, low: int, high: int) -> int:
        """Always 0: the organization is judged by quantity only."""
        return 0

    def truncated(self, low: int, high: int) -> int:
        """Always 0: confidence is said by the accounts' own findings."""
        return 0
