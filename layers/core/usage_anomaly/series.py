"""What was used when?

A series holds the usage events of one kind in one account, summed into buckets of five minutes of event time (UTC). It
answers sums over windows at once, whatever order the events came in: the same events give the same series. Money is kept
in whole micro-dollars, so that sums do not depend on the order of addition.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from copy import copy
from datetime import UTC, datetime, timedelta
from typing import Protocol

import msgspec
from msgspec.structs import replace

from usage_anomaly.places import Place, places
from usage_anomaly.ranges import Range
from usage_anomaly.resources import MICRO, Ledger, Resource, part_of, resources
from usage_anomaly.sums import Sums
from usage_anomaly.tallies import Bucket, order
from usage_anomaly.usage import UsageEvent

BUCKET_SECONDS = 300
BUCKETS_PER_HOUR = 12
BUCKETS_PER_DAY = 288
NEVER = 1 << 62  # later than any bucket

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def bucket_of(moment: datetime) -> int:
    """The number of the bucket that holds `moment`, counted from 1970-01-01T00:00Z."""
    return int((moment - _EPOCH).total_seconds()) // BUCKET_SECONDS


def bucket_start(bucket: int) -> datetime:
    """The first moment of a bucket, UTC."""
    return _EPOCH + timedelta(seconds=bucket * BUCKET_SECONDS)


class Judged(Protocol):
    """What a detector asks of a series; buckets are inclusive on both ends."""

    def used_since(self, bucket: int) -> list[int]: ...
    def first_used(self, low: int, high: int) -> int: ...
    def quantity(self, low: int, high: int) -> int: ...
    def net_micro(self, low: int, high: int) -> int: ...
    def taken_off(self, low: int, high: int, launched: Sequence[Range]) -> int: ...
    def truncated(self, low: int, high: int) -> int: ...
    def counts(self, low: int, high: int) -> Iterable[tuple[int, int]]: ...
    def news(self, end: int, memory: int) -> Mapping[Place, int]: ...
    def quantity_at(self, where: Collection[Place], low: int, high: int) -> int: ...
    def replacing(self, low: int, end: int) -> int: ...


class Past(msgspec.Struct, frozen=True, kw_only=True):
    """What is left of a series before bucket `cut`: its sums, and when each place was last used.

    `used` holds (bucket, quantity, micro-dollars net) of each bucket in which something counted.
    """

    cut: int = 0
    used: tuple[tuple[int, int, int], ...] = ()
    places: tuple[tuple[Place, int], ...] = ()


class Series:
    """Usage of one kind in one account. `tally` merges events that differ in nothing but id and time (busy kinds).

    A launch that repeats one (the same call, the same resource, not released in between) is kept and counts nothing.
    """

    def __init__(self, *, tally: bool = False, past: Past | None = None) -> None:
        self._tally = tally
        self._past = past or Past()
        self._end = NEVER
        self._buckets: dict[int, Bucket] = {}
        self._ledger = Ledger()
        self._known: set[tuple[str, str | None]] = set()
        self._gross = Sums(self._quantity_of)
        self._cut = Sums(self._truncated_of)
        self._net = Sums(self._net_of)
        self._standing = Sums(lambda key: sum(self._standing_of(each) for each in self._uses(key)))
        self._resources = Sums(lambda key: sum(map(self._named, self._uses(key))))
        self._gone = Sums(lambda key: sum(self._gone_of(each) for each in self._uses(key)))
        self._places: dict[Place, list[int]] = {place: [last] for place, last in self._past.places}
        self._groups: dict[str, list[UsageEvent]] = defaultdict(list)  # launches by the group that asked for them
        self._gross.remember({bucket: quantity for bucket, quantity, _ in self._past.used})
        self._net.remember({bucket: micro for bucket, _, micro in self._past.used})

    def past(self, cut: int, memory: int) -> Past:
        """What is to be kept of the buckets before `cut`, `memory` buckets back."""
        low = cut - memory
        keys = self._gross.between(low, cut - 1)
        last = ((place, used[bisect_left(used, cut) - 1]) for place, used in self._places.items() if used[0] < cut)
        return Past(
            cut=cut,
            used=tuple((key, self._gross.at(key), self._net.sum(key, key)) for key in keys),
            places=tuple(sorted((place, bucket) for place, bucket in last if bucket >= low)),
        )

    @property
    def cut(self) -> int:
        """The first bucket whose events it holds: what was before stands in its past."""
        return self._past.cut

    @property
    def unsure(self) -> bool:
        """Whether something was released whose launch or rate is not known: the median of the latest launches stands in."""
        return self._ledger.unsure

    def know(self, event: UsageEvent) -> None:
        """Take in an event from before the cut, once: it counts there already, but says what others are worth."""
        if (event.event_id, event.group) not in self._known:
            self._known.add((event.event_id, event.group))
            self._note(_naming_once(event))

    def add(self, event: UsageEvent) -> list[int]:
        """Take one event in; its bucket and the later ones that count otherwise now. Dry runs are evidence only."""
        event = _naming_once(event)
        number = bucket_of(event.event_time)
        bucket = self._buckets.get(number)
        if bucket is None:
            bucket = self._buckets[number] = Bucket()
        if event.direction != "release" and event.quantity and not event.dry_run:
            for place in self._places_of(event):
                _insert(self._places.setdefault(place, []), number)
        if not self._tally:
            insort(bucket.events, event, key=order)
            return self._note(event)
        bucket.take(event)
        for sums in (self._gross, self._cut, self._net):
            sums.touch(number)
        return [number]

    def tallied(self, moment: datetime) -> int:
        """What the bucket of a busy kind that holds `moment` counts by now."""
        bucket = self._buckets.get(bucket_of(moment))
        return 0 if bucket is None else bucket.quantity

    def used_since(self, bucket: int) -> list[int]:
        """The buckets with use from `bucket` on, in order."""
        return [key for key in self._gross.between(bucket, self._end) if self._gross.at(key) > 0]

    def until(self, bucket: int) -> Series:
        """The same series, as if nothing had been used after a bucket; to be asked only, not added to."""
        until = copy(self)
        until._end = bucket  # noqa: SLF001 - its own
        return until

    def first_used(self, low: int, high: int) -> int:
        """The first bucket with use in [low, high]; `high` where there is none."""
        return next((key for key in self._gross.between(low, high) if self._gross.at(key) > 0), high)

    def quantity(self, low: int, high: int) -> int:
        """Gross use in the buckets [low, high], both included."""
        return self._gross.sum(low, high)

    def net_micro(self, low: int, high: int) -> int:
        """Micro-dollars: the hourly rate added in [low, high] less the rate of what was released there.

        For kinds priced per call: what the calls cost. Calls without a price add nothing.
        """
        return self._net.sum(low, high)

    def standing_micro(self, low: int, high: int) -> int:
        """Micro-dollars an hour of what was launched in [low, high] and has not been seen released since."""
        return self._standing.sum(low, high)

    def resources(self, low: int, high: int) -> int:
        """How many units the use in [low, high] has whose resources it names."""
        return self._resources.sum(low, high)

    def gone(self, low: int, high: int) -> int:
        """How many of them have been seen released since."""
        return self._gone.sum(low, high)

    def taken_off(self, low: int, high: int, launched: Sequence[Range]) -> int:
        """Micro-dollars an hour that releases in [low, high] take off for what was launched in the ranges."""
        taken = 0
        for event in self.events(low, high) if launched else ():
            for each in self._ledger.named(event) if event.direction == "release" else ():
                since = self._ledger.launched_before(each, event)
                if since is not None and any(first <= bucket_of(since) <= last for first, last in launched):
                    taken += self._ledger.rate_released(each, event)
        return taken

    def truncated(self, low: int, high: int) -> int:
        """The part of the use in [low, high] that truncated records report."""
        return self._cut.sum(low, high)

    def counts(self, low: int, high: int) -> Iterator[tuple[int, int]]:
        """The buckets of [low, high] in which something counts, with the gross use."""
        return ((key, self._gross.at(key)) for key in self._gross.between(low, high))

    def news(self, end: int, memory: int) -> dict[Place, int]:
        """The places used in the day that ends with bucket `end` and not in the `memory` buckets before it, since when."""
        low, found = end - BUCKETS_PER_DAY + 1, dict[Place, int]()
        for place, used in self._places.items():
            at = bisect_left(used, low)
            if at < len(used) and used[at] <= end and (at == 0 or used[at - 1] < low - memory):
                found[place] = used[at]
        return found

    def quantity_at(self, where: Collection[Place], low: int, high: int) -> int:
        """Gross use in [low, high] in any of these places."""
        uses = self.uses(low, high)
        return sum(each.quantity for each in uses if any(place in where for place in self._places_of(each)))

    def replacing(self, low: int, end: int) -> int:
        """How much of the use in [low, end] replaces what its group ran before with another image.

        A group (Auto Scaling, a node pool) may so double for a while: as many new ones as older ones ran a day before,
        counting all new ones of the day that still run, at no more than twice their rate.
        """
        if not self._groups:
            return 0
        first, before, replaced = bucket_start(end - BUCKETS_PER_DAY + 1), bucket_start(low), 0
        until = bucket_start(end + 1)
        for name in {each.launcher_id for each in self.uses(low, end) if each.launcher_id and each.image_id}:
            launches = self._groups[name]
            last, day = (bisect_left(launches, each, key=_when) for each in (until, first))
            old, known = launches[:day], {each.image_id for each in launches[:day]}
            new = [each for each in launches[day:last] if each.image_id not in known]
            ran = sum(self._running(each, before) for each in old)
            if (
                new
                and sum(self._running(each, until) for each in new) <= ran
                and self._as_dear(new, until, old, before)
            ):
                replaced += min(ran, sum(self._counted(each) for each in new if each.event_time >= before))
        return replaced

    def events(self, low: int, high: int) -> Iterator[UsageEvent]:
        """All events of [low, high] in order of time and id, dry runs and releases included."""
        for key in self._gross.between(max(low, self._past.cut), high):
            bucket = self._buckets[key]
            yield from sorted(bucket.merged.values(), key=order) if self._tally else bucket.events

    def uses(self, low: int, high: int) -> Iterator[UsageEvent]:
        """What counts of the events of [low, high]: use without the resources that it repeats; none of quantity 0."""
        for event in self.events(low, high):
            counted = 0 if event.direction == "release" or event.dry_run else self._counted(event)
            if self._tally and not self._buckets[bucket_of(event.event_time)].stands(event):
                continue
            if counted == event.quantity > 0:
                yield event
            elif counted > 0:
                yield part_of(event, counted, self._counted_resources(event))

    def released_at(self, resource: Resource, launched: datetime) -> datetime | None:
        """When the resource was released for the first time at or after `launched`, or None."""
        return self._ledger.released_at(resource, launched)

    def earlier_rate(self, event: UsageEvent) -> int | None:
        """Micro-dollars an hour of an event whose record tells none, from earlier launches of the same resources or the
        definition of its group."""
        rate = self._ledger.started_rate(event)
        return self._ledger.defined_rate(event) if rate is None else rate

    def launches_read(self, release: UsageEvent) -> bool:
        """Whether the launches of all that `release` ends were read."""
        ends = self._ledger.named(release)
        return all(self._ledger.launched_before(each, release) is not None for each in ends)

    def _note(self, event: UsageEvent) -> list[int]:
        """Let all sums know; a launch or release may change what others, mostly later ones, are worth."""
        if event.direction == "use" and event.launcher_id and event.image_id and not event.dry_run:
            insort(self._groups[event.launcher_id], event, key=order)
        changed = self._ledger.take(event)
        moments = {event.event_time, *changed.worth}
        worth = sorted(key for key in set(map(bucket_of, moments)) if key >= self._past.cut)
        for key in worth:
            for sums in (self._gross, self._cut, self._net, self._standing, self._resources, self._gone):
                sums.touch(key)
        for key in {bucket_of(each) for each in changed.ended}.difference(worth):
            if key >= self._past.cut:
                self._standing.touch(key)
                self._gone.touch(key)
        return worth

    def _places_of(self, event: UsageEvent) -> list[Place]:
        """A busy kind's callers are too many to keep."""
        return [each for each in places(event) if not self._tally or each.what != "actor"]

    def _running(self, event: UsageEvent, moment: datetime) -> int:
        """How many of what an event launched had not been seen released at a moment; what it does not name never is."""
        ends = (self._ledger.released_at(each, event.event_time) for each in resources(event))
        gone = sum(end is not None and end < moment for end in ends) * event.units_each
        return max(event.quantity - gone, 0)

    def _as_dear(self, new: Sequence[UsageEvent], until: datetime, old: Sequence[UsageEvent], before: datetime) -> bool:
        """Whether new ones cost at most twice what older ones do; yes where a price is unknown."""
        if not all(self._rate(each) for each in (*new, *old)):
            return True
        rate, spent = (
            sum(self._rate(each) * self._running(each, moment) // max(each.quantity, 1) for each in launches)
            for launches, moment in ((new, until), (old, before))
        )
        return rate <= 2 * spent

    def _uses(self, key: int) -> Iterator[UsageEvent]:
        events = self._buckets[key].events
        return (event for event in events if event.direction != "release" and not event.dry_run)

    def _counted_resources(self, event: UsageEvent) -> list[Resource]:
        return [each for each in resources(event) if not self._ledger.repeated(each, event)]

    def _named(self, event: UsageEvent) -> int:
        return len(self._counted_resources(event)) * event.units_each

    def _counted(self, event: UsageEvent) -> int:
        repeated = len(event.resource_ids) - len(self._counted_resources(event))
        return max(event.quantity - repeated * event.units_each, 0)

    def _quantity_of(self, key: int) -> int:
        bucket = self._buckets[key]
        return bucket.quantity if self._tally else sum(self._counted(each) for each in self._uses(key))

    def _truncated_of(self, key: int) -> int:
        bucket = self._buckets[key]
        if self._tally:
            return bucket.truncated()
        return sum(self._counted(each) for each in self._uses(key) if each.truncated)

    def _gone_of(self, event: UsageEvent) -> int:
        ends = (self._ledger.released_at(each, event.event_time) for each in self._counted_resources(event))
        return sum(end is not None for end in ends) * event.units_each

    def _standing_of(self, event: UsageEvent) -> int:
        if not event.quantity:
            return 0
        return self._rate(event) * (self._counted(event) - self._gone_of(event)) // event.quantity

    def _rate(self, event: UsageEvent) -> int:
        """Micro-dollars an hour of a use; nothing where no price is known."""
        if event.usd_per_hour is not None:
            return round(event.usd_per_hour * MICRO)
        return self.earlier_rate(event) or 0

    def _net_of(self, key: int) -> int:
        bucket = self._buckets[key]
        events = bucket.standing() if self._tally else bucket.events
        return sum(self._change(event) for event in events)

    def _change(self, event: UsageEvent) -> int:
        if event.direction == "release":
            return -sum(self._ledger.rate_released(each, event) for each in self._ledger.named(event))
        if event.usd is not None:
            return round(event.usd * MICRO)
        if event.direction == "definition":
            return 0
        counted, rate = self._counted(event), self._rate(event)
        return rate if counted == event.quantity else rate * counted // event.quantity


def _naming_once(event: UsageEvent) -> UsageEvent:
    """The event; a record may name one resource twice."""
    if len(set(event.resource_ids)) == len(event.resource_ids):
        return event
    return replace(event, resource_ids=tuple(dict.fromkeys(event.resource_ids)))


def _when(event: UsageEvent) -> datetime:
    return event.event_time


def _insert(buckets: list[int], bucket: int) -> None:
    """Add a bucket to a row in order, once."""
    at = bisect_left(buckets, bucket)
    if at == len(buckets) or buckets[at] != bucket:
        buckets.insert(at, bucket)
