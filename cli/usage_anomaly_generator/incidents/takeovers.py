"""What does somebody do with stolen keys, beyond launching instances?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from random import Random

from usage_anomaly_generator import actors
from usage_anomaly_generator.calls import (
    Actor,
    Call,
    Failure,
    Launch,
    ModelCall,
    Other,
    Person,
    TaskDefinition,
    Tasks,
    after,
    new_ids,
    portions,
)
from usage_anomaly_generator.habits.compute import DRY_RUN
from usage_anomaly_generator.incidents.launches import OVER_QUOTA, run, thief
from usage_anomaly_generator.organization import Account

AUTO_SCALING, ECS, QUOTAS = "autoscaling.amazonaws.com", "ecs.amazonaws.com", "servicequotas.amazonaws.com"
MINER = TaskDefinition("web", 16_384, 32_768, "docker.io/example/web:latest")
SMALL_MINER = TaskDefinition("app", 4_096, 8_192, "docker.io/example/app:latest")
PYTHON = "Boto3/1.40.64 md/Botocore#1.40.64 ua/2.1 os/linux#6.8.0 md/arch#x86_64 lang/python#3.13.9"
NO_MODEL = Failure("AccessDeniedException", "You don't have access to the model with the specified model ID.")
BAD_BODY = Failure("ValidationException", "max_tokens_to_sample: range: 1..1,000,000")
TRIED_MODELS = ("anthropic.claude-v2", "anthropic.claude-3-opus-20240229-v1:0", "meta.llama3-70b-instruct-v1:0")


def stolen_administrator(
    account: Account,
    at: datetime,
    rng: Random,
    *,
    key: str = "AKIAADMIN7EXAMPLE234",
    address: str = "203.0.113.140",
    regions: tuple[str, ...] = ("us-east-1", "us-west-2"),
    clusters: int = 50,
    group: int = 20,
    instance_type: str = "g5.2xlarge",
    scale: float = 1,
) -> Iterator[Call]:
    """An administrator's key probes and makes itself a user; then 50 clusters with tasks, and groups of 20 to 999.

    The first tasks run at `at`, everything within ten minutes; the groups' instances cannot be terminated.
    """
    actor = actors.user(account, "ops-admin", key, address, PYTHON)
    yield from administrator_probes(account, at, rng, actor, regions, instance_type)
    total = round(clusters * scale)
    for number in range(total):
        when, region = after(at, minutes=8 * number / total), regions[number * len(regions) // total]
        first = number == 0 or region != regions[(number - 1) * len(regions) // total]
        yield from filled_cluster(when, account, region, actor, rng, f"web-{number:02d}", define=first)
    for index, region in enumerate(regions):
        begin = after(at, minutes=5 + index)
        yield from protected_group(begin, account, region, actor, rng, round(group * scale), instance_type)


def administrator_probes(
    account: Account, at: datetime, rng: Random, actor: Actor, regions: Sequence[str], instance_type: str
) -> Iterator[Call]:
    """Quotas looked up from 12 minutes before on, dry runs, refused launches, then an administrator to come back with."""
    for index, region in enumerate(regions):
        for number, code in enumerate(("L-DB2E81BA", "L-1216C47A", "L-3032A538")):
            asked = Other(QUOTAS, {"serviceCode": "ec2" if number < 2 else "fargate", "quotaCode": code})
            yield Call(
                after(at, minutes=-12, seconds=20 * index + 3 * number),
                account.id,
                region,
                "GetServiceQuota",
                actor,
                asked,
            )
    for index in range(6):
        launch = Launch(instance_type, new_ids(rng, "i", 1), "gpu")
        yield run(after(at, minutes=-9, seconds=7 * index), account, regions[0], actor, launch, DRY_RUN)
    for index in range(4):
        launch = Launch("p5.48xlarge", new_ids(rng, "i", 1), "gpu")
        yield run(after(at, minutes=-7, seconds=9 * index), account, regions[0], actor, launch, OVER_QUOTA)
    for index, name in enumerate(("CreateUser", "CreateAccessKey", "AttachUserPolicy")):
        yield Call(after(at, minutes=-4, seconds=6 * index), account.id, "us-east-1", name, actor, Person("sys-backup"))


def filled_cluster(
    at: datetime, account: Account, region: str, actor: Actor, rng: Random, name: str, *, define: bool
) -> Iterator[Call]:
    """A cluster with a service of ten tasks, or every second time with four tasks run once."""
    made = f"arn:aws:ecs:{region}:{account.id}:cluster/{name}"
    answer = {"cluster": {"clusterArn": made, "clusterName": name, "status": "ACTIVE", "runningTasksCount": 0}}
    details = Other(ECS, {"clusterName": name}, read_only=False, response=answer)
    yield Call(after(at, seconds=-4), account.id, region, "CreateCluster", actor, details)
    if define:
        yield Call(after(at, seconds=-2), account.id, region, "RegisterTaskDefinition", actor, MINER)
    if int(name[-2:]) % 2 == 0:
        service = Tasks(MINER, name, service=name, wanted=10)
        yield Call(at, account.id, region, "CreateService", actor, service)
    else:
        yield Call(at, account.id, region, "RunTask", actor, Tasks(MINER, name, task_ids(rng, 4)))


def protected_group(
    at: datetime, account: Account, region: str, actor: Actor, rng: Random, size: int, instance_type: str
) -> Iterator[Call]:
    """Auto Scaling launches what the group of `size` to 999 asks for; then each instance is protected from its end."""
    name = f"web-{region}"
    asked = {"autoScalingGroupName": name, "minSize": size, "maxSize": 999, "desiredCapacity": size}
    yield Call(at, account.id, region, "CreateAutoScalingGroup", actor, Other(AUTO_SCALING, asked, read_only=False))
    launching, tags = actors.auto_scaling(account), {"aws:autoscaling:groupName": name}
    ids = new_ids(rng, "i", size)
    for index, some in enumerate(portions(ids, 10)):
        when = after(at, seconds=20 + 15 * index)
        yield run(when, account, region, launching, Launch(instance_type, some, "gpu", tags))
    for index, instance_id in enumerate(ids):
        protect = {"instanceId": instance_id, "disableApiTermination": {"value": True}}
        details = Other("ec2.amazonaws.com", protect, read_only=False, response={"_return": True})
        yield Call(after(at, seconds=120 + index), account.id, region, "ModifyInstanceAttribute", actor, details)


def task_miners(
    account: Account,
    at: datetime,
    rng: Random,
    *,
    key: str = "AKIAIOSFODNN7EXAMPLE",
    address: str = "203.0.113.91",
    regions: tuple[str, ...] = ("us-east-1", "eu-west-2", "ap-southeast-1"),
    calls: int = 30,
    minutes: float = 40,
    scale: float = 1,
) -> Iterator[Call]:
    """One access key runs hundreds of tasks on Fargate, ten by a call, region after region; no instance is launched."""
    actor, total = thief(account, key, address), round(calls * scale)
    for number in range(total):
        region = regions[number * len(regions) // total]
        when = after(at, minutes=minutes * number / total)
        if number == 0 or region != regions[(number - 1) * len(regions) // total]:
            yield Call(after(when, seconds=-5), account.id, region, "RegisterTaskDefinition", actor, SMALL_MINER)
        yield Call(when, account.id, region, "RunTask", actor, Tasks(SMALL_MINER, "default", task_ids(rng, 10)))


def task_ids(rng: Random, count: int) -> tuple[str, ...]:
    return tuple(f"{rng.getrandbits(128):032x}" for _ in range(count))


def model_theft(
    account: Account,
    at: datetime,
    rng: Random,
    *,
    key: str = "AKIAMODELS7EXAMPLE22",
    address: str = "203.0.113.205",
    region: str = "us-west-2",
    model: str = "anthropic.claude-3-opus-20240229-v1:0",
    per_minute: int = 40,
    minutes: float = 50,
    scale: float = 1,
) -> Iterator[Call]:
    """A user's long-lived key tries models until one answers, then calls it by the thousand."""
    actor = actors.user(account, "notebook", key, address, PYTHON)
    for index in range(round(9 * scale)):
        why = BAD_BODY if index % 3 == 2 else NO_MODEL
        tried = ModelCall(TRIED_MODELS[index % 3])
        yield Call(after(at, minutes=-15, seconds=4 * index), account.id, region, "InvokeModel", actor, tried, why)
    each_minute = round(per_minute * scale)
    for number in range(round(each_minute * minutes)):
        when = after(at, seconds=60 * number / each_minute)
        yield Call(when, account.id, region, "InvokeModel", actor, ModelCall(model))
