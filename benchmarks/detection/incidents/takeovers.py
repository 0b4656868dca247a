"""What does a stranger run where no instance is launched, or not by himself?"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from benchmarks.detection import doers
from benchmarks.detection.accounts import image
from benchmarks.detection.calls import launch, model_calls, refused, tasks
from benchmarks.detection.incidents.cast import Cast
from benchmarks.detection.setting import after, new_ids, portions
from usage_anomaly.usage import UsageEvent

STOLEN_MODEL = "anthropic.claude-3-opus-20240229-v1:0"


def stolen_administrator(cast: Cast) -> Iterator[UsageEvent]:
    """Dry runs, then within ten minutes 15-50 clusters with Fargate services and tasks, and Auto Scaling groups that
    launch 20-100 instances."""
    dice, setting = cast.dice, cast.setting
    doer, regions = doers.thief(cast.account, dice, doers.PYTHON), cast.regions(2)
    for index in range(8):
        at = after(cast.at, seconds=9 * index)
        yield refused(setting, at, doer, "g5.2xlarge", "Client.DryRunOperation", region=regions[0])
    begin, clusters = after(cast.at, minutes=4), dice.randint(15, 50)
    for number in range(clusters):
        at, region = after(begin, minutes=8 * number / clusters), regions[number % 2]
        count, call = (10, "CreateService") if number % 2 else (4, "RunTask")
        yield tasks(setting, at, doer, count, dice, size=(16, 32), group="web:1", region=region, call=call)
    launching = doers.auto_scaling(cast.account)
    for number, some in enumerate(portions(new_ids(dice, "i", dice.randint(20, 100)), 10)):
        at, region = after(begin, minutes=3 + number * 0.5), regions[number % 2]
        of = image(f"stranger/{cast.account.id}", region)
        yield from launch(setting, at, launching, "g5.2xlarge", some, region=region, of=of, launcher="web")


def fargate_miners(cast: Cast) -> Iterator[UsageEvent]:
    """One key runs 150-600 tasks, ten by a call, region after region."""
    dice, doer = cast.dice, doers.thief(cast.account, cast.dice)
    calls, minutes, regions = dice.randint(15, 60), dice.uniform(15, 60), cast.regions(dice.randint(1, 4))
    for number in range(calls):
        at, region = after(cast.at, minutes=minutes * number / calls), regions[number * len(regions) // calls]
        yield tasks(cast.setting, at, doer, 10, dice, size=(4, 8), group="app:1", region=region)


def model_theft(cast: Cast) -> Iterator[UsageEvent]:
    """A long-lived key tries models until one answers, then calls it 15-80 times a minute for half an hour to five hours,
    in a region never used."""
    dice, setting = cast.dice, cast.setting
    doer, (region,) = doers.thief(cast.account, dice, doers.PYTHON), cast.regions(1)
    per_minute, minutes = dice.randint(15, 80), dice.randint(30, 300)
    for index in range(9):
        yield setting.event(
            after(cast.at, seconds=4 * index),
            doer,
            "InvokeModel",
            "bedrock.invocations.attempts",
            "attempt",
            1,
            region=region,
            group=STOLEN_MODEL,
            fields={"error_code": "AccessDeniedException"},
        )
    for minute in range(minutes):
        at = cast.at + timedelta(minutes=5 + minute)
        yield model_calls(setting, at, doer, round(per_minute * dice.uniform(0.7, 1.3)), STOLEN_MODEL, region)


def training_jobs(cast: Cast) -> Iterator[UsageEvent]:
    """4-10 training jobs of one to four GPU instances each, in a region never used."""
    dice, doer, (region,) = cast.dice, doers.thief(cast.account, cast.dice, doers.PYTHON), cast.regions(1)
    machine = dice.choice(("ml.g5.12xlarge", "ml.p3.16xlarge", "ml.p4d.24xlarge"))
    for number in range(dice.randint(4, 10)):
        at, name = after(cast.at, minutes=number * dice.uniform(2, 7)), f"training-job_fit-{number}"
        count = dice.randint(1, 4)
        yield cast.setting.event(
            at, doer, "CreateTrainingJob", "sagemaker.instances", "use", count, region=region, group=machine, ids=(name,),
            fields={"units_each": count},
        )  # fmt: skip
