"""What is one API call, before it becomes a CloudTrail record?

Habits and incidents say only what matters about a call: when, where, by whom, and what it asked for. `records` gives it
the shape that CloudTrail writes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any, NamedTuple, TypeAlias

Record: TypeAlias = dict[str, Any]

SATURDAY = 5


@dataclass(frozen=True, slots=True)
class Actor:
    """Who calls: `userIdentity` without its session's creation time, which depends on the call."""

    identity: Mapping[str, Any]
    user_agent: str
    source_address: str

    @property
    def is_service(self) -> bool:
        return "invokedBy" in self.identity


@dataclass(frozen=True, slots=True)
class Launch:
    """RunInstances of `instance_ids`; refused, the ids say only how many were asked for."""

    instance_type: str
    instance_ids: tuple[str, ...]
    image: str = "base"
    tags: Mapping[str, str] = field(default_factory=dict)
    spot: bool = False


@dataclass(frozen=True, slots=True)
class Fleet:
    """CreateFleet of one node, as Karpenter asks for it; its RunInstances is a call of its own."""

    instance_type: str
    tags: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Instances:
    """TerminateInstances, StopInstances or StartInstances of these."""

    instance_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Volume:
    """CreateVolume or DeleteVolume."""

    volume_id: str
    gib: int = 20
    volume_type: str = "gp3"
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """CreateSnapshot or DeleteSnapshot."""

    snapshot_id: str
    volume_id: str
    gib: int = 20


@dataclass(frozen=True, slots=True)
class Address:
    """AllocateAddress or ReleaseAddress."""

    allocation_id: str


@dataclass(frozen=True, slots=True)
class NatGateway:
    """CreateNatGateway or DeleteNatGateway."""

    gateway_id: str
    allocation_id: str


@dataclass(frozen=True, slots=True)
class Database:
    """CreateDBInstance or DeleteDBInstance."""

    name: str
    database_class: str = "db.t3.medium"
    engine: str = "postgres"
    gib: int = 20


@dataclass(frozen=True, slots=True)
class Invocation:
    """Invoke of a function (a data event)."""

    function: str


@dataclass(frozen=True, slots=True)
class TaskDefinition:
    """RegisterTaskDefinition for Fargate: CPU units and MiB of one task."""

    family: str
    cpu: int
    mib: int
    image: str

    @property
    def name(self) -> str:
        return f"{self.family}:1"


@dataclass(frozen=True, slots=True)
class Tasks:
    """RunTask of `task_ids`, or CreateService of a service that wants so many, on Fargate."""

    definition: TaskDefinition
    cluster: str
    task_ids: tuple[str, ...] = ()
    service: str = ""
    wanted: int = 0

    @property
    def count(self) -> int:
        return self.wanted or len(self.task_ids)


@dataclass(frozen=True, slots=True)
class ModelCall:
    """InvokeModel of Bedrock: a management event that only reads."""

    model: str


@dataclass(frozen=True, slots=True)
class Person:
    """CreateUser, AttachUserPolicy or CreateAccessKey for a user."""

    user: str
    policy: str = "AdministratorAccess"


@dataclass(frozen=True, slots=True)
class Other:
    """A call no usage kind wants, named by its service: reads, sweeps, role sessions, refused log delivery."""

    event_source: str
    request: Mapping[str, Any] | None = None
    read_only: bool = True
    response: Mapping[str, Any] | None = None


Details: TypeAlias = (
    Launch
    | Fleet
    | Instances
    | Volume
    | Snapshot
    | Address
    | NatGateway
    | Database
    | Invocation
    | TaskDefinition
    | Tasks
    | ModelCall
    | Person
    | Other
)


class Failure(NamedTuple):
    """Why the call was refused."""

    code: str
    message: str


class Call(NamedTuple):
    """One API call at a whole second of UTC."""

    at: datetime
    account: str
    region: str
    event_name: str
    actor: Actor
    details: Details
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class Span:
    """From `start` to before `end`, UTC."""

    start: datetime
    end: datetime

    def days(self) -> Iterator[datetime]:
        """Midnight of each day that the span touches."""
        day = datetime(self.start.year, self.start.month, self.start.day, tzinfo=UTC)
        while day < self.end:
            yield day
            day += timedelta(days=1)

    def holds(self, at: datetime) -> bool:
        return self.start <= at < self.end


def is_weekend(day: date) -> bool:
    return day.weekday() >= SATURDAY


def after(at: datetime, *, hours: float = 0, minutes: float = 0, seconds: float = 0) -> datetime:
    """That much later, at a whole second."""
    return at + timedelta(seconds=round(hours * 3600 + minutes * 60 + seconds))


def around(rng: Random, mean: float, spread: float = 0.1) -> int:
    """A count near the mean: at most `spread` of it away."""
    return round(mean * rng.uniform(1 - spread, 1 + spread))


def new_ids(rng: Random, prefix: str, count: int) -> tuple[str, ...]:
    """Fresh resource ids such as `i-0a1b2c3d4e5f60718`."""
    return tuple(f"{prefix}-0{rng.getrandbits(64):016x}" for _ in range(count))


def portions(ids: Sequence[str], size: int) -> Iterator[tuple[str, ...]]:
    """The ids in order, at most `size` at a time."""
    for first in range(0, len(ids), size):
        yield tuple(ids[first : first + size])


def shares(total: int, parts: int) -> list[int]:
    """The total as nearly equal whole parts, the larger ones first."""
    small, larger = divmod(total, parts)
    return [small + 1] * larger + [small] * (parts - larger)
