"""Which records does this organization's trail hold, and what should a reader find in them?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from heapq import merge
from operator import itemgetter
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from usage_anomaly_generator.calls import Call, Details, Instances, Launch, Record, Span, Tasks
from usage_anomaly_generator.delivery import MEASURED, Delivery, LogObject, deliver, encode
from usage_anomaly_generator.habits import HABITS
from usage_anomaly_generator.incidents import INCIDENTS
from usage_anomaly_generator.organization import Organization
from usage_anomaly_generator.records import record_of


@dataclass(frozen=True, slots=True)
class Habit:
    """A habit of one account (name or id), for part of the time when `start` or `end` is given."""

    name: str
    account: str
    options: Mapping[str, Any] = field(default_factory=dict)
    start: datetime | None = None
    end: datetime | None = None


@dataclass(frozen=True, slots=True)
class Incident:
    """An incident in one account (name or id); `at` is its first use."""

    name: str
    account: str
    at: datetime
    options: Mapping[str, Any] = field(default_factory=dict)


class Expectation(NamedTuple):
    """What an incident used, by its own calls: one for each kind it touches."""

    incident: str
    kind: str
    account: str
    quantity: int
    regions: dict[str, int]
    first: datetime
    last: datetime


KINDS = {
    "RunInstances": "ec2.instances",
    "StartInstances": "ec2.instances",
    "CreateVolume": "ebs.volumes",
    "CreateSnapshot": "ebs.snapshots",
    "RunTask": "ecs.tasks",
    "CreateService": "ecs.tasks",
    "InvokeModel": "bedrock.invocations",
    "Invoke": "lambda.invocations",
    "CreateDBInstance": "rds.instances",
    "CreateNatGateway": "nat.gateways",
    "AllocateAddress": "elastic.ips",
}


class Written(NamedTuple):
    """What was written; `records` counts duplicates."""

    objects: int
    records: int
    bytes: int


def generate(
    organization: Organization,
    habits: Sequence[Habit],
    incidents: Sequence[Incident],
    start: datetime,
    days: float,
    seed: int,
    delivery: Delivery = MEASURED,
) -> Iterator[LogObject]:
    """The trail's log objects by rising delivery minute. The delivery changes no record, only where it stands."""
    return deliver(records(organization, habits, incidents, start, days, seed), delivery, seed)


def records(
    organization: Organization,
    habits: Sequence[Habit],
    incidents: Sequence[Incident],
    start: datetime,
    days: float,
    seed: int,
) -> Iterator[Record]:
    """Each record once, by rising event time. Adding a habit or an incident changes no other record."""
    span = Span(start, start + timedelta(days=days))
    streams = [in_order(*source) for source in sources(organization, (*habits, *incidents), span, seed)]
    for _, key, call in merge(*streams, key=itemgetter(0, 1)):
        yield record_of(call, key)


def sources(
    organization: Organization, plans: Sequence[Habit | Incident], span: Span, seed: int
) -> Iterator[tuple[str, Span, Iterator[Call]]]:
    """Name, span and calls of each plan; its random numbers depend on the seed and its name alone."""
    copies: Counter[tuple[str, str]] = Counter()
    for plan in plans:
        account = organization.account(plan.account)
        name = f"{seed}/{plan.name}/{account.id}/{copies[plan.name, account.id]}"
        copies[plan.name, account.id] += 1
        if isinstance(plan, Incident):
            yield name, span, INCIDENTS[plan.name](account, plan.at, Random(name), **plan.options)
        else:
            part = Span(max(span.start, plan.start or span.start), min(span.end, plan.end or span.end))
            yield name, part, HABITS[plan.name](account, part, Random(name), **plan.options)


def in_order(name: str, span: Span, calls: Iterable[Call]) -> list[tuple[datetime, str, Call]]:
    """The calls of the span by time, each with the key that makes its record its own."""
    keyed = ((call.at, f"{name}/{number}", call) for number, call in enumerate(calls) if span.holds(call.at))
    return sorted(keyed, key=itemgetter(0, 1))


def expectations(
    organization: Organization, incidents: Sequence[Incident], start: datetime, days: float, seed: int
) -> list[Expectation]:
    """For each incident and each kind it uses: how much, where, from when to when."""
    span, found = Span(start, start + timedelta(days=days)), []
    streams = sources(organization, tuple(incidents), span, seed)
    for incident, (name, _, calls) in zip(incidents, streams, strict=True):
        uses: dict[str, list[tuple[datetime, str, int]]] = {}
        for at, _, call in in_order(name, span, calls):
            for kind, quantity in used(call):
                uses.setdefault(kind, []).append((at, call.region, quantity))
        account = organization.account(incident.account).id
        found += [expectation(incident.name, kind, account, uses[kind]) for kind in sorted(uses)]
    return found


def expectation(incident: str, kind: str, account: str, uses: list[tuple[datetime, str, int]]) -> Expectation:
    regions: Counter[str] = Counter()
    for _, region, quantity in uses:
        regions[region] += quantity
    return Expectation(incident, kind, account, regions.total(), dict(regions), uses[0][0], uses[-1][0])


def usage(
    organization: Organization,
    habits: Sequence[Habit],
    incidents: Sequence[Incident],
    start: datetime,
    days: float,
    seed: int,
) -> dict[tuple[str, str], int]:
    """Everything the trail uses, by kind and account id; attempts as kind `*.attempts`."""
    span, totals = Span(start, start + timedelta(days=days)), Counter[tuple[str, str]]()
    for source in sources(organization, (*habits, *incidents), span, seed):
        for _, _, call in in_order(*source):
            for kind, quantity in used(call):
                totals[kind, call.account] += quantity
    return dict(sorted(totals.items()))


def used(call: Call) -> Iterator[tuple[str, int]]:
    """What the call uses, told from the call itself and not from its record: the reader's result must agree."""
    kind = KINDS.get(call.event_name)
    if kind is None:
        return
    if call.failure is None:
        yield kind, quantity(call.details)
    elif not call.actor.is_service:
        yield f"{kind}.attempts", 1


def quantity(details: Details) -> int:
    match details:
        case Launch() | Instances():
            return len(details.instance_ids)
        case Tasks():
            return details.count
    return 1


def write(folder: Path, objects: Iterable[LogObject]) -> Written:
    """Writes the objects below the folder, each under its key."""
    count = total = size = 0
    made: set[Path] = set()
    for log_object in objects:
        path, content = folder / log_object.name, encode(log_object)
        if path.parent not in made:
            path.parent.mkdir(parents=True, exist_ok=True)
            made.add(path.parent)
        path.write_bytes(content)
        count, total, size = count + 1, total + len(log_object.records), size + len(content)
    return Written(count, total, size)
