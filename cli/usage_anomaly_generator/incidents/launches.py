"""What goes wrong where instances are launched and functions are called?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from random import Random

from usage_anomaly_generator import actors
from usage_anomaly_generator.calls import (
    Actor,
    Call,
    Failure,
    Instances,
    Invocation,
    Launch,
    Other,
    Person,
    after,
    new_ids,
    shares,
)
from usage_anomaly_generator.habits.compute import DRY_RUN, karpenter_node
from usage_anomaly_generator.organization import Account

OVER_QUOTA = Failure(
    "Client.VcpuLimitExceeded",
    "You have requested more vCPU capacity than your current vCPU limit of 0 allows for the instance bucket that the "
    "specified instance type belongs to. Please visit http://aws.amazon.com/contact-us/ec2-request to request an "
    "adjustment to this limit.",
)
NOT_ALLOWED = Failure("Client.UnauthorizedOperation", "You are not authorized to perform this operation.")
LEAKED = {"us-east-2": (20, 8), "us-west-2": (15, 6), "us-east-1": (12, 5)}  # region: instances, calls
SIXTEEN_REGIONS = (
    *("us-east-1", "us-east-2", "us-west-1", "us-west-2", "ca-central-1", "sa-east-1", "eu-west-1", "eu-west-2"),
    *("eu-west-3", "eu-central-1", "eu-north-1", "ap-south-1", "ap-southeast-1", "ap-southeast-2"),
    *("ap-northeast-1", "ap-northeast-2"),
)


def run(at: datetime, account: Account, region: str, actor: Actor, launch: Launch, why: Failure | None = None) -> Call:
    return Call(at, account.id, region, "RunInstances", actor, launch, why)


def thief(account: Account, key: str, address: str) -> Actor:
    return actors.user(account, "ci-legacy", key, address, actors.AWS_CLI)


def leaked_key(
    account: Account,
    at: datetime,
    rng: Random,
    *,
    key: str = "AKIAIOSFODNN7EXAMPLE",
    address: str = "203.0.113.77",
    instance_type: str = "p3.16xlarge",
    launches: Mapping[str, tuple[int, int]] = LEAKED,
    minutes: float = 53,
    ended: int = 0,
    ended_after_hours: float = 3,
    scale: float = 1,
) -> Iterator[Call]:
    """A stolen key probes, meets a quota, makes itself a user, then starts 47 GPU instances by 19 calls.

    `ended` of them (the first) are terminated by an administrator `ended_after_hours` after the first launch.
    """
    actor = thief(account, key, address)
    yield from leaked_key_probes(account, at, rng, actor, instance_type, next(iter(launches)))
    sizes = [
        (region, size)
        for region, (instances, calls) in launches.items()
        for size in shares(round(instances * scale), calls)
    ]
    for index, (region, size) in enumerate(sizes):
        inner = rng.uniform(-40, 40) if 0 < index < len(sizes) - 1 else 0
        when = after(at, minutes=minutes * index / max(1, len(sizes) - 1), seconds=inner)
        if size:
            ids = new_ids(rng, "i", size)
            yield run(when, account, region, actor, Launch(instance_type, ids, "miner"))
            if ended > 0:
                yield end(after(at, hours=ended_after_hours, seconds=index), account, region, ids[:ended])
            ended -= size


def end(at: datetime, account: Account, region: str, ids: tuple[str, ...]) -> Call:
    """An administrator terminates instances."""
    admin = actors.role(account, "OrganizationAccountAccessRole", "on-call", "198.51.100.10", actors.AWS_CLI)
    return Call(at, account.id, region, "TerminateInstances", admin, Instances(ids))


def leaked_key_probes(
    account: Account, at: datetime, rng: Random, actor: Actor, instance_type: str, region: str
) -> Iterator[Call]:
    """13 minutes before: six dry runs; 6 before: four refused launches; 2 before: a user to come back with."""
    who = Other("sts.amazonaws.com")
    yield Call(after(at, minutes=-13.5), account.id, region, "GetCallerIdentity", actor, who)
    for index in range(6):
        when = after(at, minutes=-13, seconds=9 * index)
        yield run(when, account, region, actor, Launch(instance_type, new_ids(rng, "i", 1), "miner"), DRY_RUN)
    for index in range(4):
        when = after(at, minutes=-6, seconds=12 * index)
        yield run(when, account, region, actor, Launch(instance_type, new_ids(rng, "i", 8), "miner"), OVER_QUOTA)
    for index, name in enumerate(("CreateUser", "AttachUserPolicy", "CreateAccessKey")):
        when = after(at, minutes=-2, seconds=7 * index)
        yield Call(when, account.id, "us-east-1", name, actor, Person("svc-bk"))


def lambda_loop(
    account: Account,
    at: datetime,
    rng: Random,
    *,
    per_minute: int = 2000,
    hours: float = 3,
    function: str = "resize-image",
    scale: float = 1,
) -> Iterator[Call]:
    """A queue's retry loop invokes one function `per_minute` times a minute for `hours`."""
    actor, details = actors.service("sqs.amazonaws.com"), Invocation(function)
    each_minute = round(per_minute * scale)
    for minute in range(round(hours * 60)):
        for index in range(each_minute):
            when = after(at, minutes=minute, seconds=60 * index // each_minute)
            yield Call(when, account.id, account.region, "Invoke", actor, details)


def giant_node(
    account: Account,
    at: datetime,
    rng: Random,
    *,
    instance_type: str = "u-12tb1.112xlarge",
    scale: float = 1,
) -> Iterator[Call]:
    """Karpenter picks one machine of 448 vCPUs for a pod that needs one."""
    for index in range(max(1, round(scale))):
        when = after(at, seconds=-1 + 30 * index)
        yield from karpenter_node(when, account, instance_type, new_ids(rng, "i", 1))


def provisioner_loop(
    account: Account,
    at: datetime,
    rng: Random,
    *,
    per_hour: int = 20,
    hours: float = 12,
    instance_type: str = "m5.large",
    scale: float = 1,
) -> Iterator[Call]:
    """Karpenter launches a node every few minutes for half a day and ends none."""
    total = round(per_hour * hours * scale)
    for index in range(total):
        inner = rng.uniform(-20, 20) if index else 0
        when = after(at, hours=hours * index / total, seconds=inner - 1)
        yield from karpenter_node(when, account, instance_type, new_ids(rng, "i", 1))


def thin_spread(
    account: Account,
    at: datetime,
    rng: Random,
    *,
    regions: tuple[str, ...] = SIXTEEN_REGIONS,
    instance_type: str = "g4dn.xlarge",
    minutes: float = 45,
    key: str = "AKIAI44QH8DHBEXAMPLE",
    scale: float = 1,
) -> Iterator[Call]:
    """GPU instances, two or three in each of sixteen regions: below every limit that looks at one region."""
    actor = thief(account, key, "203.0.113.88")
    for index, region in enumerate(regions):
        count = round(rng.randint(2, 3) * scale)
        when = after(at, minutes=minutes * index / len(regions))
        yield run(when, account, region, actor, Launch(instance_type, new_ids(rng, "i", count), "miner"))


def refused_launches(
    account: Account,
    at: datetime,
    rng: Random,
    *,
    calls: int = 300,
    minutes: float = 20,
    instance_type: str = "c5.18xlarge",
    scale: float = 1,
) -> Iterator[Call]:
    """A CI role's launches are refused, over quota or not allowed, 300 times in 20 minutes; then silence."""
    actor, total = actors.ci_runner(account), round(calls * scale)
    for index in range(total):
        why = rng.choice((OVER_QUOTA, NOT_ALLOWED))
        launch = Launch(instance_type, new_ids(rng, "i", rng.randint(1, 4)), "runner")
        yield run(after(at, minutes=minutes * index / total), account, account.region, actor, launch, why)
