"""Which resources of a series run, since when, at what rate?

A rate that a use does not tell is that of an earlier launch of the same resources, or of the definition of its group.
Launches, starts and releases by resource, in order of event time, whatever order they came in. Each question is a
search in sorted rows: a machine that is stopped and started all day costs no more than as many machines.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from operator import itemgetter
from statistics import median_low

import msgspec
from msgspec.structs import replace

from usage_anomaly.usage import UsageEvent

MICRO = 1_000_000
MEDIAN_OF = 100  # launches that speak for one whose record was not read

Resource = tuple[str, str, str]  # account, region, id: the name of a database is unique in its region only
Run = tuple[str, str, str, datetime]  # a resource, and when it was launched or started

_Launch = tuple[datetime, str, str, int, int]  # when, by which record and call, rate of its own, last rate known
_Release = tuple[datetime, str]
_Definition = tuple[datetime, str, int]  # when, by which record, micro-dollars an hour of one unit
Group = tuple[str, str | None]  # region, group

_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
_UNKNOWN = -1
_WHEN = itemgetter(0)
_PART = ":"  # i-1:/dev/sda1 hangs on i-1, and ends with it
_STARTS = ("Start", "Resume")  # how AWS names the calls that start what stood still; all others make something new


def resources(event: UsageEvent) -> list[Resource]:
    """The resources that an event names."""
    return [(event.account_id, event.region, each) for each in event.resource_ids]


def runs(event: UsageEvent) -> list[Run]:
    """The resources that a use names, with its time: what a release ends."""
    return [(event.account_id, event.region, each, event.event_time) for each in event.resource_ids]


def part_of(event: UsageEvent, quantity: int, counted: Sequence[Resource]) -> UsageEvent:
    """What is left of a use of which some resources do not count."""
    share = quantity / event.quantity

    def of(value: float | None) -> float | None:
        return None if value is None else value * share

    return replace(
        event,
        quantity=quantity,
        resource_ids=tuple(name for *_, name in counted),
        usd_per_hour=of(event.usd_per_hour),
        vcpus=of(event.vcpus),
        gpus=of(event.gpus),
        gib=of(event.gib),
    )


def holder(resource: Resource) -> Resource | None:
    """What a resource hangs on and ends with: the instance of a volume that was launched with it."""
    name, mark, _ = resource[2].partition(_PART)
    return (resource[0], resource[1], name) if mark else None


def naming_parts(resource: str) -> str:
    """How the ids of what hangs on a resource begin."""
    return resource + _PART


def _group_of(event: UsageEvent) -> Group:
    return event.region, event.group


class Changed(msgspec.Struct, frozen=True):
    """What a launch or release says about others: when those came that count otherwise now (`worth`), and when those
    were launched that end otherwise."""

    worth: list[datetime]
    ended: list[datetime]


class _Line:
    """One resource over time, both rows sorted."""

    __slots__ = ("launches", "releases")

    def __init__(self, releases: Iterable[_Release]) -> None:
        self.launches: list[_Launch] = []
        self.releases: list[_Release] = list(releases)

    def first_release(self, since: datetime) -> datetime | None:
        """The first at or after a moment. What comes in the same second as a launch comes after it."""
        at = bisect_left(self.releases, (since,))
        return self.releases[at][0] if at < len(self.releases) else None

    def last_launch(self, until: datetime) -> _Launch | None:
        at = bisect_right(self.launches, until, key=_WHEN)
        return self.launches[at - 1] if at else None

    def launch(self, row: tuple[datetime, str, str, int]) -> list[datetime]:
        """Add a launch; gives the times of what it changes: later launches with a rate from it or repeating it, and
        the first release of each. What one record launched under one name in several groups is one launch: the data
        nodes and masters of a domain end together."""
        at = bisect_left(self.launches, row[:3])
        if at < len(self.launches) and self.launches[at][:3] == row[:3]:
            row = (*row[:3], _together(row[3], self.launches.pop(at)[3]))
        when, _, call, rate = row
        carried = rate if rate != _UNKNOWN or not at else self.launches[at - 1][4]
        self.launches.insert(at, (*row, carried))
        first = self.first_release(when)
        changed = [] if first is None else [first]
        carries, repeats = rate != _UNKNOWN, True
        for place in range(at + 1, len(self.launches)):
            later = self.launches[place]
            carries = carries and later[3] == _UNKNOWN
            repeats = repeats and (first is None or later[0] <= first)
            if not carries and not repeats:
                break
            if carries:
                self.launches[place] = (*later[:4], rate)
                release = self.first_release(later[0])
                changed += [] if release is None else [release]
            changed.append(later[0])
            repeats = repeats and later[2] != call
        return changed

    def release(self, row: _Release, changed: Changed) -> None:
        """Add a release, and note what it changes: the launches that it ends, the next release, the launches after."""
        at = bisect_left(self.releases, row)
        self.releases.insert(at, row)
        low = bisect_right(self.launches, self.releases[at - 1][0], key=_WHEN) if at else 0
        high = bisect_right(self.launches, row[0], key=_WHEN)
        changed.ended.extend(map(_WHEN, self.launches[low:high]))
        following = self.releases[at + 1][0] if at + 1 < len(self.releases) else None
        if following is not None:
            changed.worth.append(following)
        calls = set[str]()
        for place in range(high, len(self.launches)):
            later = self.launches[place]
            if following is not None and later[0] > following:
                break
            if later[2] not in calls:
                calls.add(later[2])
                changed.worth.append(later[0])


def _together(rate: int, other: int) -> int:
    """The rate of both, as far as it is known."""
    return rate + other if _UNKNOWN not in (rate, other) else max(rate, other)


class Ledger:
    """Launches and releases of one kind in one account. A release of quantity 0 names what its resources hang on."""

    def __init__(self) -> None:
        self._lines: dict[Resource, _Line] = {}
        self._parts: dict[Resource, list[Resource]] = {}  # what is known to hang on a holder
        self._holders: dict[Resource, list[_Release]] = {}  # when holders were released
        self._rates: list[tuple[datetime, str, int]] = []
        self._unsure: list[datetime] = []  # when something was released whose rate was not known then
        self._definitions: dict[Group, list[_Definition]] = {}
        self._undefined: dict[Group, list[datetime]] = {}  # when something of a group was used whose record had no rate

    @property
    def unsure(self) -> bool:
        """Whether something was released whose rate was not known then."""
        return bool(self._unsure)

    def take(self, event: UsageEvent) -> Changed:
        """Note a launch or release; gives what it changes besides itself."""
        changed = Changed([], [])
        if event.direction == "release":
            self._release(event, changed)
        elif event.direction == "definition":
            self._define(event, changed)
        elif not event.dry_run:
            self._launch(event, changed)
        return changed

    def named(self, release: UsageEvent) -> list[Resource]:
        """The resources that a release ends: of a holder those known to hang on it."""
        if release.quantity:
            return resources(release)
        return [part for each in resources(release) for part in self._parts.get(each, ())]

    def released_at(self, resource: Resource, launched: datetime) -> datetime | None:
        """When the resource was released for the first time at or after `launched`, or None."""
        line = self._lines.get(resource)
        return None if line is None else line.first_release(launched)

    def launched_before(self, resource: Resource, release: UsageEvent) -> datetime | None:
        """When the resource was last launched or started before a release, or None if no record of it was read."""
        launch = self._last(resource, release.event_time)
        return None if launch is None else launch[0]

    def repeated(self, resource: Resource, event: UsageEvent) -> bool:
        """Whether the same call launched the resource before and nothing released it since.

        A launch tried again with its client token answers with the ids of the first. A start is none of these: what is
        started stood still, whether or not its stop was read.
        """
        line = self._lines.get(resource)
        if line is None or len(line.launches) < 2 or event.event_name.startswith(_STARTS):
            return False
        ends = bisect_left(line.releases, (event.event_time,))
        since = line.releases[ends - 1][0] if ends else None
        for at in range(bisect_left(line.launches, (event.event_time, event.event_id)) - 1, -1, -1):
            earlier = line.launches[at]
            if since is not None and earlier[0] <= since:
                return False
            if earlier[2] == event.event_name:
                return True
        return False

    def started_rate(self, event: UsageEvent) -> int | None:
        """Micro-dollars an hour of an event whose record names no type, from earlier launches of the same resources."""
        total = 0
        for each in resources(event):
            line = self._lines.get(each)
            at = 0 if line is None else bisect_left(line.launches, (event.event_time, event.event_id))
            if line is None or at == 0 or line.launches[at - 1][4] == _UNKNOWN:
                return None
            total += line.launches[at - 1][4]
        return total if event.resource_ids else None

    def defined_rate(self, event: UsageEvent) -> int | None:
        """Micro-dollars an hour of an event whose record has no rate, from the last definition of its group before."""
        known = self._definitions.get(_group_of(event), ())
        at = bisect_right(known, event.event_time, key=_WHEN)
        return known[at - 1][2] * event.quantity if at else None

    def rate_released(self, resource: Resource, release: UsageEvent) -> int:
        """Micro-dollars an hour that one release takes off.

        Nothing if the resource was released before and not started since. A launch that was not read, or had no price,
        counts with the median of the last 100 launches before the release; not for a holder's release, which says
        nothing of how many hang on it.
        """
        launch, line = self._last(resource, release.event_time), self._lines[resource]
        since = launch[0] if launch is not None else _BEGINNING
        at = bisect_left(line.releases, (release.event_time, release.event_id))
        if at and line.releases[at - 1][0] >= since:
            return 0
        if launch is not None and launch[4] != _UNKNOWN:
            return launch[4]
        return self._median(release.event_time) if release.quantity else 0

    def _median(self, until: datetime) -> int:
        end = bisect_right(self._rates, until, key=_WHEN)
        recent = self._rates[max(0, end - MEDIAN_OF) : end]
        return median_low([rate for *_, rate in recent]) if recent else 0

    def _last(self, resource: Resource, until: datetime) -> _Launch | None:
        line = self._lines.get(resource)
        return None if line is None else line.last_launch(until)

    def _line(self, resource: Resource) -> _Line:
        line = self._lines.get(resource)
        if line is None:
            above = holder(resource)
            line = self._lines[resource] = _Line(self._holders.get(above, ()) if above else ())
            if above:
                self._parts.setdefault(above, []).append(resource)
        return line

    def _define(self, event: UsageEvent, changed: Changed) -> None:
        if event.usd_per_hour is None:
            return
        group = _group_of(event)
        known = self._definitions.setdefault(group, [])
        row = (event.event_time, event.event_id, round(event.usd_per_hour * MICRO))
        at = bisect_left(known, row)
        known.insert(at, row)
        without = self._undefined.get(group, [])
        high = bisect_left(without, known[at + 1][0]) if at + 1 < len(known) else len(without)
        changed.worth.extend(without[bisect_left(without, event.event_time) : high])

    def _launch(self, event: UsageEvent, changed: Changed) -> None:
        rate = _UNKNOWN
        if event.usd_per_hour is not None:
            rate = round(event.usd_per_hour * MICRO * event.units_each / max(event.quantity, 1))
        elif event.group is not None:
            insort(self._undefined.setdefault(_group_of(event), []), event.event_time)
        row = (event.event_time, event.event_id, event.event_name, rate)
        for each in resources(event):
            changed.worth.extend(self._line(each).launch(row))
        if rate != _UNKNOWN and event.resource_ids:
            rated = (event.event_time, event.event_id, rate)
            at = bisect_left(self._rates, rated)
            self._rates.insert(at, rated)
            if self._unsure and self._unsure[-1] >= event.event_time:
                changed.worth.extend(self._with_other_median(at))

    def _with_other_median(self, at: int) -> list[datetime]:
        """When something was released whose median the rate at a place, just added, is part of."""
        low = bisect_left(self._unsure, self._rates[at][0])
        last = at + MEDIAN_OF
        high = bisect_left(self._unsure, self._rates[last][0]) if last < len(self._rates) else len(self._unsure)
        return self._unsure[low:high]

    def _release(self, event: UsageEvent, changed: Changed) -> None:
        row = (event.event_time, event.event_id)
        if not event.quantity:
            for each in resources(event):
                insort(self._holders.setdefault(each, []), row)
        unsure = False
        for each in self.named(event):
            line = self._line(each)
            line.release(row, changed)
            launch = line.last_launch(event.event_time)
            unsure = unsure or launch is None or launch[4] == _UNKNOWN
        if unsure:
            insort(self._unsure, event.event_time)
