"""What do launches, calls and their ends look like as usage events?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from random import Random

from benchmarks.detection.accounts import image
from benchmarks.detection.doers import Doer
from benchmarks.detection.setting import Setting, new_ids
from usage_anomaly.usage import DRY_RUN, UsageEvent


def launch(
    setting: Setting,
    at: datetime,
    doer: Doer,
    instance_type: str,
    ids: Sequence[str],
    *,
    region: str | None = None,
    of: str = "",
    launcher: str | None = None,
    market: str = "on-demand",
    gib: float = 0,
    truncated: bool = False,
) -> Iterator[UsageEvent]:
    """RunInstances; `of` is the image's id, or the name of one of the organization's. With `gib` each has a volume."""
    where, named = region or setting.region, () if truncated else ids
    of = of if of.startswith("ami-") else image(of or "web", where)
    fields = {"image_id": of, "launcher_id": launcher, "market": market, "truncated": truncated}
    call, count, asked = "RunInstances", len(ids), (("market", market),)
    yield setting.event(
        at, doer, call, "ec2.instances", "use", count,
        region=where, group=instance_type, ids=named, attributes=asked, fields=fields,
    )  # fmt: skip
    if gib:
        volumes = [f"{each}:/dev/xvda" for each in named]
        size = (("gib", float(gib)),)
        yield setting.event(
            at,
            doer,
            call,
            "ebs.volumes",
            "use",
            count,
            region=where,
            group="gp3",
            ids=volumes,
            measures=size,
            fields={"image_id": fields["image_id"], "launcher_id": launcher},
        )


def end(
    setting: Setting,
    at: datetime,
    doer: Doer,
    ids: Sequence[str],
    *,
    region: str | None = None,
    gib: float = 0,
    call: str = "TerminateInstances",
) -> Iterator[UsageEvent]:
    """TerminateInstances or StopInstances; with `gib` their volumes end too, which the record does not count."""
    yield setting.event(at, doer, call, "ec2.instances", "release", len(ids), region=region, ids=ids)
    if gib and call == "TerminateInstances":
        yield setting.event(at, doer, call, "ebs.volumes", "release", 0, region=region, ids=ids)


def refused(
    setting: Setting, at: datetime, doer: Doer, instance_type: str, error: str, *, region: str | None = None
) -> UsageEvent:
    """RunInstances that launched nothing."""
    return setting.event(
        at,
        doer,
        "RunInstances",
        "ec2.instances.attempts",
        "attempt",
        1,
        region=region,
        group=instance_type,
        fields={"error_code": error, "dry_run": error.endswith(DRY_RUN)},
    )


def volume(
    setting: Setting, at: datetime, doer: Doer, ids: Sequence[str], gib: float, region: str | None = None
) -> UsageEvent:
    """CreateVolume."""
    return setting.event(
        at, doer, "CreateVolume", "ebs.volumes", "use", 1, region=region, group="gp3", ids=ids, measures=(("gib", gib),)
    )


def snapshot(
    setting: Setting,
    at: datetime,
    doer: Doer,
    ids: Sequence[str],
    gib: float,
    *,
    region: str | None = None,
    call: str = "CreateSnapshot",
) -> UsageEvent:
    """CreateSnapshot or CopySnapshot."""
    return setting.event(at, doer, call, "ebs.snapshots", "use", 1, region=region, ids=ids, measures=(("gib", gib),))


def tasks(
    setting: Setting,
    at: datetime,
    doer: Doer,
    count: int,
    dice: Random,
    *,
    size: tuple[float, float] = (1, 2),
    group: str = "web:7",
    region: str | None = None,
    call: str = "RunTask",
) -> UsageEvent:
    """Fargate tasks of so many vCPUs and GiB; a service's are not named in its record."""
    vcpus, gib = size
    return setting.event(
        at,
        doer,
        call,
        "ecs.tasks",
        "use",
        count,
        region=region,
        group=group,
        ids=new_ids(dice, "task", count) if call == "RunTask" else (),
        measures=(("gib", gib), ("vcpus", vcpus)),
        attributes=(("launch_type", "FARGATE"),),
    )


def invocations(
    setting: Setting, at: datetime, doer: Doer, count: int, function: str, region: str | None = None
) -> UsageEvent:
    """Lambda invocations of some minutes, as one event."""
    return setting.event(
        at,
        doer,
        "Invoke",
        "lambda.invocations",
        "use",
        count,
        region=region,
        fields={"function_name": function},
    )


def model_calls(
    setting: Setting, at: datetime, doer: Doer, count: int, model: str, region: str | None = None
) -> UsageEvent:
    """Bedrock invocations of some minutes, as one event."""
    return setting.event(at, doer, "InvokeModel", "bedrock.invocations", "use", count, region=region, group=model)


def denied(setting: Setting, at: datetime, doer: Doer, source: str, call: str) -> UsageEvent:
    """A call that is no kind's own and was refused."""
    return setting.event(
        at, doer, call, "api.denied", "use", 1, fields={"error_code": "AccessDenied", "event_source": source}
    )
